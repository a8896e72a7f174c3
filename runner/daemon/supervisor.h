// SPDX-License-Identifier: Apache-2.0
/* What supervise.c (looking and planning), hands.c (one job's next step) and orphan.c share. */
#ifndef FF_DAEMON_SUPERVISOR_H
#define FF_DAEMON_SUPERVISOR_H

#include "runner/base/fault_point.h"
#include "runner/daemon/store.h"
#include "runner/daemon/supervise.h"
#include "runner/sched/plan.h"

enum phase { PHASE_STANDBY, PHASE_GREETING, PHASE_LOADING, PHASE_ACTIVE };

struct orphan {
    struct orphan *next, **list; /* the head of the one that it is in */
    struct supervisor *supervisor;
    char token[SPOOL_TOKEN_MAX + 1];
    bool is_asking, is_running;
    int64_t retry_at_ms;
};

struct supervisor {
    struct world world;
    struct supervise_conf conf;

    enum phase phase;
    int64_t epoch;      /* 0: no lease */
    int64_t generation; /* counts resets: what was asked before one is not heard after it */
    bool is_looking, look_again;
    struct trouble look_trouble;

    struct live_table *jobs;
    struct orphan *orphans, *dropped; /* dropped: waits for an answer alone */
    bool are_orphans_known;           /* the executor has said what else it has */
    struct trouble recover_trouble;
    struct owner *owners;   /* of the operations under way; see owner.h */
    int64_t last_id;        /* the largest number seen */
    int64_t month_began_ms; /* the month that goes on; books.c says when there is another */
    struct cap_rule *rules; /* GPUs at once, as of the last look */
    size_t rule_count;
    struct look_wait waits[LOOK_WAITS_MAX];
    size_t wait_count;
    struct look_answer answers[LOOK_ANSWERS_MAX];
    size_t answer_count;
    size_t starting;    /* starts under way, as of the last plan; less those answered since */
    bool has_held_back; /* that plan had more of them */

    bool is_greeting, is_executor_up, is_unfit;
    struct err executor_trouble; /* as last logged */
    int64_t own_uid, greet_at_ms, greeted_epoch;
    struct exec_node *nodes; /* as of the last greeting, by name */
    size_t node_count;
    bool are_nodes_news; /* to be written down by the next look */
};

/* By the clocks of the world. */
static inline int64_t wall_now(const struct supervisor *s)
{
    return s->world.wall_ms(s->world.arg);
}
static inline int64_t mono_now(const struct supervisor *s)
{
    return s->world.mono_ms(s->world.arg);
}

/* Everything in memory is doubtful: forget it and begin with the lease. */
void supervisor_reset(struct supervisor *s, const char *why);

/* Asks step_next() for the job and does it; removes the job when nothing is left to do. */
void hands_advance(struct supervisor *s, struct live *job);

/* As many starts are under way at once: what ends in the meantime is written between them, and
 * not after all of them. */
enum { SUPERVISOR_STARTS_MAX = 32 };

/* One of them was answered: with enough room for more, those held back come. */
void supervisor_start_more(struct supervisor *s);

/* Writes the attempt for a plan's decision, and launches. */
void hands_start(struct supervisor *s, struct live *job, const struct plan_snapshot *snapshot,
                 const struct plan_decision *d);

/* An entry of the executor that no live job has is ended and removed, however long it takes;
 * until then nothing new is started, because nobody knows which GPUs it has. */
int orphan_find_all(struct supervisor *s, struct err *e); /* <0: ask again */
void orphan_end_all(struct supervisor *s);
/* Forgets them all: what was known when they were found may have been old. */
void orphan_drop_all(struct supervisor *s);
void orphan_free(struct orphan *o);

#endif
