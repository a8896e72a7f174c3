// SPDX-License-Identifier: Apache-2.0
/* What an administrator posts in the ledger: GPU-time in, out, across and back, each with a
 * reason and a request key.
 *
 * Every function calls one stored procedure of db/migrations/0003_postings.sql: one transaction
 * with its audit row. The same key with the same content is POSTING_SAME and changes nothing,
 * with other content it is refused. With by->is_dry_run all of it is done and rolled back. A
 * refusal is an answer with its numbers, not an error. Amounts are GPU-milliseconds above 0
 * unless said otherwise. Blocks; errors are those of db.h, and those that mean "repeat" were
 * repeated.
 */
#ifndef FF_QUOTA_POSTING_H
#define FF_QUOTA_POSTING_H

#include "quota/change.h"

enum posting_answer {
    POSTING_DONE,
    POSTING_SAME,          /* this key and content were posted before */
    POSTING_OTHER_CONTENT, /* this key was used for something else */
    POSTING_NO_ALLOCATION,
    POSTING_NO_PROJECT,
    POSTING_NO_JOB,
    POSTING_NO_PERSON,
    POSTING_CLOSED,      /* the project or allocation is closed, or its term is over */
    POSTING_TOO_LITTLE,  /* there_gpums is all there is; of a share: what is held and used */
    POSTING_NOTHING,     /* nothing to move: nothing is free (expire) or charged (refund) */
    POSTING_OVER,        /* the job has ended (extend); the term is not over (expire) */
    POSTING_TOO_LONG,    /* extend: beyond the longest time limit; there_gpums is that, in ms */
    POSTING_WRONG_MONTH, /* adjust: it is not closed; refund: the job was not charged in it */
    POSTING_TOO_MUCH,    /* more than the books can hold: there_gpums is how much more fits */
};

struct posting_result {
    enum posting_answer answer;
    int64_t number;      /* of what was made or touched: allocation or job */
    int64_t moved_gpums; /* how much was moved */
    int64_t there_gpums; /* free in the allocation afterwards; refund: still refundable */
};

struct posting_ask {
    const char *project;       /* open */
    int64_t from_ms, until_ms; /* open: the term, half-open */
    int64_t allocation;        /* all but open, refund, extend */
    int64_t to_allocation;     /* transfer */
    int64_t job;               /* refund, extend; adjust: the one corrected, or 0 */
    int64_t person_id;         /* share */
    int month;                 /* refund, adjust (a closed one): the month corrected, or 0 */
    int64_t gpums;         /* refund 0: all that is left of the charge; adjust: may be below 0;
                                  share: the limit, -1 lifts it */
    int64_t more_ms;       /* extend */
    const char *cause;     /* refund: node_fault, preempted, maintenance, error, goodwill */
    const char *reference; /* "" or a number of the proposal, the invoice … */
};

typedef int posting_fn(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                       struct posting_result *out, struct err *e);

posting_fn posting_open;     /* an allocation of a project for a term, with its first grant */
posting_fn posting_grant;    /* more for an allocation */
posting_fn posting_revoke;   /* takes what is free out of an allocation */
posting_fn posting_transfer; /* from what is free in one allocation to another */
posting_fn
    posting_refund; /* of a job's charge: at most what was charged and not refunded yet */
posting_fn posting_adjust; /* a correction of what is free, up or down */
posting_fn posting_expire; /* what is free in an allocation whose term is over */
posting_fn posting_share;  /* how much a member may use of an allocation, all in all */
posting_fn posting_extend; /* more time for a job, and another hold for it */

#endif
