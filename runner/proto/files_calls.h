// SPDX-License-Identifier: Apache-2.0
/* What runner-files can be asked, on the socket whose other end the agent gave it.
 *
 *   list    path, after     entries of a folder in the order of their names, a few hundred a reply
 *   open    path            a descriptor to read a regular file, its size and time
 *   write   path, offset    the bytes of the descriptor sent along (a memfd, at most
 *                           FILES_WRITE_MAX) go to that offset; the file is made if it is not there
 *   mkdir   path            one folder
 *   rename  path, to        never over something that exists (-EEXIST)
 *   remove  path            a file, a symbolic link itself, or an empty folder
 *
 * Paths are relative to the one folder the program was started for ("." is that folder itself).
 * Absolute paths, "..", symbolic links on the way and anything that leads out are refused
 * (-EXDEV, -ELOOP, -EINVAL); open and write take regular files only (-EINVAL).
 * The program ends when its socket closes or after 60 s without a call.
 */
#ifndef FF_PROTO_FILES_CALLS_H
#define FF_PROTO_FILES_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/base/jget.h"

enum {
    FILES_PATH_MAX = 4095,
    FILES_LIST_MAX = 100,               /* entries a reply */
    FILES_WRITE_MAX = 16 * 1024 * 1024, /* bytes a write */
    FILES_FOLDER_MAX = 100 * 1000,      /* entries of a folder; more is -E2BIG */
};

enum files_type { FILES_FILE, FILES_FOLDER, FILES_LINK, FILES_OTHER };

struct files_entry {
    const char *name; /* UTF-8 without control bytes */
    enum files_type type;
    int64_t size_bytes;
    int64_t changed_ms;
};

struct files_list {
    struct files_entry entries[FILES_LIST_MAX]; /* borrowed from the JSON */
    size_t count;
    bool more;      /* ask again after the last name */
    int64_t hidden; /* entries of the whole folder with names that cannot be shown */
};

struct files_opened {
    int64_t size_bytes;
    int64_t changed_ms;
};

/* New objects with "verb", ready for client_start(). `after` is "" at first. */
json_t *files_list_json(const char *path, const char *after);
json_t *files_open_json(const char *path);
json_t *files_write_json(const char *path, int64_t offset);
json_t *files_mkdir_json(const char *path);
json_t *files_rename_json(const char *path, const char *to);
json_t *files_remove_json(const char *path);

/* Replies, from the JSON and (by runner-files) to it. */
int files_list_read(const json_t *reply, struct files_list *out, struct err *e);
json_t *files_list_reply(const struct files_list *l);
int files_opened_read(const json_t *reply, struct files_opened *out, struct err *e);
json_t *files_opened_reply(const struct files_opened *o);

const char *files_type_name(enum files_type t); /* "file", "folder", "link", "other" */

#endif
