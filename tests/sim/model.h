// SPDX-License-Identifier: Apache-2.0
/* The database as a table in memory: what the procedures of quota/db/migrations do to jobs,
 * attempts, budgets and months (ledger.c has those of runnerd, here are those of portald and of
 * administrators). After every change the books must balance. */
#ifndef FF_SIM_MODEL_H
#define FF_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/daemon/wish.h"
#include "runner/job/job.h"

enum { MODEL_BUDGETS = 5, MODEL_MONTHS = 40, MODEL_TEXT_MAX = 200 };

struct model_budget {
    int64_t free, held, used, expired;
    int64_t sum;      /* of the four: never another */
    int64_t until_ms; /* when its term is over */
};

struct model_month {
    int month;
    int64_t from_ms, until_ms;
    bool is_closed;
};

enum model_transfer_kind { TRANSFER_HOLD, TRANSFER_CHARGE, TRANSFER_REFUND, TRANSFER_RELEASE };

struct model_transfer {
    enum model_transfer_kind kind;
    int64_t attempt, gpums, raw_gpums;
    int month; /* that it is for, by its key */
};

struct model_event {
    enum job_event kind;
    int64_t attempt;
};

struct model_job {
    int64_t id, seq;
    enum job_state state; /* JOB_NONE: its transaction is under way */
    int64_t nodes, gpus_per_node, time_limit_ms, weight_permille;
    const char *gpu_type, *priority;
    bool has_checkpoint;
    int64_t interval_ms;
    int64_t extended_ms; /* of its limit */
    int budget, share;   /* share -1: none */
    int64_t hold_gpums, charged_gpums, refunded_gpums, ended_ms;
    char spec[MODEL_TEXT_MAX];
    bool is_endless;       /* runs until somebody cancels it */
    bool is_hold_lost;     /* an accident: the transfer of its hold is gone … */
    int64_t charge_damage; /* … or so much too much stands in its row */
    struct model_event *events;
    size_t event_count;
    struct model_transfer *transfers;
    size_t transfer_count;
    int64_t *attempts; /* numbers */
    size_t attempt_count;
};

struct model_attempt {
    int64_t id, no, job;
    char token[33], executor[17], place[MODEL_TEXT_MAX], cause[32];
    int64_t gpus, weight_permille, created_ms, started_ms;
    bool is_over;
    int64_t ended_ms, run_ms, chargeable_ms, charge_gpums, exit_code, signal_no;
};

struct model_request {
    int64_t id, job;
    enum wish_kind kind;
    const char *cause;
    bool is_answered;
};

struct sim;
struct model {
    struct sim *sim;
    struct model_job **jobs; /* by number less one */
    size_t job_count;
    struct model_attempt **attempts;
    size_t attempt_count;
    struct model_request *requests;
    size_t request_count, first_open;
    struct model_budget budgets[MODEL_BUDGETS];
    struct model_month months[MODEL_MONTHS];
    int64_t lease_epoch, lease_until_ms;
    const char *lease_holder;
    int64_t changes; /* written so far */
};

struct model *model_new(struct sim *s);
void model_free(struct model *m);

struct model_job *model_job(const struct model *m, int64_t id);
struct model_attempt *model_attempt(const struct model *m, int64_t id);
struct model_attempt *model_attempt_of_token(const struct model *m, const char *token);

/* The month of a moment. */
struct model_month *model_month(struct model *m, int64_t at_ms);
struct model_month *model_month_of(struct model *m, int month);
int64_t model_month_began(struct model *m);

/* ---- transactions */

enum model_bucket { BUCKET_FREE, BUCKET_HELD, BUCKET_USED };

/* Of a job's budget and share alike; false: less than that is there. */
bool model_shift(struct model *m, const struct model_job *j, enum model_bucket from,
                 enum model_bucket to, int64_t gpums);
void model_post(struct model *m, struct model_job *j, const struct model_transfer *t);
/* Its release, after the term. */
void model_expire(struct model *m, const struct model_job *j, int64_t gpums);
/* Appends it, and says what is wrong with it. */
void model_event(struct model *m, struct model_job *j, enum job_event kind,
                 enum job_state state, int64_t attempt);
/* What was moved for a job in transfers of a kind; attempt 0: for all. */
int64_t model_posted(const struct model_job *j, enum model_transfer_kind kind, int64_t attempt);
/* Proves the books as they are now. */
void model_prove(struct model *m);

/* ---- portald and administrators */

/* A job is placed now, and another transaction may commit before it. */
void model_place(struct model *m);
void model_ask(struct model *m, enum wish_kind kind, struct model_job *j, const char *cause);
void model_extend(struct model *m, struct model_job *j, int64_t more_ms);
void model_damage(struct model *m, struct model_job *j);
void model_repair(struct model *m, struct model_job *j);

#endif
