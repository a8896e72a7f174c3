// SPDX-License-Identifier: Apache-2.0
/* Fills the journal's operations from what the loop knows. */
#include "runner/daemon/ends.h"

#include <stdio.h>
#include <string.h>

#include "runner/daemon/step.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Somebody of the site wanted its end: that is then the cause, whatever the executor was told.
 */
static const char *cause_of(const struct live *job, const struct exec_status *exec)
{
    const char *cause = exec->cause;
    bool is_outside = !strcmp(cause, "outside");
    if (exec->state != EXEC_OVER && !(exec->state == EXEC_NEVER_RAN && is_outside))
        return "lost";
    if (is_outside && job->is_cancelled) /* by an earlier runnerd, for the same wish */
        cause = "cancelled";
    return !strcmp(cause, "cancelled") && *job->cancel_cause ? job->cancel_cause : cause;
}

/* The event that ends the job, and the sentence of how. */
static void put_last(struct journal_op *op, const char *cause, int64_t exit_code,
                     int64_t signal_no)
{
    op->last_event = step_outcome(cause, (int)exit_code, (int)signal_no, op->last_note);
    op->last_state = job_next(JOB_COMPLETING, op->last_event);
}

void ends_attempt(struct journal_op *op, const struct live *job, const struct exec_status *exec)
{
    const struct live_attempt *a = &job->attempt;
    bool is_known =
        exec->state == EXEC_OVER || exec->state == EXEC_LOST || exec->state == EXEC_NEVER_RAN;
    op->run_ms = later(a->metered_ms, is_known ? exec->run_ms : 0);
    op->at_ms = later(a->started_ms, later(a->metered_at_ms, is_known ? exec->ended_ms : 0));
    op->limit_ms = job->time_limit_ms;
    op->spent_ms = job->spent_ms;
    op->gpus = a->gpus;
    op->weight_permille = a->weight_permille;
    op->exit_code = exec->state == EXEC_OVER ? exec->exit_code : -1;
    op->signal_no = exec->signal_no;
    op->sampled_gpums = a->sampled_gpums;
    op->idle_gpums = a->idle_gpums;
    snprintf(op->cause, sizeof(op->cause), "%s", cause_of(job, exec));
    put_last(op, op->cause, op->exit_code, op->signal_no);
}

void ends_job(struct journal_op *op, const struct live *job)
{
    const struct live_attempt *a = &job->attempt;
    op->exit_code = a->exit_code;
    op->event = step_outcome(a->cause, a->exit_code, a->signal_no, op->note);
    op->state = job_next(job->state, op->event);
}

bool ends_month_is_due(const struct live *job, int64_t began_ms)
{
    const struct live_attempt *a = &job->attempt;
    return a->started_ms > 0 && a->started_ms < began_ms && a->charged_until_ms < began_ms &&
           a->metered_at_ms >= began_ms;
}

void ends_month(struct journal_op *op, const struct live *job, int64_t began_ms)
{
    const struct live_attempt *a = &job->attempt;
    op->run_ms = a->metered_ms;
    op->at_ms = a->metered_at_ms;
    op->month_began_ms = began_ms;
    op->limit_ms = job->time_limit_ms;
    op->spent_ms = job->spent_ms;
    op->gpus = a->gpus;
    op->weight_permille = a->weight_permille;
}
