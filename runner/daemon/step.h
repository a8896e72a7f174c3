// SPDX-License-Identifier: Apache-2.0
/* What to do next with one job: a pure function of what the journal says, what the executor
 * says and what people want. runnerd asks it after every change; a restart asks it anew and
 * goes on.
 */
#ifndef FF_DAEMON_STEP_H
#define FF_DAEMON_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/exec/executor.h"
#include "runner/job/job.h"

enum step {
    STEP_NONE,        /* wait for something to happen */
    STEP_LAUNCH,      /* ask the executor to start the attempt (again with the same token) */
    STEP_STARTED,     /* write `started` */
    STEP_NOT_STARTED, /* write `not_started`: back to the queue */
    STEP_STOP,        /* ask the executor to stop it */
    STEP_LIMIT,       /* tell the executor the attempt's new limit */
    STEP_CHARGE,      /* post the charges of the months that ended while it runs */
    STEP_END,         /* write the attempt's end, and what follows where that is little */
    STEP_FINISH,      /* post the charges, release the rest, write the final state */
    STEP_GIVE_UP,     /* in the queue: write the final state without running */
    STEP_FORGET,      /* final: have the executor remove its traces */
};

struct step_facts {
    enum job_state state;
    struct exec_status exec; /* of that attempt */
    bool is_asking;          /* a start or stop is on its way to the executor */
    bool is_refused;         /* the executor said that nothing runs … */
    bool is_fault;           /* … for a reason of the job's own */
    int troubles;            /* … for another one: how often in a row, for this attempt */
    bool is_cancelled;       /* somebody asked for the job's end */
    bool is_overdue;         /* it runs long past its limit: its supervisor sleeps */
    bool is_stopped;         /* the executor was told to end it */
    bool is_month_due;       /* a month has ended that it was not charged for yet */
    bool has_old_limit;      /* it is held to another limit than the job's */
    bool is_damaged;         /* its books do not balance: nothing is written for it */
    int refusals;            /* starts refused so far */
};

enum { STEP_REFUSALS_MAX = 3, STEP_TROUBLES_MAX = 3 };

enum step step_next(const struct step_facts *f);

/* The final event for an attempt that ended so, and the sentence that tells the user. */
enum job_event step_outcome(const char *cause, int exit_code, int signal_no,
                            char out_text[200]);

/* What of run_ms is charged: at most what is left of the limit. */
int64_t step_chargeable_ms(int64_t run_ms, int64_t limit_ms, int64_t spent_ms);

#endif
