// SPDX-License-Identifier: Apache-2.0
/* The jobs that runnerd has in hand: those waiting and those with an attempt, by number.
 *
 * A job enters when it is seen in the database and leaves when its traces are removed. The
 * fields are copies of the journal; they change only after the journal has. Loop thread only.
 */
#ifndef FF_DAEMON_LIVE_H
#define FF_DAEMON_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/daemon/trouble.h"
#include "runner/exec/place.h"
#include "runner/job/job.h"
#include "runner/sched/plan.h"

struct live_account {
    char name[65], gids[1001];
    int64_t uid, gid;
};

struct live_attempt {
    int64_t id, no; /* id 0: there is none */
    char token[33];
    char executor[17];
    struct exec_place place;
    int64_t gpus, weight_permille, created_ms, started_ms;
    int64_t limit_ms;         /* of its run time, as last seen in the executor; 0: not known */
    bool is_ending;           /* its supervisor takes no other limit any more */
    int64_t refused_limit_ms; /* the executor refused this one for good; 0: none */
    int troubles;             /* starts refused in a row, for no fault of the job's */
    char cause[32];
    int exit_code, signal_no;
    int64_t metered_ms, metered_at_ms; /* run time, at the wall clock of that heartbeat */
    int64_t charged_until_ms; /* months that ended until then are posted, as far as we know */
    int unreadable;           /* looks in a row at which its record could not be read */
    int64_t sampled_at_ms;    /* its run time when its GPUs were looked at last */
    int64_t sampled_gpums, idle_gpums; /* what was looked at, and found idle */
};

struct live {
    struct live *next;
    int64_t id, seq;
    enum job_state state;
    int64_t nodes, gpus_per_node, cpus, memory_bytes, time_limit_ms, weight_permille;
    int priority;
    char gpu_type[33], project[33], tenant[33];
    int64_t person_id, project_id, tenant_id;
    struct live_account account;
    int64_t spent_ms; /* chargeable time of the attempts that ended */
    struct live_attempt attempt;
    char reason[PLAN_REASON_MAX]; /* as last written to job.waits_for */

    bool is_busy;   /* the journal has it */
    bool is_asking; /* the executor has it */
    bool is_refused, is_fault, is_cancelled, is_stopped;
    bool is_damaged;       /* its books do not balance: left alone, for the operator */
    bool is_reconciled;    /* … and was tried again, because somebody asked for it */
    char cancel_cause[17]; /* of a cancel by the site: maintenance, node_fault; or "" */
    char cancel_note[200]; /* the outcome, if it is cancelled while it waits; or "" */
    int refusals, withdrawals;
    int64_t retry_at_ms; /* no step is taken before this (monotonic clock) */
    int64_t start_at_ms; /* and it is not started before that: it was withdrawn */
    struct err trouble;  /* the last refusal's sentence, or why it is left alone */
    struct trouble told; /* of what is tried again each second */
};

struct live_table;
struct live_table *live_table_new(void);
void live_table_free(struct live_table *t);
void live_table_clear(struct live_table *t);
/* Takes the copy over, unless the job is there already: then NULL, and it stays the caller's. */
struct live *live_add(struct live_table *t, struct live *copy);
void live_free(struct live *job);
struct live *live_find(const struct live_table *t, int64_t id);
void live_remove(struct live_table *t, struct live *job);
size_t live_count(const struct live_table *t);

/* Walks all, in no order: NULL gives the first. The one given may be removed by the caller
 * after. */
struct live *live_next(const struct live_table *t, const struct live *after);

/* It has no attempt any more. */
void live_forget_attempt(struct live *job);

#endif
