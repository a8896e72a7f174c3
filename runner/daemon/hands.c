// SPDX-License-Identifier: Apache-2.0
/* One job's next step, done: what step_next() decides becomes one operation of the store or one
 * question to the executor. At most one of each is under way per job; when it is answered, the
 * next step is asked for. Answers are matched by number and generation, so that a reset needs
 * to cancel nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/log.h"
#include "runner/base/xnew.h"
#include "runner/daemon/ends.h"
#include "runner/daemon/owner.h"
#include "runner/daemon/step.h"
#include "runner/daemon/supervisor.h"

enum {
    RETRY_MS = 1000,
    WITHDRAWN_MS = 60000,
    TROUBLE_MS = 10000, /* doubled each time, up to 32 times that */
    OVERDUE_MS = 60000,
    UNREADABLE_MAX = 3
};

static void on_written(struct journal_op *op);
static void launch(struct supervisor *s, struct live *job, const char *spec);
static void ask_stop(struct supervisor *s, struct live *job);

static struct journal_op *op_new(struct supervisor *s, struct live *job, enum journal_kind kind,
                                 enum job_event event)
{
    struct journal_op *op = xnew(struct journal_op);
    op->owner = owner_new(s, job);
    op->done = on_written;
    op->kind = kind;
    op->epoch = s->epoch;
    op->job = job->id;
    op->seq = job->seq + 1;
    op->attempt = job->attempt.id;
    op->event = event;
    op->state = job_next(job->state, event);
    op->at_ms = wall_now(s);
    op->exit_code = -1;
    op->rules = &s->conf.refund;
    return op;
}

static void ask_store(struct supervisor *s, struct live *job, struct journal_op *op)
{
    job->is_busy = true;
    FP("store.asking");
    s->world.store->ops->write(s->world.store, op);
}

/* What failed is tried again in a second. */
static void try_again(const struct supervisor *s, struct live *job, const char *what,
                      const struct err *why)
{
    int64_t now = mono_now(s);
    job->retry_at_ms = now + RETRY_MS;
    if (trouble_is_news(&job->told, why, now))
        log_warning("job %lld: %s: %s", (long long)job->id, what, why->text);
}

/* The store failed: what no repeat can mend is left alone. */
static void note_failure(const struct supervisor *s, struct live *job, int status,
                         const char *what, const struct err *why)
{
    job->is_busy = false;
    if (status != -EBADE) {
        try_again(s, job, what, why);
        return;
    }
    job->is_damaged = true;
    job->trouble = *why;
    log_error("job %lld: left alone: %s; ask `quota verify`, then `quota job reconcile`",
              (long long)job->id, why->text);
}

/* Of the attempt's run time. */
static int64_t limit_of(const struct live *job)
{
    return job->time_limit_ms - job->spent_ms;
}

/* ---- answers of the executor */

static void on_launched(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = owner_supervisor(arg);
    struct live *job = owner_done(arg);
    FP("launch.answered");
    if (!job)
        return;
    job->is_asking = false;
    job->is_refused = answer->is_refused;
    job->is_fault = answer->is_fault;
    if (answer->status < 0) {
        try_again(s, job, "start", &answer->why);
        job->trouble = answer->why;
    }
    if (answer->status < 0 && answer->is_refused && !answer->is_fault)
        job->attempt.troubles++;
    supervisor_start_more(s);
    hands_advance(s, job);
}

static void on_stopped(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = owner_supervisor(arg);
    struct live *job = owner_done(arg);
    FP("stop.answered");
    if (!job)
        return;
    job->is_asking = false;
    job->is_stopped = answer->status == 0;
    if (answer->status < 0) {
        try_again(s, job, "stop", &answer->why);
        return;
    }
    hands_advance(s, job);
}

static void on_limited(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = owner_supervisor(arg);
    struct live *job = owner_done(arg);
    FP("limit.answered");
    if (!job)
        return;
    job->is_asking = false;
    job->attempt.is_ending = answer->status == -EALREADY;
    if (answer->status == -EPERM) {
        job->attempt.refused_limit_ms = limit_of(job);
        job->trouble = answer->why;
    }
    if (answer->status < 0)
        try_again(s, job, "new limit", &answer->why);
    supervisor_knock(s); /* whoever asked for it waits for an answer */
}

static void on_forgotten(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = owner_supervisor(arg);
    struct live *job = owner_done(arg);
    FP("forget.answered");
    if (!job)
        return;
    job->is_asking = false;
    if (answer->status < 0 && answer->status != -ENOENT) {
        try_again(s, job, "clean", &answer->why);
        if (answer->status == -EBUSY && job_state_is_final(job->state))
            ask_stop(s, job); /* it was given up for lost, and runs */
        return;
    }
    if (job_state_is_final(job->state))
        live_remove(s->jobs, job);
    else
        live_forget_attempt(job); /* one that never ran is gone whole */
    supervisor_knock(s);          /* its GPUs are free now */
}

/* ---- the steps */

static void launch(struct supervisor *s, struct live *job, const char *spec)
{
    struct exec_ask ask = {.token = job->attempt.token,
                           .job = job->id,
                           .attempt = job->attempt.no,
                           .project = job->project,
                           .place = &job->attempt.place,
                           .nodes = job->nodes,
                           .gpus_per_node = job->gpus_per_node,
                           .gpu_type = job->gpu_type,
                           .cpus = job->cpus,
                           .memory_bytes = job->memory_bytes,
                           .limit_ms = limit_of(job),
                           .grace_ms = s->conf.grace_ms,
                           .log_max = s->conf.log_max_bytes,
                           .resume = job->attempt.no > 1 && job->spent_ms > 0,
                           .spec = spec};
    supervise_account(&job->account, s->own_uid, &ask.account);
    job->is_asking = true;
    job->is_refused = false;
    FP("launch.asking");
    s->world.executor->ops->start(s->world.executor, &ask, on_launched, owner_new(s, job));
}

/* After a restart the request is read again before the attempt is launched again. */
static void relaunch(struct supervisor *s, struct live *job)
{
    FP("relaunch.asking");
    ask_store(s, job, op_new(s, job, JOURNAL_READ, JOB_EVENTS));
}

static void write_started(struct supervisor *s, struct live *job,
                          const struct exec_status *exec)
{
    struct journal_op *op = op_new(s, job, JOURNAL_MOVE, EVENT_STARTED);
    op->at_ms = exec->started_ms;
    FP("started.asking");
    ask_store(s, job, op);
}

/* Withdrawn for lack of room, or kept out by something that passes, it is tried again, as
 * often as it takes; otherwise this counts. */
static void write_not_started(struct supervisor *s, struct live *job,
                              const struct exec_status *exec)
{
    bool is_trouble =
        !job->is_fault && !job->is_cancelled && job->attempt.troubles >= STEP_TROUBLES_MAX;
    bool is_withdrawn = exec->is_withdrawn || is_trouble;
    struct journal_op *op =
        op_new(s, job, JOURNAL_MOVE, is_withdrawn ? EVENT_WITHDRAWN : EVENT_NOT_STARTED);
    if (exec->note[0])
        err_set(&job->trouble, -EAGAIN, "%s", exec->note);
    snprintf(op->note, sizeof(op->note), "%.480s", job->trouble.text);
    FP("not_started.asking");
    ask_store(s, job, op);
}

static void write_end(struct supervisor *s, struct live *job, const struct exec_status *exec)
{
    struct journal_op *op = op_new(s, job, JOURNAL_END, EVENT_ENDED);
    ends_attempt(op, job, exec);
    FP("end.asking");
    ask_store(s, job, op);
}

static void write_charge(struct supervisor *s, struct live *job)
{
    struct journal_op *op = op_new(s, job, JOURNAL_CHARGE, JOB_EVENTS);
    ends_month(op, job, s->month_began_ms);
    FP("charge.asking");
    ask_store(s, job, op);
}

static void write_finish(struct supervisor *s, struct live *job)
{
    struct journal_op *op = op_new(s, job, JOURNAL_FINISH, JOB_EVENTS);
    ends_job(op, job);
    op->attempt = 0;
    FP("finish.asking");
    ask_store(s, job, op);
}

static void give_up(struct supervisor *s, struct live *job)
{
    enum job_event event = job->is_cancelled ? EVENT_CANCELLED : EVENT_FAILED;
    struct journal_op *op = op_new(s, job, JOURNAL_FINISH, event);
    op->attempt = 0;
    if (!job->is_cancelled)
        snprintf(op->note, 200, "could not be started: %.150s", job->trouble.text);
    else if (job->cancel_cause[0])
        step_outcome(job->cancel_cause, -1, 0, op->note);
    else
        snprintf(op->note, 200, "%.199s",
                 job->cancel_note[0] ? job->cancel_note : "cancelled while it waited");
    FP("give_up.asking");
    ask_store(s, job, op);
}

/* ---- answers of the journal */

static void say_end(const struct live *job, const char *how)
{
    log_info("job %lld: %s: %s", (long long)job->id, job_state_name(job->state), how);
}

/* The attempt's end; and the job's, if one transaction did both. */
static void apply_end(struct live *job, const struct journal_op *op)
{
    job->spent_ms += op->chargeable_ms;
    job->attempt.exit_code = (int)op->exit_code;
    job->attempt.signal_no = (int)op->signal_no;
    snprintf(job->attempt.cause, sizeof(job->attempt.cause), "%s", op->cause);
    if (!op->is_settled)
        return;
    job->seq = op->seq + 1;
    job->state = op->last_state;
    say_end(job, op->last_note);
}

/* Lack of room takes its time; what is out of order is tried again sooner, at first. */
static int64_t patience_ms(struct live *job)
{
    if (job->attempt.troubles == 0)
        return WITHDRAWN_MS;
    job->withdrawals += job->withdrawals < 6;
    return (int64_t)TROUBLE_MS << (job->withdrawals - 1);
}

static void apply_withdrawn(const struct supervisor *s, struct live *job)
{
    job->is_refused = false;
    job->is_stopped = false;
    job->start_at_ms = mono_now(s) + patience_ms(job);
    log_info("job %lld: withdrawn, and tried again later: %s", (long long)job->id,
             job->trouble.text);
}

static void apply_not_started(const struct supervisor *s, struct live *job)
{
    job->is_refused = false;
    job->is_stopped = false;
    job->refusals++;
    job->retry_at_ms = mono_now(s) + RETRY_MS;
    log_warning("job %lld: not started (%d of %d): %s", (long long)job->id, job->refusals,
                STEP_REFUSALS_MAX, job->trouble.text);
}

static void apply(const struct supervisor *s, struct live *job, const struct journal_op *op)
{
    if (op->kind == JOURNAL_READ)
        return;
    if (op->kind == JOURNAL_CHARGE) {
        FP("charge.written");
        job->attempt.charged_until_ms = op->month_began_ms;
        return;
    }
    job->seq = op->seq;
    job->state = op->state;
    job->reason[0] = '\0'; /* each move clears it in the database */
    switch (op->event) {
    case EVENT_ATTEMPT:
        FP("attempt.written");
        job->attempt.id = op->attempt;
        job->attempt.no = op->attempt_no;
        job->attempt.weight_permille = op->weight_permille;
        break;
    case EVENT_STARTED:
        FP("started.written");
        job->attempt.started_ms = op->at_ms;
        job->withdrawals = 0;
        log_info("job %lld: runs, %lld GPUs", (long long)job->id, (long long)job->attempt.gpus);
        break;
    case EVENT_NOT_STARTED:
        FP("not_started.written");
        apply_not_started(s, job);
        break;
    case EVENT_WITHDRAWN:
        apply_withdrawn(s, job);
        break;
    case EVENT_ENDED:
        FP("end.written");
        apply_end(job, op);
        break;
    case EVENT_COMPLETED:
    case EVENT_FAILED:
    case EVENT_CANCELLED:
    case EVENT_TIMED_OUT:
    case EVENT_LOST:
    case EVENT_PLACED:
    case EVENT_SUSPEND:
    case EVENT_SUSPENDED:
    case EVENT_RETRY:
    case JOB_EVENTS:
        FP("finish.written");
        say_end(job, op->note);
        break;
    }
}

/* How the log names what failed. */
static const char *name_of(const struct journal_op *op)
{
    return op->kind == JOURNAL_CHARGE ? "month's charge"
           : op->kind == JOURNAL_READ ? "its request"
                                      : job_event_name(op->event);
}

static void go_on(struct supervisor *s, struct live *job, const struct journal_op *op)
{
    job->is_busy = false;
    apply(s, job, op);
    FP("store.applied");
    if (op->event == EVENT_ATTEMPT && job->is_cancelled)
        job->is_refused = true; /* nobody was asked: nothing runs */
    else if (op->spec)
        launch(s, job, op->spec);
    hands_advance(s, job);
}

static void on_written(struct journal_op *op)
{
    struct supervisor *s = owner_supervisor(op->owner);
    struct live *job = owner_done(op->owner);
    /* whether an attempt was written decides whose the GPUs are: in doubt all is read anew */
    bool is_doubtful = op->status == -EPERM ||
                       (op->status < 0 && op->status != -EBADE && op->event == EVENT_ATTEMPT);
    FP("store.answered");
    if (job && is_doubtful)
        supervisor_reset(s, op->why.text);
    else if (job && op->status < 0)
        note_failure(s, job, op->status, name_of(op), &op->why);
    else if (job)
        go_on(s, job, op);
    journal_op_free(op);
}

/* ---- */

/* Queued again after a start that never was: its traces go first, so that its GPUs are free. */
static bool has_traces(const struct live *job)
{
    return job->attempt.id && !job_state_has_attempt(job->state);
}

static void forget(struct supervisor *s, struct live *job)
{
    if (!job->attempt.id) { /* it never had an attempt */
        live_remove(s->jobs, job);
        return;
    }
    job->is_asking = true;
    FP("forget.asking");
    s->world.executor->ops->forget(s->world.executor, job->attempt.token, on_forgotten,
                                   owner_new(s, job));
}

/* What the executor knows of the attempt, and what it metered last. A record that stays
 * unreadable is as good as none: the attempt is lost, unless a start of it may still be on its
 * way. False: look again later. */
static bool look_at(struct supervisor *s, struct live *job, struct exec_status *out)
{
    struct err why;
    struct live_attempt *a = &job->attempt;
    int r = s->world.executor->ops->poll(s->world.executor, a->token, out, &why);
    if (r < 0 && (job->is_asking || ++a->unreadable < UNREADABLE_MAX)) {
        try_again(s, job, "its record", &why);
        return false;
    }
    if (r < 0) {
        *out = (struct exec_status){.state = EXEC_LOST, .exit_code = -1};
        return true;
    }
    a->unreadable = 0;
    a->limit_ms = out->limit_ms;
    if (out->run_ms > a->metered_ms) {
        a->metered_ms = out->run_ms;
        a->metered_at_ms = out->ended_ms;
    }
    return true;
}

static void ask_stop(struct supervisor *s, struct live *job)
{
    const char *cause = job->cancel_cause[0] ? job->cancel_cause : "cancelled";
    job->is_asking = true;
    FP("stop.asking");
    s->world.executor->ops->stop(s->world.executor, job->attempt.token,
                                 job->is_cancelled ? cause : "limit", s->conf.grace_ms,
                                 on_stopped, owner_new(s, job));
}

static void ask_limit(struct supervisor *s, struct live *job)
{
    int64_t limit_ms = limit_of(job);
    log_info("job %lld: its attempt may run %lld s", (long long)job->id,
             (long long)(limit_ms / 1000));
    job->is_asking = true;
    FP("limit.asking");
    s->world.executor->ops->limit(s->world.executor, job->attempt.token, limit_ms, on_limited,
                                  owner_new(s, job));
}

/* False: nothing can be decided now. */
static bool read_facts(struct supervisor *s, struct live *job, struct step_facts *f)
{
    int64_t limit_ms = limit_of(job);
    *f = (struct step_facts){.state = job->state,
                             .is_asking = job->is_asking,
                             .is_refused = job->is_refused,
                             .is_fault = job->is_fault,
                             .troubles = job->attempt.troubles,
                             .is_cancelled = job->is_cancelled,
                             .is_stopped = job->is_stopped,
                             .is_damaged = job->is_damaged,
                             .refusals = job->refusals};
    if (job->attempt.id && !has_traces(job) && !look_at(s, job, &f->exec))
        return false;
    f->is_overdue = f->exec.state == EXEC_RUNNING &&
                    f->exec.run_ms > limit_ms + s->conf.grace_ms + OVERDUE_MS;
    f->has_old_limit = f->exec.limit_ms > 0 && limit_ms > 0 && f->exec.limit_ms != limit_ms &&
                       limit_ms != job->attempt.refused_limit_ms && !job->attempt.is_ending;
    f->is_month_due = ends_month_is_due(job, s->month_began_ms);
    return true;
}

static void take_step(struct supervisor *s, struct live *job, enum step step,
                      const struct exec_status *exec)
{
    switch (step) {
    case STEP_NONE:
        return;
    case STEP_LAUNCH:
        relaunch(s, job);
        return;
    case STEP_STARTED:
        write_started(s, job, exec);
        return;
    case STEP_NOT_STARTED:
        write_not_started(s, job, exec);
        return;
    case STEP_STOP:
        ask_stop(s, job);
        return;
    case STEP_LIMIT:
        ask_limit(s, job);
        return;
    case STEP_CHARGE:
        write_charge(s, job);
        return;
    case STEP_END:
        write_end(s, job, exec);
        return;
    case STEP_FINISH:
        write_finish(s, job);
        return;
    case STEP_GIVE_UP:
        give_up(s, job);
        return;
    case STEP_FORGET:
        forget(s, job);
        return;
    }
}

void hands_advance(struct supervisor *s, struct live *job)
{
    struct step_facts f;
    if (job->is_busy || s->phase != PHASE_ACTIVE || mono_now(s) < job->retry_at_ms)
        return;
    if (has_traces(job) && !job->is_asking && !job_state_is_final(job->state))
        forget(s, job);
    else if (read_facts(s, job, &f))
        take_step(s, job, step_next(&f), &f.exec);
}

static void take_place(const struct plan_snapshot *snapshot, const struct plan_decision *d,
                       struct live_attempt *a)
{
    a->place.slots = xnew_array(struct exec_slot, d->slot_count);
    a->place.count = d->slot_count;
    for (size_t i = 0; i < d->slot_count; i++) {
        struct exec_slot *slot = &a->place.slots[i];
        snprintf(slot->node, sizeof(slot->node), "%s", snapshot->nodes[d->slots[i].node].name);
        slot->gpus = d->slots[i].gpus;
        a->gpus += __builtin_popcountll(slot->gpus);
    }
}

void hands_start(struct supervisor *s, struct live *job, const struct plan_snapshot *snapshot,
                 const struct plan_decision *d)
{
    struct live_attempt *a = &job->attempt;
    live_forget_attempt(job);
    take_place(snapshot, d, a);
    s->world.token(a->token, s->world.arg);
    snprintf(a->executor, sizeof(a->executor), "%s", s->world.executor->ops->name);
    struct journal_op *op = op_new(s, job, JOURNAL_ATTEMPT, EVENT_ATTEMPT);
    if (exec_place_write(&a->place, op->place) < 0) {
        log_error("job %lld: its place is too long to write down", (long long)job->id);
        owner_free(op->owner);
        journal_op_free(op);
        live_forget_attempt(job);
        return;
    }
    snprintf(op->token, sizeof(op->token), "%s", a->token);
    snprintf(op->gpu_type, sizeof(op->gpu_type), "%s",
             snapshot->nodes[d->slots[0].node].gpu_type);
    op->executor = s->world.executor->ops->name;
    op->gpus = a->gpus;
    op->weight_permille = job->weight_permille;
    FP("attempt.asking");
    ask_store(s, job, op);
}
