// SPDX-License-Identifier: Apache-2.0
/* What supervise.c (looking and planning), hands.c (one job's next step), orphan.c and sample.c
 * share. */
#ifndef FF_DAEMON_SUPERVISOR_H
#define FF_DAEMON_SUPERVISOR_H

#include "runner/daemon/journal.h"
#include "runner/daemon/sample.h"
#include "runner/daemon/supervise.h"
#include "runner/sched/plan.h"

enum phase { PHASE_STANDBY, PHASE_GREETING, PHASE_LOADING, PHASE_ACTIVE };

struct orphan {
    struct orphan *next;
    struct supervisor *supervisor;
    char token[SPOOL_TOKEN_MAX + 1];
    bool is_asking, is_running;
    int64_t retry_at_ms;
};

struct supervisor {
    struct loop *loop;
    struct work_pool *journal;
    struct supervise_conf conf;
    struct executor *executor;
    struct loop_timer *tick;
    struct sampler *sampler; /* NULL: slots that were only declared */

    enum phase phase;
    int64_t epoch;      /* 0: no lease */
    int64_t generation; /* counts resets: what was asked before one is not heard after it */
    struct work *looking;
    bool look_again;
    struct trouble look_trouble;

    struct live_table *jobs;
    struct orphan *orphans;
    struct owner *owners;   /* of the operations under way; hands.c's */
    int64_t last_id;        /* the largest number seen */
    int64_t month_began_ms; /* the month that goes on; books.c says when there is another */
    struct cap_rule *rules; /* GPUs at once, as of the last look */
    size_t rule_count;
    struct look_wait waits[LOOK_WAITS_MAX];
    size_t wait_count;
    struct look_answer answers[LOOK_ANSWERS_MAX];
    size_t answer_count;

    struct client_call *hello;
    bool is_agent_up, is_unfit;
    struct err agent_trouble; /* as last logged */
    int64_t own_uid, hello_at_ms, hello_epoch;
    char enforced[500];
};

/* Everything in memory is doubtful: forget it and begin with the lease. */
void supervisor_reset(struct supervisor *s, const char *why);

/* Asks step_next() for the job and does it; removes the job when nothing is left to do. */
void hands_advance(struct supervisor *s, struct live *job);

/* Writes the attempt for a plan's decision, and launches. */
void hands_start(struct supervisor *s, struct live *job, const struct plan_snapshot *snapshot,
                 const struct plan_decision *d);

/* Forgets the operations under way, when no answer can come any more. */
void hands_done(struct supervisor *s);

/* An entry of the executor that no live job has is ended and removed, however long it takes;
 * until then nothing new is started, because nobody knows which GPUs it has. */
void orphan_adopt(struct supervisor *s, const char *token);
void orphan_end_all(struct supervisor *s);
void orphan_free(struct orphan *o);

#endif
