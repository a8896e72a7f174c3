// SPDX-License-Identifier: Apache-2.0
/* What there is to be told of one job beyond its row: attempts, request, log and files.
 *
 * job_view is the state of the pages about one job on its way from load to show. */
#ifndef FF_PORTAL_JOB_FACTS_H
#define FF_PORTAL_JOB_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "portal/access.h"
#include "runner/proto/files_calls.h"

struct job_view {
    int64_t id;
    int64_t attempt; /* whose log: the latest, or the one that ?attempt= names; 0: none yet */
    bool may_files;  /* log, files and request may be seen */
    json_t *page;    /* borrowed; NULL where no page is made */
};

/* Attempts for people ("attempts" of a page). Caller frees. */
json_t *job_attempts_json(struct arena *a, const struct attempt_list *attempts);

/* What a page says of a folder: {"files", "path", "up", "has_files", "is_empty",
 * "next", "hidden"}, the last a sentence or ""; `path` is "" for the job's folder
 * itself. Caller frees. */
json_t *job_files_json(struct arena *a, int64_t job, const char *path,
                       const struct files_list *l);

/* A command's words as one line for a shell: python3 'my train.py'. The arena's, or "". */
const char *job_command_text(struct arena *a, const json_t *command);

/* Why files or a log cannot be shown, in words. */
const char *job_missing_text(int status, bool is_log);

/* "/jobs/7/files/out/model.bin", each segment percent-encoded; the arena's, or "". */
const char *job_file_path(struct arena *a, int64_t job, const char *folder, const char *name);

/* The last bytes of a log as text for a page, and where they end. */
enum { JOB_TAIL_BYTES = 64 * 1024 };
struct job_tail {
    char *text; /* free(3) */
    size_t len;
    int64_t from, to; /* bytes of the log that it shows */
};
int job_tail_read(int fd, bool is_over, struct job_tail *out); /* on a worker */

#endif
