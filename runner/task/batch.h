// SPDX-License-Identifier: Apache-2.0
/* What a batch system is given to run: one file, which is no shell script.
 *
 *   #!/absolute/path/runner-task --batch
 *   {"token":"…","job":7,"attempt":1,"job_dir":"/…/7","project":"p","nodes":2,"limit_ms":…,…}
 *
 * The first line makes runner-task its interpreter, whatever runs it; the second is one line of
 * JSON, and there is no third. Fields, * required, and a field not listed is refused:
 *   token*        the attempt's launch token: [a-z0-9-], at most 64
 *   job* attempt* from 1
 *   job_dir*      the job's folder, an absolute path; it must be the account's own
 *   project*      its name         project_dir  an absolute path
 *   nodes*        1 to 4096, as many as the batch system must have given
 *   limit_ms*     what remains of the time limit; the batch system enforces it, the job is told
 *   grace_ms      TERM to KILL, 30000
 *   resume        an earlier attempt left a checkpoint: false
 *   launcher      absolute path of the program that starts a task on every node
 *                 (batch_slurm.h); without it it is looked up in PATH
 *   spec*         the canonical request (runner/job/spec.h), as an object
 *
 * Where no keeper is the parent, the log is the batch system's output file: its size is not
 * capped, and the limits are the batch system's.
 */
#ifndef FF_TASK_BATCH_H
#define FF_TASK_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/job/spec.h"

enum {
    BATCH_FILE_MAX = SPEC_JSON_MAX + 16 * 1024, /* bytes */
    BATCH_NODES_MAX = 4096,
    BATCH_PATH_MAX = 4000
};

struct batch {
    const char *token, *job_dir, *project, *project_dir, *launcher; /* the last two: or NULL */
    int64_t job, attempt, nodes, limit_ms, grace_ms;
    bool resume;
    struct spec *spec;
    char *text; /* the whole file, for the other nodes */
    json_t *json;
};

/* Pure. -EINVAL with the field or the line. Caller frees with batch_free(). */
int batch_parse(const char *text, size_t len, struct batch **out, struct err *e);
/* Reads the file; it must be a regular file of this account's or root's that no others can
 * write. -EPERM, -EFBIG. */
int batch_read(const char *path, struct batch **out, struct err *e);
void batch_free(struct batch *b);
AUTO_FREE(batch_free, struct batch)

/* Puts what place_read() looks for, and what the ranks are told (FIREFLY_… as on a machine with
 * a keeper, HOME, TMPDIR unless there is one), into the environment. */
struct batch_site;
void batch_enter(const struct batch *b, const struct batch_site *site);

#endif
