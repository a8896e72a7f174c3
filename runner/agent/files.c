// SPDX-License-Identifier: Apache-2.0
/* The verbs of runner-files. An operation on a name opens the folder it lies in first, then
 * works on the last part by the *at calls, which do not follow a symbolic link there. */
#include "runner/agent/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/proto/files_calls.h"

enum { IDLE_MS = 60 * 1000, COPY_BYTES = 64 * 1024, REPLY_ROOM = 48 * 1024, ENTRY_BYTES = 128 };

static int open_below(int root, const char *path, int flags, mode_t mode)
{
    const struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static int read_path(const json_t *o, const char *field, const char **out, struct err *e)
{
    int r = jget_text(o, field, FILES_PATH_MAX, out, e);
    if (r == 0 && !**out)
        r = err_set(e, -EINVAL, "%s: is empty", field);
    return r;
}

/* The folder that `path` lies in, and the last part of the path, which is a plain name. */
static int open_parent(int root, const char *path, const char **out_name, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
        return err_set(e, -EINVAL, "%s: must end in a name", path);
    AUTO(cleanup_free) char *folder = slash ? strndup(path, (size_t)(slash - path)) : xdup(".");
    if (slash == path)
        return err_set(e, -EXDEV, "%s: must not begin with '/'", path);
    int fd = open_below(root, folder, O_RDONLY | O_DIRECTORY, 0);
    *out_name = name;
    return fd < 0 ? err_set(e, fd, "%s: %s", path, strerror(-fd)) : fd;
}

static int64_t time_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static enum files_type type_of(mode_t mode)
{
    return S_ISREG(mode)   ? FILES_FILE
           : S_ISDIR(mode) ? FILES_FOLDER
           : S_ISLNK(mode) ? FILES_LINK
                           : FILES_OTHER;
}

struct names {
    char **items;
    size_t count;
    int64_t hidden;
};

static void names_done(struct names *n)
{
    while (n->count)
        free(n->items[--n->count]);
    free(n->items);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_shown(const char *name)
{
    return parse_is_utf8(name, strlen(name)) && !parse_has_control(name);
}

/* All names of a folder, sorted. Takes `fd` over. */
static int read_names(int fd, struct names *out, struct err *e)
{
    DIR *folder = fdopendir(fd);
    int r = 0;
    if (!folder) {
        close(fd);
        return err_set(e, -ENOMEM, "the folder cannot be read");
    }
    for (struct dirent *d = readdir(folder); d && r == 0; d = readdir(folder)) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        if (out->count == FILES_FOLDER_MAX)
            r = err_set(e, -E2BIG, "more than %d entries", FILES_FOLDER_MAX);
        else if (!is_shown(d->d_name))
            out->hidden++;
        else {
            out->items = xgrow(out->items, out->count + 1, sizeof(*out->items));
            out->items[out->count++] = xdup(d->d_name);
        }
    }
    closedir(folder);
    if (out->count)
        qsort(out->items, out->count, sizeof(*out->items), by_name);
    return r;
}

static void list_after(int folder, const struct names *names, const char *after,
                       struct files_list *out)
{
    size_t room = REPLY_ROOM; /* names may double in JSON; the packet holds 64 KiB */
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        struct stat st;
        if (strcmp(name, after) <= 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        size_t size = ENTRY_BYTES + 2 * strlen(name);
        out->more = out->count == FILES_LIST_MAX || size > room;
        if (out->more)
            return;
        room -= size;
        out->entries[out->count++] =
            (struct files_entry){name, type_of(st.st_mode), st.st_size, time_ms(&st)};
    }
}

static int do_list(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *path, *after;
    AUTO(names_done) struct names names = {0};
    AUTO(cleanup_free) struct files_list *list = xnew(struct files_list);
    (void)out_fd;
    int r = read_path(p->body, "path", &path, e);
    if (r == 0)
        r = jget_text_or(p->body, "after", NAME_MAX, "", &after, e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int folder = open_below(root, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return err_set(e, folder, "%s: %s", path, strerror(-folder));
    r = read_names(dup(folder), &names, e);
    if (r < 0)
        return r;
    list_after(folder, &names, after, list);
    list->hidden = names.hidden;
    *out = files_list_reply(list);
    return 0;
}

/* Opens a regular file; what could block or have side effects is opened non-blocking and
 * refused. */
static int open_file(int root, const char *path, int flags, struct stat *st, struct err *e)
{
    AUTO(cleanup_close)
    int fd = open_below(root, path, flags | O_NONBLOCK | O_NOCTTY, flags & O_CREAT ? 0600 : 0);
    if (fd < 0)
        return err_set(e, fd, "%s: %s", path, strerror(-fd));
    if (fstat(fd, st) < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st->st_mode))
        return err_set(e, S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL, "%s: is no regular file",
                       path);
    int out = fd;
    fd = -1;
    return out;
}

static int do_open(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *path;
    struct stat st;
    int r = read_path(p->body, "path", &path, e);
    if (r < 0)
        return r;
    int fd = open_file(root, path, O_RDONLY, &st, e);
    if (fd < 0)
        return fd;
    const struct files_opened opened = {st.st_size, time_ms(&st)};
    *out = files_opened_reply(&opened);
    *out_fd = fd;
    return 0;
}

/* Copies all of `from` to `to` at `offset`. Returns the bytes or a negative errno. */
static int64_t copy_to(int to, int64_t offset, int from)
{
    char room[COPY_BYTES];
    int64_t done = 0;
    for (;;) {
        ssize_t n = pread(from, room, sizeof(room), done);
        if (n <= 0)
            return n < 0 ? -errno : done;
        if (done + n > FILES_WRITE_MAX)
            return -EFBIG;
        ssize_t written = pwrite(to, room, (size_t)n, offset + done);
        if (written < 0)
            return -errno;
        done += written;
    }
}

static int do_write(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *path;
    int64_t offset;
    struct stat st;
    (void)out_fd;
    int r = read_path(p->body, "path", &path, e);
    if (r == 0)
        r = jget_i64(p->body, "offset", 0, INT64_MAX - FILES_WRITE_MAX, &offset, e);
    if (r == 0 && (p->fd < 0 || fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode)))
        r = err_set(e, -EINVAL, "write: needs a memfd with the bytes");
    if (r == 0 && st.st_size > FILES_WRITE_MAX)
        r = err_set(e, -EFBIG, "%s: at most %d bytes a write", path, FILES_WRITE_MAX);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int fd = open_file(root, path, O_WRONLY | O_CREAT, &st, e);
    if (fd < 0)
        return fd;
    int64_t n = copy_to(fd, offset, p->fd);
    if (n < 0)
        return err_set(e, (int)n, "%s: %s", path, strerror((int)-n));
    *out = json_pack("{sI}", "written_bytes", (json_int_t)n);
    return 0;
}

static int do_mkdir(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *path, *name;
    (void)out;
    (void)out_fd;
    int r = read_path(p->body, "path", &path, e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int parent = open_parent(root, path, &name, e);
    if (parent >= 0 && mkdirat(parent, name, 0700) < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    return parent < 0 ? parent : 0;
}

static int do_rename(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *from, *to, *from_name, *to_name;
    (void)out;
    (void)out_fd;
    int r = read_path(p->body, "path", &from, e);
    if (r == 0)
        r = read_path(p->body, "to", &to, e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int old = open_parent(root, from, &from_name, e);
    AUTO(cleanup_close) int new = old < 0 ? old : open_parent(root, to, &to_name, e);
    if (new < 0)
        return new;
    if (renameat2(old, from_name, new, to_name, RENAME_NOREPLACE) < 0)
        return err_set(e, -errno, "%s: %s", to, strerror(errno));
    return 0;
}

static int do_remove(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e)
{
    const char *path, *name;
    (void)out;
    (void)out_fd;
    int r = read_path(p->body, "path", &path, e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int parent = open_parent(root, path, &name, e);
    if (parent < 0)
        return parent;
    r = unlinkat(parent, name, 0);
    if (r < 0 && errno == EISDIR)
        r = unlinkat(parent, name, AT_REMOVEDIR);
    return r < 0 ? err_set(e, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static const struct {
    const char *verb;
    int (*run)(int root, const struct packet *p, json_t **out, int *out_fd, struct err *e);
} verbs[] = {
    {"list", do_list},   {"open", do_open},     {"write", do_write},
    {"mkdir", do_mkdir}, {"rename", do_rename}, {"remove", do_remove},
};

json_t *files_answer(int root, const struct packet *request, int *out_fd)
{
    struct err why = {{0}};
    const char *verb;
    int64_t id = 0;
    AUTO(json_freep) json_t *facts = NULL;
    *out_fd = -1;
    int r = jget_i64_or(request->body, "id", 0, INT64_MAX, 0, &id, &why);
    if (r == 0)
        r = jget_text(request->body, "verb", 16, &verb, &why);
    size_t i = 0;
    while (r == 0 && i < COUNT(verbs) && strcmp(verbs[i].verb, verb) != 0)
        i++;
    if (r == 0 && i == COUNT(verbs))
        r = err_set(&why, -ENOSYS, "no such verb");
    if (r == 0)
        r = verbs[i].run(root, request, &facts, out_fd, &why);
    if (r < 0)
        return wire_refusal(id, r, &why);
    json_t *reply = wire_ok(id);
    if (facts)
        json_object_update_missing(reply, facts);
    return reply;
}

int files_run(int socket, int root)
{
    int r = 0;
    while (r == 0) {
        AUTO(packet_done) struct packet request = PACKET_NONE;
        AUTO(cleanup_close) int fd = -1;
        r = wire_receive(socket, IDLE_MS, &request, NULL);
        if (r < 0)
            break;
        AUTO(json_freep) json_t *reply = files_answer(root, &request, &fd);
        r = wire_send(socket, reply, fd, IDLE_MS, NULL);
    }
    return r == -ECONNRESET || r == -ETIMEDOUT ? 0 : 1;
}
