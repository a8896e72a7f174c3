// SPDX-License-Identifier: Apache-2.0
/* The decisions of the supervisor, without its hands. Pure. */
#include "runner/daemon/step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static enum step next_starting(const struct step_facts *f)
{
    switch (f->exec.state) {
    case EXEC_RUNNING:
    case EXEC_OVER:
    case EXEC_LOST:
        return STEP_STARTED;
    case EXEC_NEVER_RAN:
        return STEP_NOT_STARTED;
    case EXEC_STARTING:
        return STEP_NONE;
    case EXEC_NONE:
        break;
    }
    if (f->is_asking)
        return STEP_NONE;
    /* Only the executor's word is good enough to say that nothing runs: an answer may have been
     * lost. */
    if (f->is_refused && (f->is_fault || f->is_cancelled))
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

enum job_event step_outcome(const char *cause, int exit_code, int signal_no, char out_text[200])
{
    if (!strcmp(cause, "cancelled")) {
        snprintf(out_text, 200, "cancelled while it ran");
        return EVENT_CANCELLED;
    }
    if (!strcmp(cause, "maintenance") || !strcmp(cause, "node_fault")) {
        snprintf(out_text, 200, "cancelled by the site: %s",
                 cause[0] == 'n' ? "node fault" : cause);
        return EVENT_CANCELLED;
    }
    if (!strcmp(cause, "shutdown")) {
        snprintf(out_text, 200, "cancelled by the site: its machine was shut down");
        return EVENT_CANCELLED;
    }
    if (!strcmp(cause, "limit")) {
        snprintf(out_text, 200, "its time limit was reached");
        return EVENT_TIMED_OUT;
    }
    if (!strcmp(cause, "lost")) {
        snprintf(out_text, 200, "its supervisor was lost; charged to the last heartbeat");
        return EVENT_LOST;
    }
    if (!strcmp(cause, "memory")) {
        snprintf(out_text, 200, "killed for using more memory than it asked for");
        return EVENT_FAILED;
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
