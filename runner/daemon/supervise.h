// SPDX-License-Identifier: Apache-2.0
/* runnerd's heart: holds the lease, looks at the database, plans, and carries each job one step
 * at a time (step.h) through the journal (journal.h) and the executor (executor.h).
 *
 *   standby ──lease──▶ greeting ──the agent knows our epoch──▶ loading ──all jobs read──▶ active
 *      ▲                                                                                    │
 *      └──────────── another runnerd is active, or a job has moved on without us ───────────┘
 *
 * A restart is a replay: everything is in the database and in the executor's records. Loop
 * thread only.
 */
#ifndef FF_DAEMON_SUPERVISE_H
#define FF_DAEMON_SUPERVISE_H

#include "quota/db/db.h"
#include "quota/refund.h"
#include "runner/base/loop.h"
#include "runner/base/work.h"
#include "runner/daemon/live.h"
#include "runner/daemon/look.h"
#include "runner/exec/executor.h"

struct supervise_conf {
    const char *agent_socket, *spool, *holder;
    int64_t lease_ms, call_deadline_ms, grace_ms, log_max_bytes;
    struct refund_rules refund;            /* what is given back by itself */
    struct look_node node;                 /* this machine */
    struct agent_gpu gpus[AGENT_GPUS_MAX]; /* its GPUs or declared slots, node.gpus of them */
    bool has_driver;                       /* they are GPUs: NVML says what they do */
};

struct supervisor;

/* `journal` is a pool of one worker whose local state is a struct db of the role DB_RUNNER. */
int supervisor_new(struct loop *l, struct work_pool *journal, const struct supervise_conf *conf,
                   struct supervisor **out, struct err *e);
void supervisor_free(struct supervisor *s);

/* Something may have changed: look as soon as possible. */
void supervisor_knock(struct supervisor *s);

/* When the month that goes on began, by the database's table and clock: jobs that began earlier
 * are charged for the months before it. */
void supervisor_note_month(struct supervisor *s, int64_t began_ms);

/* What serve.c needs: the epoch for calls of its own, and the agent's client. */
struct supervisor_view {
    bool is_active;
    bool is_unfit; /* it has stopped the loop: this machine must not be its site's runnerd */
    int64_t epoch;
    size_t jobs;
    int64_t
        own_uid; /* what every account becomes where the agent is not root; -1: it is root */
    struct client *agent;
};
void supervisor_view(const struct supervisor *s, struct supervisor_view *out);

/* The account as the agent wants it; texts are borrowed from `account`. */
void supervise_account(const struct live_account *account, int64_t own_uid,
                       struct agent_account *out);

#endif
