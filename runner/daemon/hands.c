// SPDX-License-Identifier: Apache-2.0
/* One job's next step, done: what step_next() decides becomes one journal operation or one
 * question to the executor. At most one of each is under way per job; when it is answered, the
 * next step is asked for. Answers are matched by number and generation, so that a reset needs
 * to cancel nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"
#include "runner/daemon/ends.h"
#include "runner/daemon/step.h"
#include "runner/daemon/supervisor.h"

enum { RETRY_MS = 1000, OVERDUE_MS = 60000, UNREADABLE_MAX = 3 };

static void on_journal_run(void *db, void *arg)
{
    struct journal_op *op = arg;
    if (!db)
        op->status = err_set(&op->why, -ENOTCONN, "database: no connection");
    else
        journal_run(db, op);
}

static void on_journaled(int status, void *arg);
static void launch(struct supervisor *s, struct live *job, const char *spec);

/* Whose operation it is: found again by number when the answer comes. */
struct owner {
    struct owner *next;
    struct supervisor *s;
    int64_t generation, job;
};

static struct owner *owner_new(struct supervisor *s, const struct live *job)
{
    struct owner *o = xnew(struct owner);
    *o = (struct owner){.next = s->owners, .s = s, .generation = s->generation, .job = job->id};
    s->owners = o;
    return o;
}

static void owner_free(struct owner *o)
{
    struct owner **p = &o->s->owners;
    while (*p != o)
        p = &(*p)->next;
    *p = o->next;
    free(o);
}

void hands_done(struct supervisor *s)
{
    while (s->owners)
        owner_free(s->owners);
}

/* The job, unless all was forgotten since; frees the owner. */
static struct live *owner_done(struct owner *o)
{
    struct live *job = o->generation == o->s->generation ? live_find(o->s->jobs, o->job) : NULL;
    owner_free(o);
    return job;
}

static void drop_op(void *arg)
{
    struct journal_op *op = arg;
    owner_free(op->owner);
    journal_op_free(op);
}

static struct journal_op *op_new(struct supervisor *s, struct live *job, enum journal_kind kind,
                                 enum job_event event)
{
    struct journal_op *op = xnew(struct journal_op);
    op->owner = owner_new(s, job);
    op->kind = kind;
    op->epoch = s->epoch;
    op->job = job->id;
    op->seq = job->seq + 1;
    op->attempt = job->attempt.id;
    op->event = event;
    op->state = job_next(job->state, event);
    op->at_ms = now_ms();
    op->exit_code = -1;
    op->rules = &s->conf.refund;
    return op;
}

static void journal_start(struct supervisor *s, struct live *job, struct journal_op *op)
{
    job->is_busy = true;
    work_start(s->journal, on_journal_run, on_journaled, drop_op, op);
}

/* What failed is tried again in a second. */
static void try_again(struct live *job, const char *what, const struct err *why)
{
    int64_t now = now_mono_ms();
    job->retry_at_ms = now + RETRY_MS;
    if (trouble_is_news(&job->told, why, now))
        log_warning("job %lld: %s: %s", (long long)job->id, what, why->text);
}

/* A worker of the journal's failed: what no repeat can mend is left alone. */
static void note_failure(struct live *job, int status, const char *what, const struct err *why)
{
    job->is_busy = false;
    if (status != -EBADE) {
        try_again(job, what, why);
        return;
    }
    job->is_damaged = true;
    job->trouble = *why;
    log_error("job %lld: left alone: %s; ask `quota verify`, then `quota job reconcile`",
              (long long)job->id, why->text);
}

/* ---- answers of the executor */

static void on_launched(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = ((struct owner *)arg)->s;
    struct live *job = owner_done(arg);
    if (!job)
        return;
    job->is_asking = false;
    job->is_refused = answer->is_refused;
    job->is_fault = answer->is_fault;
    if (answer->status < 0) {
        try_again(job, "start", &answer->why);
        job->trouble = answer->why;
    }
    hands_advance(s, job);
}

static void on_stopped(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = ((struct owner *)arg)->s;
    struct live *job = owner_done(arg);
    if (!job)
        return;
    job->is_asking = false;
    job->is_stopped = answer->status == 0;
    if (answer->status < 0) {
        try_again(job, "stop", &answer->why);
        return;
    }
    hands_advance(s, job);
}

static void on_limited(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = ((struct owner *)arg)->s;
    struct live *job = owner_done(arg);
    if (!job)
        return;
    job->is_asking = false;
    job->attempt.is_ending = answer->status == -EALREADY;
    if (answer->status < 0)
        try_again(job, "new limit", &answer->why);
    supervisor_knock(s); /* whoever asked for it waits for an answer */
}

static void on_forgotten(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = ((struct owner *)arg)->s;
    struct live *job = owner_done(arg);
    if (!job)
        return;
    job->is_asking = false;
    if (answer->status < 0 && answer->status != -ENOENT) {
        try_again(job, "clean", &answer->why);
        return;
    }
    if (job_state_is_final(job->state))
        live_remove(s->jobs, job);
    else
        job->attempt = (struct live_attempt){0}; /* an attempt that never ran is gone whole */
    supervisor_knock(s);                         /* its GPUs are free now */
}

/* ---- the steps */

static size_t gpus_of(const struct supervisor *s, const struct live *job,
                      struct agent_gpu out[AGENT_GPUS_MAX])
{
    uint64_t gpus = live_place_gpus(job->attempt.place, s->conf.node.name);
    size_t n = 0;
    for (int i = 0; i < PLAN_GPUS_MAX; i++)
        if (gpus >> i & 1)
            out[n++] = s->conf.gpus[i];
    return n;
}

/* What it asked for, or else this node's in proportion to its GPUs; never more than there is.
 * */
static int64_t portion(int64_t asked, int64_t there, const struct supervisor *s, int64_t gpus)
{
    int64_t all = s->conf.node.gpus ? s->conf.node.gpus : 1;
    int64_t n = asked ? asked : there * gpus / all;
    return n > there ? there : n > 0 ? n : 1;
}

static void launch(struct supervisor *s, struct live *job, const char *spec)
{
    struct exec_ask *ask = xnew(struct exec_ask);
    struct agent_start *call = &ask->call;
    supervise_account(&job->account, s->own_uid, &call->account);
    call->token = job->attempt.token;
    call->job = job->id;
    call->attempt = job->attempt.no;
    call->project = job->project;
    call->gpu_count = gpus_of(s, job, call->gpus);
    call->nodes[0] = s->conf.node.name;
    call->node_count = 1;
    call->cpus = portion(job->cpus, s->conf.node.cpus, s, (int64_t)call->gpu_count);
    call->memory_bytes =
        portion(job->memory_bytes, s->conf.node.memory_bytes, s, (int64_t)call->gpu_count);
    call->limit_ms = job->time_limit_ms - job->spent_ms;
    call->grace_ms = s->conf.grace_ms;
    call->log_max = s->conf.log_max_bytes;
    call->resume = job->attempt.no > 1 && job->spent_ms > 0;
    ask->spec = spec;
    job->is_asking = true;
    job->is_refused = false;
    s->executor->ops->start(s->executor, ask, on_launched, owner_new(s, job));
    free(ask);
}

/* After a restart the request is read again before the attempt is launched again. */
struct relaunch {
    struct owner *owner;
    int64_t job;
    char *spec;
    int status;
    struct err why;
};

static void on_spec_run(void *db, void *arg)
{
    struct relaunch *l = arg;
    l->status = db ? journal_spec(db, l->job, &l->spec, &l->why)
                   : err_set(&l->why, -ENOTCONN, "database: no connection");
}

static void drop_relaunch(void *arg)
{
    struct relaunch *l = arg;
    if (l->owner)
        owner_free(l->owner);
    free(l->spec);
    free(l);
}

static void on_spec(int status, void *arg)
{
    struct relaunch *l = arg;
    struct supervisor *s = l->owner->s;
    struct live *job = owner_done(TAKE(l->owner));
    int r = status < 0 ? err_set(&l->why, status, "too much to do") : l->status;
    if (job && r < 0) {
        note_failure(job, r, "its request", &l->why);
    } else if (job) {
        job->is_busy = false;
        launch(s, job, l->spec);
    }
    drop_relaunch(l);
}

static void relaunch(struct supervisor *s, struct live *job)
{
    struct relaunch *l = xnew(struct relaunch);
    l->owner = owner_new(s, job);
    l->job = job->id;
    job->is_busy = true;
    work_start(s->journal, on_spec_run, on_spec, drop_relaunch, l);
}

static void write_started(struct supervisor *s, struct live *job,
                          const struct exec_status *exec)
{
    struct journal_op *op = op_new(s, job, JOURNAL_MOVE, EVENT_STARTED);
    op->at_ms = exec->started_ms;
    journal_start(s, job, op);
}

static void write_not_started(struct supervisor *s, struct live *job)
{
    struct journal_op *op = op_new(s, job, JOURNAL_MOVE, EVENT_NOT_STARTED);
    snprintf(op->note, sizeof(op->note), "%.480s", job->trouble.text);
    journal_start(s, job, op);
}

static void write_end(struct supervisor *s, struct live *job, const struct exec_status *exec)
{
    struct journal_op *op = op_new(s, job, JOURNAL_END, EVENT_ENDED);
    ends_attempt(op, job, exec);
    journal_start(s, job, op);
}

static void write_charge(struct supervisor *s, struct live *job)
{
    struct journal_op *op = op_new(s, job, JOURNAL_CHARGE, JOB_EVENTS);
    ends_month(op, job, s->month_began_ms);
    journal_start(s, job, op);
}

static void write_finish(struct supervisor *s, struct live *job)
{
    struct journal_op *op = op_new(s, job, JOURNAL_FINISH, JOB_EVENTS);
    ends_job(op, job);
    op->attempt = 0;
    journal_start(s, job, op);
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
    journal_start(s, job, op);
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

static void apply(struct live *job, const struct journal_op *op)
{
    if (op->kind == JOURNAL_CHARGE) {
        job->attempt.charged_until_ms = op->month_began_ms;
        return;
    }
    job->seq = op->seq;
    job->state = op->state;
    switch (op->event) {
    case EVENT_ATTEMPT:
        job->attempt.id = op->attempt;
        job->attempt.no = op->attempt_no;
        job->attempt.weight_permille = op->weight_permille;
        break;
    case EVENT_STARTED:
        job->attempt.started_ms = op->at_ms;
        log_info("job %lld: runs, %lld GPUs", (long long)job->id, (long long)job->attempt.gpus);
        break;
    case EVENT_NOT_STARTED:
        job->refusals++;
        job->is_refused = false;
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        log_warning("job %lld: not started (%d of %d): %s", (long long)job->id, job->refusals,
                    STEP_REFUSALS_MAX, job->trouble.text);
        break;
    case EVENT_ENDED:
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
        say_end(job, op->note);
        break;
    }
}

static void on_journaled(int status, void *arg)
{
    struct journal_op *op = arg;
    struct supervisor *s = ((struct owner *)op->owner)->s;
    struct live *job = owner_done(TAKE(op->owner));
    int r = status < 0 ? err_set(&op->why, status, "too much to do") : op->status;
    /* whether an attempt was written decides whose the GPUs are: in doubt all is read anew */
    bool is_doubtful = r == -EPERM || (r < 0 && r != -EBADE && op->event == EVENT_ATTEMPT);
    if (job && is_doubtful) {
        supervisor_reset(s, op->why.text);
    } else if (job && r < 0) {
        note_failure(job, r,
                     op->kind == JOURNAL_CHARGE ? "month's charge" : job_event_name(op->event),
                     &op->why);
    } else if (job) {
        job->is_busy = false;
        apply(job, op);
        if (op->event == EVENT_ATTEMPT && job->is_cancelled)
            job->is_refused = true; /* nobody was asked: nothing runs */
        else if (op->event == EVENT_ATTEMPT)
            launch(s, job, op->spec);
        hands_advance(s, job);
    }
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
    s->executor->ops->forget(s->executor, job->attempt.token, on_forgotten, owner_new(s, job));
}

/* What the executor knows of the attempt, and what it metered last. A record that stays
 * unreadable is as good as none: the attempt is lost. False: look again later. */
static bool look_at(struct supervisor *s, struct live *job, struct exec_status *out)
{
    struct err why;
    struct live_attempt *a = &job->attempt;
    int r = s->executor->ops->poll(s->executor, a->token, out, &why);
    if (r < 0 && ++a->unreadable < UNREADABLE_MAX) {
        try_again(job, "its record", &why);
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
    s->executor->ops->stop(s->executor, job->attempt.token, job->is_cancelled ? cause : "limit",
                           s->conf.grace_ms, on_stopped, owner_new(s, job));
}

static void ask_limit(struct supervisor *s, struct live *job)
{
    int64_t limit_ms = job->time_limit_ms - job->spent_ms;
    log_info("job %lld: its attempt may run %lld s", (long long)job->id,
             (long long)(limit_ms / 1000));
    job->is_asking = true;
    s->executor->ops->limit(s->executor, job->attempt.token, limit_ms, on_limited,
                            owner_new(s, job));
}

/* False: nothing can be decided now. */
static bool read_facts(struct supervisor *s, struct live *job, struct step_facts *f)
{
    int64_t limit_ms = job->time_limit_ms - job->spent_ms;
    *f = (struct step_facts){.state = job->state,
                             .is_asking = job->is_asking,
                             .is_refused = job->is_refused,
                             .is_fault = job->is_fault,
                             .is_cancelled = job->is_cancelled,
                             .is_stopped = job->is_stopped,
                             .is_damaged = job->is_damaged,
                             .refusals = job->refusals};
    if (job->attempt.id && !has_traces(job) && !look_at(s, job, &f->exec))
        return false;
    f->is_overdue = f->exec.state == EXEC_RUNNING &&
                    f->exec.run_ms > limit_ms + s->conf.grace_ms + OVERDUE_MS;
    f->has_old_limit = f->exec.limit_ms > 0 && limit_ms > 0 && f->exec.limit_ms != limit_ms &&
                       !job->attempt.is_ending;
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
        write_not_started(s, job);
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
    if (job->is_busy || s->phase != PHASE_ACTIVE || now_mono_ms() < job->retry_at_ms)
        return;
    if (has_traces(job) && !job->is_asking && !job_state_is_final(job->state))
        forget(s, job);
    else if (read_facts(s, job, &f))
        take_step(s, job, step_next(&f), &f.exec);
}

void hands_start(struct supervisor *s, struct live *job, const struct plan_snapshot *snapshot,
                 const struct plan_decision *d)
{
    struct live_attempt *a = &job->attempt;
    *a = (struct live_attempt){.exit_code = -1};
    random_hex(a->token, 16);
    if (live_place_write(snapshot, d, a->place) < 0) {
        log_error("job %lld: its place is too long to write down", (long long)job->id);
        return;
    }
    for (size_t i = 0; i < d->slot_count; i++)
        a->gpus += __builtin_popcountll(d->slots[i].gpus);
    struct journal_op *op = op_new(s, job, JOURNAL_ATTEMPT, EVENT_ATTEMPT);
    snprintf(op->token, sizeof(op->token), "%s", a->token);
    snprintf(op->place, sizeof(op->place), "%s", a->place);
    snprintf(op->gpu_type, sizeof(op->gpu_type), "%s",
             snapshot->nodes[d->slots[0].node].gpu_type);
    op->executor = s->executor->ops->name;
    op->gpus = a->gpus;
    op->weight_permille = job->weight_permille;
    journal_start(s, job, op);
}
