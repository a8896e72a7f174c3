// SPDX-License-Identifier: Apache-2.0
/* runnerd's heart: holds the lease, looks at the database, plans, and carries each job one step
 * at a time (step.h) through the store (store.h) and the executor (executor.h). A machine:
 * events in, actions out; clocks, random numbers, store and executor are given to it.
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

#include "quota/refund.h"
#include "runner/daemon/live.h"
#include "runner/daemon/world.h"

struct supervise_conf {
    const char *holder;
    int64_t lease_ms, grace_ms, log_max_bytes;
    struct refund_rules refund; /* what is given back by itself */
};

enum { SUPERVISE_TICK_MS = 1000 };

struct supervisor;

/* Acts when it is told: supervisor_tick() each SUPERVISE_TICK_MS, answers of the store, answers
 * and changes of the executor, whose on_change it takes. */
struct supervisor *supervisor_new(const struct world *w, const struct supervise_conf *conf);
void supervisor_free(struct supervisor *s);

void supervisor_tick(struct supervisor *s);

/* Something may have changed: look as soon as possible. */
void supervisor_knock(struct supervisor *s);

/* When the month that goes on began, by the database's table and clock: jobs that began earlier
 * are charged for the months before it. */
void supervisor_note_month(struct supervisor *s, int64_t began_ms);

/* What others need to know of it; the epoch is for calls of their own. */
struct supervisor_view {
    bool is_active;
    bool is_unfit; /* it does nothing any more: this must not be its site's runnerd */
    int64_t epoch;
    size_t jobs;
    int64_t
        own_uid; /* what every account becomes where the agent is not root; -1: it is root */
};
void supervisor_view(const struct supervisor *s, struct supervisor_view *out);

/* The jobs in hand, to be looked at. */
struct live_table *supervisor_jobs(struct supervisor *s);

/* The account as the agent wants it; texts are borrowed from `account`. */
void supervise_account(const struct live_account *account, int64_t own_uid,
                       struct agent_account *out);

#endif
