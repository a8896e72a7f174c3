// SPDX-License-Identifier: Apache-2.0
/* The whole environment of runner-task, whoever starts it: what surrounds an attempt, and
 * nothing of ours.
 *
 *   PATH LANG SHELL HOME USER LOGNAME TMPDIR
 *   FIREFLY_TOKEN FIREFLY_JOB_ID FIREFLY_ATTEMPT FIREFLY_JOB_DIR FIREFLY_PROJECT FIREFLY_PROJECT_DIR
 *   FIREFLY_GPUS ("0,1" or UUIDs, of this node) FIREFLY_NODES ("n1,n2") FIREFLY_NODE (this one's place)
 *   FIREFLY_RESUME (0, 1) FIREFLY_TIME_LIMIT_S (of this attempt)
 */
#ifndef FF_PROTO_CIRCUMSTANCES_H
#define FF_PROTO_CIRCUMSTANCES_H

#include "runner/proto/agent_calls.h"

enum { CIRCUMSTANCES_MAX = 24 };

struct circumstances {
    char *lines[CIRCUMSTANCES_MAX + 1]; /* NULL-terminated, for execve(2) */
    size_t count;
};

struct circumstances_place {
    const char *jobs_root, *projects_root;
    bool has_private_tmp; /* then TMPDIR is /tmp, otherwise .firefly/tmp in the job's folder */
};

void circumstances_init(struct circumstances *c, const struct circumstances_place *at,
                        const struct agent_start *ask);
void circumstances_done(struct circumstances *c);

#endif
