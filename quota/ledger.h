// SPDX-License-Identifier: Apache-2.0
/* The double-entry ledger of GPU-time, as runnerd uses it: the only way a job's state and what
 * it holds change, because both happen in one transaction. How portald places a job with its
 * hold is ledger_place.h's, what administrators post is posting.h's.
 *
 * Every function calls one stored procedure of db/migrations/: one transaction, one round trip.
 * A refusal is an answer (an enum), not an error. Errors that mean "repeat" (deadlock, lost
 * connection) are repeated here for up to ANSWER_PATIENCE_MS; that is harmless, because each
 * write carries a key: launch token, (job, seq), (attempt, month). Blocks; a worker's business.
 * Returns 0 or the errors of db.h; -EPERM when runnerd's lease is gone or the job has moved on.
 *
 * `epoch` is the lease's; `seq` is that of the new event, one more than the job's last.
 */
#ifndef FF_QUOTA_LEDGER_H
#define FF_QUOTA_LEDGER_H

#include <stdint.h>

#include "quota/db/db.h"
#include "runner/job/job.h"

enum { LEDGER_TOKEN_LEN = 32 };

struct lease {
    bool is_held;
    int64_t epoch;
    int64_t left_ms; /* when held by another */
};

/* epoch 0 asks for the lease anew, otherwise renews it for ttl_ms by the database's clock. */
int ledger_lease(struct db *db, const char *holder, int64_t epoch, int64_t ttl_ms,
                 struct lease *out, struct err *e);

struct attempt_ask {
    int64_t job, seq;
    const char *token;    /* LEDGER_TOKEN_LEN hexadecimal digits */
    const char *executor; /* "local", "slurm", "fake" */
    const char *place;    /* JSON: nodes and GPUs */
    int64_t gpus;         /* allotted */
    int64_t weight_permille;
};

struct attempt_made {
    int64_t id; /* 0: the job has no hold, and nothing may be started */
    int64_t no; /* 1, 2, … within the job */
};
int ledger_attempt(struct db *db, int64_t epoch, const struct attempt_ask *ask,
                   struct attempt_made *out, struct err *e);

struct move_ask {
    int64_t job, seq, attempt; /* attempt 0: none */
    enum job_event event;
    enum job_state state; /* job_next() of the job's state and `event` */
    int64_t at_ms;
    const char *note;
};

/* A move that touches no GPU-time: started, not_started, withdrawn, suspend, retry. */
int ledger_move(struct db *db, int64_t epoch, const struct move_ask *ask, struct err *e);

struct attempt_end {
    int64_t run_ms, chargeable_ms;
    int64_t charge_gpums;              /* what its charges will come to, over all months */
    int64_t sampled_gpums, idle_gpums; /* GPU-time looked at, and found idle, without weight */
    const char *cause; /* exit, limit, cancelled, suspended, preempted, maintenance, lost … */
    int64_t exit_code; /* -1: none */
    int64_t signal_no; /* 0: none */
};

/* The attempt's end (event ended or suspended) with its figures; then the charges, month by
 * month, each with ledger_charge(). */
int ledger_end(struct db *db, int64_t epoch, const struct move_ask *ask,
               const struct attempt_end *end, struct err *e);

/* What one attempt used in one month. */
struct charge_ask {
    int64_t attempt;
    int month;
    int64_t gpums, raw_gpums; /* weighted; GPUs × time without weight */
};

/* Posts a charge; posting again does no harm. For an attempt that still runs it is at most what
 * is left of its job's hold. In a month that is closed it is booked in the open one and says
 * which it corrects. */
int ledger_charge(struct db *db, int64_t epoch, const struct charge_ask *ask, struct err *e);

/* Gives back a part of what an attempt was charged, once for each attempt, for a cause of the
 * site's: "node_fault", "preempted", "maintenance". While the job lives it returns to its hold,
 * afterwards to its allocation, or to `expired` when the term is over. Less is given when less
 * is left of the charge. */
int ledger_refund(struct db *db, int64_t epoch, int64_t attempt, int64_t gpums,
                  const char *cause, struct err *e);

/* The job's last event: the rest of its hold is released. exit_code -1: none. -EBUSY: a charge
 * is missing. */
int ledger_finish(struct db *db, int64_t epoch, const struct move_ask *ask, int64_t exit_code,
                  struct err *e);

/* ledger_end(), one ledger_charge(), ledger_refund() (when refund_cause is not NULL) and
 * ledger_finish() in one transaction: the end of a job whose last attempt has at most one month
 * to be charged still. end->seq + 1 is the last event's. */
struct settle_ask {
    struct move_ask end; /* event ended */
    struct attempt_end figures;
    struct charge_ask charge; /* gpums 0: nothing to post */
    const char *refund_cause;
    int64_t refund_gpums;
    struct move_ask finish; /* the job's last event */
    int64_t exit_code;
};
int ledger_settle(struct db *db, int64_t epoch, const struct settle_ask *ask, struct err *e);

/* ledger_settle() for several in one transaction, as long as all are what most are: the first
 * attempt of a job, charged for the first time, in the month of now, with nothing to give back,
 * before the term is over. Otherwise *out_is_done is false and nothing has changed: settle each
 * by itself, and the one that stands out keeps none of the others from it. */
enum { SETTLE_MANY_MAX = 64 };
int ledger_settle_many(struct db *db, int64_t epoch, const struct settle_ask *asks,
                       size_t count, bool *out_is_done, struct err *e);

struct ledger_expired {
    int done, failed; /* allocations */
    struct err why;   /* of the first that failed, which it names */
};

/* Expires what is free in all allocations whose term is over. The actor is runnerd. One that
 * fails keeps no other from expiring; -ENOTCONN and -EPERM concern them all, and end it with
 * what is done by then in *out. */
int ledger_expire(struct db *db, int64_t epoch, struct ledger_expired *out, struct err *e);

#endif
