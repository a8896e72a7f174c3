// SPDX-License-Identifier: Apache-2.0
/* Which runnerd is obeyed: the one with the highest epoch ever seen, kept over restarts, and
 * none of its calls after their deadline. */
#ifndef FF_AGENT_EPOCH_H
#define FF_AGENT_EPOCH_H

#include "runner/proto/agent_calls.h"

struct epoch {
    const char *state; /* the folder that keeps it */
    int64_t highest;
};

int epoch_load(struct epoch *p, const char *state, struct err *e);

/* -ESTALE: an older epoch. -ETIME: now_ms is past the deadline. A higher epoch is on disk when
 * this returns 0. */
int epoch_admit(struct epoch *p, const struct agent_head *h, int64_t now_ms, struct err *e);

#endif
