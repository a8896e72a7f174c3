// SPDX-License-Identifier: Apache-2.0
/* The one table of legal moves, and the fold over it. Pure. */
#include "runner/job/job.h"

#include <string.h>

#include "runner/base/cleanup.h"

static const char *const state_names[JOB_STATES] = {
    [JOB_NONE] = "none",
    [JOB_QUEUED] = "queued",
    [JOB_STARTING] = "starting",
    [JOB_RUNNING] = "running",
    [JOB_SUSPENDING] = "suspending",
    [JOB_SUSPENDED] = "suspended",
    [JOB_COMPLETING] = "completing",
    [JOB_COMPLETED] = "completed",
    [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
    [JOB_TIMED_OUT] = "timed_out",
    [JOB_LOST] = "lost",
};

static const char *const event_names[JOB_EVENTS] = {
    [EVENT_PLACED] = "placed",
    [EVENT_ATTEMPT] = "attempt",
    [EVENT_NOT_STARTED] = "not_started",
    [EVENT_WITHDRAWN] = "withdrawn",
    [EVENT_STARTED] = "started",
    [EVENT_SUSPEND] = "suspend",
    [EVENT_SUSPENDED] = "suspended",
    [EVENT_ENDED] = "ended",
    [EVENT_COMPLETED] = "completed",
    [EVENT_FAILED] = "failed",
    [EVENT_CANCELLED] = "cancelled",
    [EVENT_TIMED_OUT] = "timed_out",
    [EVENT_LOST] = "lost",
    [EVENT_RETRY] = "retry",
};

static const struct move {
    enum job_state from;
    enum job_event event;
    enum job_state to;
} moves[] = {
    {JOB_NONE, EVENT_PLACED, JOB_QUEUED},
    {JOB_QUEUED, EVENT_ATTEMPT, JOB_STARTING},
    {JOB_QUEUED, EVENT_CANCELLED, JOB_CANCELLED},
    {JOB_QUEUED, EVENT_FAILED, JOB_FAILED},
    {JOB_STARTING, EVENT_NOT_STARTED, JOB_QUEUED},
    {JOB_STARTING, EVENT_WITHDRAWN, JOB_QUEUED},
    {JOB_STARTING, EVENT_STARTED, JOB_RUNNING},
    {JOB_STARTING, EVENT_ENDED, JOB_COMPLETING},
    {JOB_RUNNING, EVENT_SUSPEND, JOB_SUSPENDING},
    {JOB_RUNNING, EVENT_ENDED, JOB_COMPLETING},
    {JOB_SUSPENDING, EVENT_SUSPENDED, JOB_SUSPENDED},
    {JOB_SUSPENDING, EVENT_ENDED, JOB_COMPLETING},
    {JOB_SUSPENDED, EVENT_ATTEMPT, JOB_STARTING},
    {JOB_SUSPENDED, EVENT_CANCELLED, JOB_CANCELLED},
    {JOB_SUSPENDED, EVENT_FAILED, JOB_FAILED},
    {JOB_COMPLETING, EVENT_COMPLETED, JOB_COMPLETED},
    {JOB_COMPLETING, EVENT_FAILED, JOB_FAILED},
    {JOB_COMPLETING, EVENT_CANCELLED, JOB_CANCELLED},
    {JOB_COMPLETING, EVENT_TIMED_OUT, JOB_TIMED_OUT},
    {JOB_COMPLETING, EVENT_LOST, JOB_LOST},
    {JOB_COMPLETING, EVENT_RETRY, JOB_QUEUED},
};

const char *job_state_name(enum job_state s)
{
    return state_names[s];
}

const char *job_event_name(enum job_event k)
{
    return event_names[k];
}

bool job_state_find(const char *name, enum job_state *out)
{
    for (int i = 0; i < JOB_STATES; i++) {
        if (strcmp(state_names[i], name))
            continue;
        *out = (enum job_state)i;
        return true;
    }
    return false;
}

bool job_event_find(const char *name, enum job_event *out)
{
    for (int i = 0; i < JOB_EVENTS; i++) {
        if (strcmp(event_names[i], name))
            continue;
        *out = (enum job_event)i;
        return true;
    }
    return false;
}

enum job_state job_next(enum job_state s, enum job_event k)
{
    for (size_t i = 0; i < COUNT(moves); i++)
        if (moves[i].from == s && moves[i].event == k)
            return moves[i].to;
    return JOB_NONE;
}

enum job_state job_fold(const enum job_event *events, size_t count)
{
    enum job_state s = JOB_NONE;
    for (size_t i = 0; i < count; i++) {
        s = job_next(s, events[i]);
        if (s == JOB_NONE)
            return JOB_NONE;
    }
    return s;
}

bool job_state_is_final(enum job_state s)
{
    return s >= JOB_COMPLETED && s <= JOB_LOST;
}

bool job_state_has_attempt(enum job_state s)
{
    return s == JOB_STARTING || s == JOB_RUNNING || s == JOB_SUSPENDING || s == JOB_COMPLETING;
}
