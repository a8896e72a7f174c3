// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm_attempt.h"

#include <stdio.h>
#include <string.h>

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
                              .gpus = s->gpus,
                              .cancelled_by_uid = s->cancelled_by_uid,
                              .is_final = is_sacct && slurm_state_is_over(s->state)};
    snprintf(out->cluster, sizeof(out->cluster), "%s", s->cluster);
    snprintf(out->reason, sizeof(out->reason), "%s", s->reason);
    snprintf(out->nodes, sizeof(out->nodes), "%s", s->nodes);
    snprintf(out->gpu_type, sizeof(out->gpu_type), "%s", s->gpu_type);
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

void slurm_attempt_see(struct slurm_attempt *a, const struct slurm_seen *seen, bool is_sacct,
                       int64_t now_ms)
{
    struct slurm_run run;
    keep(&run, seen, is_sacct, now_ms);
    a->phase = SLURM_KNOWN;
    if (a->run.id == 0 || is_same(&a->run, &run)) {
        if (a->run.id == 0 || !a->run.is_final) /* sacct's last word stays */
            a->run = run;
        return;
    }
    const struct slurm_run other = goes_before(&run, &a->run) ? a->run : run;
    if (goes_before(&run, &a->run))
        a->run = run;
    if (!slurm_state_is_over(other.state))
        a->surplus = other.id;
}

void slurm_attempt_looked(struct slurm_attempt *a, int64_t began_ms, int64_t settle_ms)
{
    bool is_fresh = a->asked_ms > 0 && began_ms < a->asked_ms + settle_ms;
    bool was_seen = a->run.id != 0 && (a->run.is_final || a->run.seen_ms >= began_ms);
    if (a->phase == SLURM_ASKING || was_seen || is_fresh)
        return;
    if (a->run.id != 0 && began_ms < a->run.seen_ms + settle_ms)
        return; /* gone from squeue a moment ago: sacct lags */
    a->phase = SLURM_ABSENT;
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

static const char *cause_of(const struct slurm_attempt *a)
{
    bool is_ours =
        a->is_stopped && (a->run.state == SLURM_CANCELLED || a->run.state == SLURM_FAILED ||
                          a->run.state == SLURM_COMPLETED);
    if (is_ours)
        return a->why;
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
        if (causes[i].state == a->run.state)
            return causes[i].cause;
    return "natural";
}

/* Slurm counts whole seconds between two clock readings of its own. */
static int64_t run_ms_of(const struct slurm_run *r, int64_t until_ms)
{
    if (r->is_final && r->elapsed_s >= 0)
        return r->elapsed_s * 1000;
    return until_ms > r->start_ms ? until_ms - r->start_ms : 0;
}

static void tell_end(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    if (!has_begun(r)) {
        out->state = EXEC_NEVER_RAN;
        out->is_withdrawn = a->is_withdrawn;
        snprintf(out->cause, sizeof(out->cause), "%s", cause_of(a));
        if (a->is_withdrawn)
            snprintf(out->note, sizeof(out->note), "Slurm had no room for it (%s)", r->reason);
        else
            snprintf(out->note, sizeof(out->note),
                     "Slurm ended it before it began (%s, job %lld)",
                     slurm_state_name(r->state), (long long)r->id);
        return;
    }
    out->state = EXEC_OVER;
    out->ended_ms = r->end_ms > 0 ? r->end_ms : r->seen_ms;
    out->run_ms = run_ms_of(r, out->ended_ms);
    out->exit_code = r->signal_no ? -1 : r->exit_code;
    out->signal_no = r->signal_no;
    snprintf(out->cause, sizeof(out->cause), "%s", cause_of(a));
    snprintf(out->note, sizeof(out->note), "Slurm job %lld on %.100s", (long long)r->id,
             r->nodes);
}

static void tell_run(const struct slurm_attempt *a, struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    out->started_ms = r->start_ms;
    out->limit_ms = a->limit_ms;
    if (slurm_state_is_over(r->state) && r->is_final) {
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
    out->run_ms = run_ms_of(r, out->ended_ms);
}

void slurm_attempt_status(const struct slurm_attempt *a, int64_t now_ms,
                          struct exec_status *out)
{
    const struct slurm_run *r = &a->run;
    (void)now_ms;
    *out = (struct exec_status){.state = EXEC_UNKNOWN, .exit_code = -1};
    switch (a->phase) {
    case SLURM_DOUBTFUL:
    case SLURM_ASKING:
        if (r->id != 0)
            tell_run(a, out);
        return;
    case SLURM_KNOWN:
        if (r->id != 0)
            tell_run(a, out);
        else
            out->state = EXEC_STARTING; /* accepted, and not yet seen */
        return;
    case SLURM_ABSENT:
        out->state = r->id != 0 && has_begun(r) ? EXEC_LOST : EXEC_NONE;
        out->started_ms = r->start_ms;
        out->ended_ms = r->seen_ms;
        out->run_ms = has_begun(r) ? run_ms_of(r, r->seen_ms) : 0;
        snprintf(out->cause, sizeof(out->cause), "lost");
        return;
    }
}
