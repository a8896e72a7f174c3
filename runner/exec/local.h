// SPDX-License-Identifier: Apache-2.0
/* The local executor: jobs run on this machine, below runner-agent and a keeper each. */
#ifndef FF_EXEC_LOCAL_H
#define FF_EXEC_LOCAL_H

#include "runner/base/loop.h"
#include "runner/exec/executor.h"

/* Borrowed for as long as the executor lives. */
struct client;
struct exec_local_conf {
    struct client *agent;
    const char *spool;
    int64_t call_deadline_ms;
    const struct exec_node *node; /* this machine; is_up and enforced are the agent's to say */
    const struct agent_gpu *gpus; /* [node->gpus] GPUs, or declared slots */
};

/* Caller frees with ops->free. -errno: the spool cannot be watched. */
int exec_local_new(struct loop *l, const struct exec_local_conf *conf, struct executor **out,
                   struct err *e);

#endif
