// SPDX-License-Identifier: Apache-2.0
/* What a job's life is: its events, and its state as a pure function of them.
 *
 * A job is the list of its events. runnerd alone appends them (portald writes the first,
 * `placed`, inside job_place), through runner/daemon/journal.c, which asks job_next() whether
 * the move is legal. The column job.state is a stored copy; `quota verify` proves it equal to
 * the fold of job_next() over the events (job_fold() does the same for a list in memory).
 *
 *   queued → starting → running → (suspending → suspended → starting …) → completing
 *          → completed | failed | cancelled | timed_out | lost
 */
#ifndef FF_JOB_JOB_H
#define FF_JOB_JOB_H

#include <stdbool.h>
#include <stddef.h>

enum job_state {
    JOB_NONE, /* before the first event */
    JOB_QUEUED,
    JOB_STARTING,
    JOB_RUNNING,
    JOB_SUSPENDING,
    JOB_SUSPENDED,
    JOB_COMPLETING,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_TIMED_OUT,
    JOB_LOST,
    JOB_STATES
};

/* What happened. The names are stored in event.kind. */
enum job_event {
    EVENT_PLACED,  /* the job and its hold were written */
    EVENT_ATTEMPT, /* an attempt with its launch token was written; the executor is asked next */
    EVENT_NOT_STARTED, /* the executor refused, no user code ran: back to the queue */
    EVENT_WITHDRAWN,   /* the same, for no fault of the job's: tried again, however often */
    EVENT_STARTED,     /* the attempt's keeper has its processes */
    EVENT_SUSPEND,     /* the ranks were told to save and leave */
    EVENT_SUSPENDED,   /* the attempt ended for the suspension */
    EVENT_ENDED,       /* the attempt ended for good; charges are being posted */
    EVENT_COMPLETED,   /* hold released, exit status 0 */
    EVENT_FAILED,      /* hold released, another exit status, a signal, or no start possible */
    EVENT_CANCELLED,   /* hold released, asked for by a person or by a failed dependency */
    EVENT_TIMED_OUT,   /* hold released, its time limit was reached */
    EVENT_LOST,        /* hold released, its keeper is gone: charged to the last heartbeat */
    EVENT_RETRY,       /* the attempt was lost to a node fault and the job may try again */
    JOB_EVENTS
};

const char *job_state_name(enum job_state s); /* "timed_out" */
const char *job_event_name(enum job_event k); /* "not_started" */
bool job_state_find(const char *name, enum job_state *out);
bool job_event_find(const char *name, enum job_event *out);

/* The state after `k` happened in state `s`; JOB_NONE if that move is not legal. */
enum job_state job_next(enum job_state s, enum job_event k);

/* The state after all `count` events in order; JOB_NONE if any move is not legal. */
enum job_state job_fold(const enum job_event *events, size_t count);

bool job_state_is_final(enum job_state s);
/* An attempt may have processes: starting … completing. */
bool job_state_has_attempt(enum job_state s);

#endif
