// SPDX-License-Identifier: Apache-2.0
/* The decisions of the supervisor, without its hands. Pure. */
#include "runner/daemon/step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/cleanup.h"

static enum step next_starting(const struct step_facts *f)
{
    switch (f->exec.state) {
    case EXEC_RUNNING:
    case EXEC_OVER:
    case EXEC_LOST:
        return STEP_STARTED;
    case EXEC_NEVER_RAN: /* somebody ended it outside: it is not to be tried again */
        return !f->exec.is_withdrawn && !strcmp(f->exec.cause, "outside") ? STEP_END
                                                                          : STEP_NOT_STARTED;
    case EXEC_STARTING: /* it may wait in a queue of the executor's own */
        return f->is_cancelled && !f->is_asking && !f->is_stopped ? STEP_STOP : STEP_NONE;
    case EXEC_UNKNOWN:
        return STEP_NONE;
    case EXEC_NONE:
        break;
    }
    if (f->is_asking)
        return STEP_NONE;
    /* Only the executor's word is good enough to say that nothing runs: an answer may have been
     * lost. */
    if (f->is_refused && (f->is_fault || f->is_cancelled || f->troubles >= STEP_TROUBLES_MAX))
        return STEP_NOT_STARTED;
    return STEP_LAUNCH;
}

static enum step next_running(const struct step_facts *f)
{
    switch (f->exec.state) {
    case EXEC_OVER:
    case EXEC_LOST:
    case EXEC_NEVER_RAN:
    case EXEC_NONE: /* its record is gone: lost, charged for what was metered */
        return STEP_END;
    case EXEC_STARTING:
    case EXEC_RUNNING:
    case EXEC_UNKNOWN:
        break;
    }
    bool is_unwanted = f->is_cancelled || f->is_overdue,
         is_free = !f->is_asking && !f->is_stopped;
    if (is_free && is_unwanted)
        return STEP_STOP;
    if (is_free && f->has_old_limit)
        return STEP_LIMIT;
    return f->is_month_due ? STEP_CHARGE : STEP_NONE;
}

/* By its state, of a job whose books are right. */
static enum step next(const struct step_facts *f)
{
    switch (f->state) {
    case JOB_QUEUED:
    case JOB_SUSPENDED:
        return f->is_cancelled || f->refusals >= STEP_REFUSALS_MAX ? STEP_GIVE_UP : STEP_NONE;
    case JOB_STARTING:
        return next_starting(f);
    case JOB_RUNNING:
    case JOB_SUSPENDING:
        return next_running(f);
    case JOB_COMPLETING:
        return STEP_FINISH;
    case JOB_COMPLETED:
    case JOB_FAILED:
    case JOB_CANCELLED:
    case JOB_TIMED_OUT:
    case JOB_LOST:
        return f->is_asking ? STEP_NONE : STEP_FORGET;
    case JOB_NONE:
    case JOB_STATES:
        break;
    }
    return STEP_NONE;
}

enum step step_next(const struct step_facts *f)
{
    enum step s = next(f);
    bool is_written = s != STEP_STOP && s != STEP_LIMIT; /* those two only ask the executor */
    return f->is_damaged && is_written ? STEP_NONE : s;
}

/* How attempts end that did not end by themselves. */
static const struct {
    const char *cause;
    enum job_event event;
    const char *text;
} outcomes[] = {
    {"cancelled", EVENT_CANCELLED, "cancelled while it ran"},
    {"maintenance", EVENT_CANCELLED, "cancelled by the site: maintenance"},
    {"node_fault", EVENT_CANCELLED, "cancelled by the site: node fault"},
    {"shutdown", EVENT_CANCELLED, "cancelled by the site: its machine was shut down"},
    {"outside", EVENT_CANCELLED, "cancelled outside the portal, by somebody with the right to"},
    {"preempted", EVENT_CANCELLED, "ended by the site's batch system, for another job"},
    {"limit", EVENT_TIMED_OUT, "its time limit was reached"},
    {"lost", EVENT_LOST, "its supervisor was lost; charged to the last heartbeat"},
    {"node_fail", EVENT_LOST, "its node failed; charged until then"},
    {"memory", EVENT_FAILED, "killed for using more memory than it asked for"},
};

enum job_event step_outcome(const char *cause, int exit_code, int signal_no, char out_text[200])
{
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        if (strcmp(outcomes[i].cause, cause) != 0)
            continue;
        snprintf(out_text, 200, "%s", outcomes[i].text);
        return outcomes[i].event;
    }
    if (signal_no) {
        snprintf(out_text, 200, "ended by signal %d (%s)", signal_no, strsignal(signal_no));
        return EVENT_FAILED;
    }
    snprintf(out_text, 200, "exit status %d", exit_code);
    return exit_code == 0 ? EVENT_COMPLETED : EVENT_FAILED;
}

int64_t step_chargeable_ms(int64_t run_ms, int64_t limit_ms, int64_t spent_ms)
{
    int64_t left = limit_ms > spent_ms ? limit_ms - spent_ms : 0;
    if (run_ms < 0)
        return 0;
    return run_ms < left ? run_ms : left;
}
