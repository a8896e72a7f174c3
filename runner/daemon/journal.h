// SPDX-License-Identifier: Apache-2.0
/* runnerd's hands in the database: each operation is a struct that a worker carries out.
 *
 * `run` functions are called on the journal's worker with its connection; they read and write
 * only the operation they are given. In `status` -EBADE means that the job's books are damaged,
 * and no repeat helps; -EPERM that another runnerd is active or that the job has moved on: what
 * is in memory is then worth nothing and everything is read anew.
 */
#ifndef FF_DAEMON_JOURNAL_H
#define FF_DAEMON_JOURNAL_H

#include "quota/ledger.h"
#include "quota/refund.h"
#include "runner/daemon/live.h"

enum journal_kind {
    JOURNAL_ATTEMPT, /* write the attempt, read the request */
    JOURNAL_MOVE,
    JOURNAL_END,    /* the attempt's end; and all the rest, where one transaction does it */
    JOURNAL_FINISH, /* post the charges of all attempts, give back, then the final event */
    JOURNAL_CHARGE, /* post the months that ended while the attempt runs: no event */
    JOURNAL_READ,   /* the request alone */
};

/* One move of one job. Texts are copies: the worker shares nothing with the loop. */
struct journal_op {
    void *owner; /* the loop's own, as `done` is; the worker leaves them alone */
    void (*done)(struct journal_op *op); /* from the loop; frees it */
    enum journal_kind kind;
    int64_t epoch, job, seq, attempt;
    int64_t attempt_no; /* ATTEMPT: out */
    enum job_event event;
    enum job_state state; /* after the event */
    int64_t at_ms;        /* CHARGE: when run_ms was metered */
    char note[500];

    char token[33], place[EXEC_PLACE_MAX + 1];
    char gpu_type[33]; /* ATTEMPT: type of the GPUs it got */
    const char *executor;
    int64_t gpus, weight_permille;      /* ATTEMPT: out, the real weight */
    int64_t run_ms, limit_ms, spent_ms; /* END, CHARGE: the limit is the job's, with what its
                                           earlier attempts have spent of it */
    int64_t month_began_ms;             /* CHARGE: of the month that goes on */
    char cause[32];
    int64_t exit_code, signal_no;      /* END, FINISH */
    int64_t sampled_gpums, idle_gpums; /* END */
    const struct refund_rules *rules;  /* END, FINISH */

    enum job_event last_event; /* END: the job's last one, and … */
    enum job_state last_state;
    char last_note[200];
    bool is_settled;       /* … out: it happened too; seq is then one further */
    int64_t chargeable_ms; /* END: out */

    int status;
    struct err why;
    char *spec; /* ATTEMPT, READ: the canonical request; freed with the operation */
};
void journal_op_free(struct journal_op *op);
void journal_run(struct db *db, struct journal_op *op);

/* journal_run() for several JOURNAL_END of different jobs: those that settle their job are
 * written together if the ledger takes them so, and otherwise one by one, so that each fails
 * for itself alone. At most SETTLE_MANY_MAX. */
void journal_run_ends(struct db *db, struct journal_op *const *ops, size_t count);

#endif
