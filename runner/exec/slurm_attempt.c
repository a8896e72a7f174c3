// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm_attempt.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SIGNAL_EARLY_MS = 60000 };

static bool has_begun(const struct slurm_run *r)
{
    return r->start_ms > 0 && r->state != SLURM_PENDING && r->state != SLURM_CONFIGURING;
}

static void keep(struct slurm_run *out, const struct slurm_seen *s, bool is_sacct, int64_t now)
{
    *out = (struct slurm_run){.id = s->id,
                              .submit_ms = s->submit_ms,
                              .start_ms = s->start_ms,
                              .end_ms = s->end_ms,
                              .elapsed_s = s->elapsed_s,
                              .limit_ms = s->limit_ms,
                              .restarts = s->restarts,
                              .seen_ms = now,
                              .state = s->state,
                              .exit_code = s->exit_code,
                              .signal_no = s->signal_no,
                              .is_final = is_sacct};
    snprintf(out->cluster, sizeof(out->cluster), "%s", s->cluster);
    snprintf(out->reason, sizeof(out->reason), "%s", s->reason);
    snprintf(out->nodes, sizeof(out->nodes), "%s", s->nodes);
}

/* The same run of the same job: a requeue changes the submit time. */
static bool is_same(const struct slurm_run *a, const struct slurm_run *b)
{
    return a->id == b->id && a->submit_ms == b->submit_ms && !strcmp(a->cluster, b->cluster);
}

/* Whether user code ran, or will run, in `b` rather than in `a`. */
static bool goes_before(const struct slurm_run *b, const struct slurm_run *a)
{
    if (has_begun(a) != has_begun(b))
        return has_begun(b);
    if (has_begun(a))
        return b->start_ms < a->start_ms;
    return slurm_state_is_over(a->state) && !slurm_state_is_over(b->state);
}

/* A second run, or one that slurmctld has forgotten it began. */
static void see_surplus(struct slurm_attempt *a, const struct slurm_run *other)
{
    if (!slurm_state_is_over(other->state))
        a->surplus = other->id;
}

/* News of the run that counts. sacct's last word stays; but of an exit code over 127 it takes
 * 128 away, which squeue does not. */
static void see_again(struct slurm_attempt *a, const struct slurm_run *run)
{
    if (a->run.is_final)
        return;
    if (has_begun(&a->run) && !has_begun(run)) {
        see_surplus(a, run);
        a->is_forgotten = true;
        a->run.seen_ms = run->seen_ms;
        a->run.is_final = slurm_state_is_over(run->state);
        return;
    }
    const struct slurm_run was = a->run;
    a->run = *run;
    if (run->is_final && slurm_state_is_over(was.state) && was.exit_code > 127)
        a->run.exit_code = was.exit_code;
}

/* What it was submitted with, or was given since. */
static void see_limit(struct slurm_attempt *a)
{
    if (!a->is_adopted || a->run.limit_ms <= 0)
        return;
    a->is_adopted = false;
    if (a->run.limit_ms < a->limit_ms)
        a->limit_ms = a->run.limit_ms;
}

void slurm_attempt_begin(struct slurm_attempt *a)
{
    a->phase = SLURM_ASKING;
    a->run = (struct slurm_run){0};
    a->accepted = a->surplus = a->over_ms = a->missed_ms = 0;
    a->is_withdrawn = a->is_forgotten = false;
}

void slurm_attempt_see(struct slurm_attempt *a, const struct slurm_seen *seen, bool is_sacct,
                       int64_t now_ms)
{
    struct slurm_run run;
    if (is_sacct && (!slurm_state_is_over(seen->state) || seen->end_ms <= 0))
        return;
    keep(&run, seen, is_sacct, now_ms);
    a->phase = SLURM_KNOWN;
    if (a->run.id == 0) {
        a->run = run;
    } else if (is_same(&a->run, &run)) {
        see_again(a, &run);
    } else if (goes_before(&run, &a->run)) {
        see_surplus(a, &a->run);
        a->run = run;
    } else {
        see_surplus(a, &run);
    }
    see_limit(a);
    if (a->run.seen_ms == now_ms)
        a->missed_ms = 0;
    if (a->over_ms == 0 && slurm_state_is_over(a->run.state))
        a->over_ms = now_ms;
    if (has_begun(&a->run) && !slurm_state_is_over(a->run.state))
        a->is_withdrawn = false; /* it began before that */
}

void slurm_attempt_looked(struct slurm_attempt *a, int64_t began_ms, int64_t settle_ms)
{
    bool was_seen = a->run.id != 0 && (a->run.is_final || a->run.seen_ms >= began_ms);
    if (a->phase == SLURM_ASKING || was_seen || began_ms < a->asked_ms)
        return;
    if (a->missed_ms == 0)
        a->missed_ms = began_ms;
    if (began_ms >= a->missed_ms + settle_ms)
        a->phase = SLURM_ABSENT;
}

void slurm_attempt_settle(struct slurm_attempt *a, int64_t now_ms, int64_t settle_ms)
{
    bool is_over = a->run.id != 0 && slurm_state_is_over(a->run.state);
    if (!is_over)
        a->over_ms = 0;
    else if (a->over_ms > 0 && now_ms >= a->over_ms + settle_ms && a->run.restarts <= 0)
        a->run.is_final = true;
}

bool slurm_attempt_wants_sacct(const struct slurm_attempt *a, int64_t look_began_ms)
{
    if (a->phase == SLURM_ASKING || a->phase == SLURM_ABSENT || a->run.is_final)
        return false;
    return a->run.id == 0 || a->run.seen_ms < look_began_ms || a->run.restarts > 0 ||
           slurm_state_is_over(a->run.state);
}

int64_t slurm_attempt_waits_since(const struct slurm_attempt *a)
{
    bool is_waiting = a->phase == SLURM_KNOWN && a->run.id != 0 &&
                      a->run.state == SLURM_PENDING && a->run.submit_ms > 0;
    return is_waiting ? a->run.submit_ms : 0;
}

bool slurm_attempt_is_running(const struct slurm_attempt *a)
{
    return a->phase == SLURM_KNOWN && a->run.id != 0 && a->run.state == SLURM_RUNNING;
}

/* Slurm's own count of whole seconds, which leaves suspensions out; by no clock of ours. */
static int64_t run_ms_of(const struct slurm_run *r)
{
    if (r->elapsed_s >= 0)
        return r->elapsed_s * 1000;
    return r->end_ms > r->start_ms ? r->end_ms - r->start_ms : 0;
}

bool slurm_attempt_is_over_limit(const struct slurm_attempt *a, int64_t now_ms)
{
    return slurm_attempt_is_running(a) && a->limit_ms > 0 &&
           run_ms_of(&a->run) + (now_ms - a->run.seen_ms) > a->limit_ms;
}

/* ---- the status */

/* What Slurm's ends are called here; our own stop comes before them. */
static const struct {
    enum slurm_state state;
    const char *cause;
} causes[] = {
    {SLURM_COMPLETED, "natural"},    {SLURM_FAILED, "natural"},
    {SLURM_CANCELLED, "outside"},    {SLURM_TIMEOUT, "limit"},
    {SLURM_DEADLINE, "limit"},       {SLURM_NODE_FAIL, "node_fail"},
    {SLURM_BOOT_FAIL, "node_fail"},  {SLURM_PREEMPTED, "preempted"},
    {SLURM_OUT_OF_MEMORY, "memory"}, {SLURM_REQUEUED, "outside"},
};

/* Ended by us as an earlier runnerd, or by the TERM that Slurm sends before its own limit, which
 * somebody may have made shorter; up to a minute early, by its manual. */
static bool is_limit(const struct slurm_attempt *a)
{
    const struct slurm_run *r = &a->run;
    bool is_ended = r->state == SLURM_FAILED && r->exit_code == 128 + SIGTERM;
    bool is_at_ours = a->limit_ms > 0 && run_ms_of(r) >= a->limit_ms;
    bool is_at_slurms =
        r->limit_ms > 0 && run_ms_of(r) + a->grace_ms + SIGNAL_EARLY_MS >= r->limit_ms;
    return is_at_ours ? is_ended || r->state == SLURM_CANCELLED : is_ended && is_at_slurms;
}

static const char *cause_of(const struct slurm_attempt *a)
{
    const struct slurm_run *r = &a->run;
    bool is_cancelled = r->state == SLURM_CANCELLED;
    if (a->is_stopped &&
        (is_cancelled || r->state == SLURM_FAILED || r->state == SLURM_COMPLETED))
        return a->why;
    if (is_cancelled && a->is_withdrawn && has_begun(r))
        return "preempted"; /* it began in the moment in which we took it back */
    if (has_begun(r) && is_limit(a))
        return "limit";
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
        if (causes[i].state == r->state)
            return causes[i].cause;
    return "natural";
}

static void tell_never_ran(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    out->state = EXEC_NEVER_RAN;
    out->is_withdrawn = a->is_withdrawn;
    if (a->is_withdrawn)
        snprintf(out->note, sizeof(out->note), "Slurm did not start it yet: %s",
                 slurm_reason_text(a->waited_for));
    else
        snprintf(out->note, sizeof(out->note), "Slurm ended it before it began (%s, job %lld)",
                 slurm_state_name(r->state), (long long)r->id);
}

static void tell_lost(const struct slurm_run *r, struct exec_status *out)
{
    out->state = EXEC_LOST;
    out->ended_ms = r->seen_ms;
    out->run_ms = run_ms_of(r);
    snprintf(out->cause, sizeof(out->cause), "lost");
}

static void tell_end(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    snprintf(out->cause, sizeof(out->cause), "%s", cause_of(a));
    out->ended_ms = r->end_ms > 0 ? r->end_ms : r->seen_ms;
    if (!has_begun(r)) {
        tell_never_ran(a, out);
        return;
    }
    out->state = EXEC_OVER;
    out->run_ms = run_ms_of(r);
    out->exit_code = r->signal_no ? -1 : r->exit_code;
    out->signal_no = r->signal_no;
    snprintf(out->note, sizeof(out->note), "Slurm job %lld on %.100s", (long long)r->id,
             r->nodes);
}

static void tell_run(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    out->limit_ms = a->limit_ms;
    if (r->is_final && a->is_forgotten) {
        tell_lost(r, out);
        return;
    }
    if (r->is_final) {
        tell_end(a, out);
        return;
    }
    if (!has_begun(r)) {
        out->state = EXEC_STARTING;
        snprintf(out->note, sizeof(out->note), "waits in Slurm's queue (%s)", r->reason);
        return;
    }
    /* also one that has ended, until sacct has said how */
    out->state = EXEC_RUNNING;
    out->ended_ms = r->end_ms > 0 ? r->end_ms : r->seen_ms;
    out->run_ms = run_ms_of(r);
}

/* Neither squeue nor sacct has it. What squeue said of its end is then the last word. */
static void tell_absence(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    if (r->id == 0)
        out->state = EXEC_NONE;
    else if (slurm_state_is_over(r->state))
        tell_end(a, out);
    else if (!has_begun(r))
        out->state = EXEC_NONE;
    else
        tell_lost(r, out);
}

void slurm_attempt_status(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    *out = (struct exec_status){
        .state = EXEC_UNKNOWN, .exit_code = -1, .started_ms = has_begun(r) ? r->start_ms : 0};
    if (a->phase == SLURM_ABSENT)
        tell_absence(a, out);
    else if (r->id != 0)
        tell_run(a, out);
    else if (a->phase == SLURM_KNOWN)
        out->state = EXEC_STARTING; /* accepted, and not yet seen */
}
