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
#include "runner/daemon/step.h"
#include "runner/daemon/supervisor.h"

enum { RETRY_MS = 1000, OVERDUE_MS = 60000, UNREADABLE_MAX = 3 };

static void on_journal_run(void *db, void *arg)
{
    struct journal_op *op = arg;
    if (!db)
        op->status = -ENOTCONN;
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
    return op;
}

static void journal_start(struct supervisor *s, struct live *job, struct journal_op *op)
{
    job->is_busy = true;
    work_start(s->journal, on_journal_run, on_journaled, drop_op, op);
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
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        if (strcmp(job->trouble.text, answer->why.text))
            log_warning("job %lld: start: %s", (long long)job->id, answer->why.text);
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
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        log_warning("job %lld: stop: %s", (long long)job->id, answer->why.text);
        return;
    }
    hands_advance(s, job);
}

static void on_forgotten(const struct exec_answer *answer, void *arg)
{
    struct supervisor *s = ((struct owner *)arg)->s;
    struct live *job = owner_done(arg);
    if (!job)
        return;
    job->is_asking = false;
    if (answer->status < 0 && answer->status != -ENOENT) {
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        log_warning("job %lld: clean: %s", (long long)job->id, answer->why.text);
        return;
    }
    if (job_state_is_final(job->state))
        live_remove(s->jobs, job);
    else
        job->attempt = (struct live_attempt){0}; /* an attempt that never ran is gone whole */
    supervisor_knock(s);                         /* its GPUs are free now */
}

static void on_orphan_stopped(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    (void)answer;
    o->is_asking = false;
}

static void on_orphan_forgotten(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    struct supervisor *s = o->supervisor;
    o->is_asking = false;
    if (answer->status == 0 || answer->status == -ENOENT) {
        hands_orphan_free(o);
        supervisor_knock(s);
        return;
    }
    o->retry_at_ms = now_mono_ms() + RETRY_MS;
    o->is_running = answer->status == -EBUSY;
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
    l->status = db ? journal_spec(db, l->job, &l->spec, &l->why) : -ENOTCONN;
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
    if (job) {
        job->is_busy = false;
        if (status == 0 && l->status == 0)
            launch(s, job, l->spec);
        else
            job->retry_at_ms = now_mono_ms() + RETRY_MS;
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
    const struct live_attempt *a =
        &job->attempt; /* what was seen last, if the record is gone */
    bool is_known = exec->state == EXEC_OVER || exec->state == EXEC_LOST;
    op->run_ms = is_known && exec->run_ms > a->metered_ms ? exec->run_ms : a->metered_ms;
    op->at_ms =
        is_known && exec->ended_ms > a->metered_at_ms ? exec->ended_ms : a->metered_at_ms;
    if (op->at_ms < a->started_ms)
        op->at_ms = a->started_ms;
    op->chargeable_ms = step_chargeable_ms(op->run_ms, job->time_limit_ms, job->spent_ms);
    op->gpus = job->attempt.gpus;
    op->weight_permille = job->attempt.weight_permille;
    op->exit_code = exec->state == EXEC_OVER ? exec->exit_code : -1;
    op->signal_no = exec->signal_no;
    snprintf(op->cause, sizeof(op->cause), "%s",
             exec->state == EXEC_OVER ? exec->cause : "lost");
    journal_start(s, job, op);
}

static void write_finish(struct supervisor *s, struct live *job)
{
    char text[200];
    enum job_event event =
        step_outcome(job->attempt.cause, job->attempt.exit_code, job->attempt.signal_no, text);
    struct journal_op *op = op_new(s, job, JOURNAL_FINISH, event);
    op->attempt = 0;
    op->exit_code = job->attempt.exit_code;
    snprintf(op->note, sizeof(op->note), "%s", text);
    journal_start(s, job, op);
}

static void give_up(struct supervisor *s, struct live *job)
{
    enum job_event event = job->is_cancelled ? EVENT_CANCELLED : EVENT_FAILED;
    struct journal_op *op = op_new(s, job, JOURNAL_FINISH, event);
    op->attempt = 0;
    if (job->is_cancelled)
        snprintf(op->note, 200, "cancelled while it waited");
    else
        snprintf(op->note, 200, "could not be started: %.150s", job->trouble.text);
    journal_start(s, job, op);
}

/* ---- answers of the journal */

static void apply(struct live *job, const struct journal_op *op)
{
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
        job->spent_ms += op->chargeable_ms;
        job->attempt.exit_code = (int)op->exit_code;
        job->attempt.signal_no = (int)op->signal_no;
        snprintf(job->attempt.cause, sizeof(job->attempt.cause), "%s", op->cause);
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
        log_info("job %lld: %s: %s", (long long)job->id, job_state_name(op->state), op->note);
        break;
    }
}

static void on_journaled(int status, void *arg)
{
    struct journal_op *op = arg;
    struct supervisor *s = ((struct owner *)op->owner)->s;
    struct live *job = owner_done(TAKE(op->owner));
    int r = status < 0 ? status : op->status;
    /* whether an attempt was written decides whose the GPUs are: in doubt all is read anew */
    bool is_doubtful = r == -EPERM || (r < 0 && r != -EBADE && op->event == EVENT_ATTEMPT);
    if (job && is_doubtful) {
        supervisor_reset(s, op->why.text);
    } else if (job && r == -EBADE) {
        job->is_busy = false;
        job->is_damaged = true;
        log_error("job %lld: left alone: %s; ask `quota verify`", (long long)job->id,
                  op->why.text);
    } else if (r < 0 && job) {
        job->is_busy = false;
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        log_error("job %lld: %s: %s", (long long)job->id, job_event_name(op->event),
                  op->why.text);
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
        log_error("job %lld: %s", (long long)job->id, why.text);
        job->retry_at_ms = now_mono_ms() + RETRY_MS;
        return false;
    }
    if (r < 0) {
        *out = (struct exec_status){.state = EXEC_LOST, .exit_code = -1};
        return true;
    }
    a->unreadable = 0;
    if (out->run_ms > a->metered_ms) {
        a->metered_ms = out->run_ms;
        a->metered_at_ms = now_ms();
    }
    return true;
}

void hands_advance(struct supervisor *s, struct live *job)
{
    int64_t limit_ms = job->time_limit_ms - job->spent_ms + s->conf.grace_ms + OVERDUE_MS;
    struct step_facts f = {.state = job->state,
                           .is_asking = job->is_asking,
                           .is_refused = job->is_refused,
                           .is_fault = job->is_fault,
                           .is_cancelled = job->is_cancelled,
                           .is_stopped = job->is_stopped,
                           .refusals = job->refusals};
    if (job->is_busy || job->is_damaged || s->phase != PHASE_ACTIVE ||
        now_mono_ms() < job->retry_at_ms)
        return;
    if (has_traces(job)) {
        if (!job->is_asking && !job_state_is_final(job->state)) {
            forget(s, job);
            return;
        }
    } else if (job->attempt.id && !look_at(s, job, &f.exec)) {
        return;
    }
    f.is_overdue = f.exec.state == EXEC_RUNNING && f.exec.run_ms > limit_ms;
    switch (step_next(&f)) {
    case STEP_NONE:
        return;
    case STEP_LAUNCH:
        relaunch(s, job);
        return;
    case STEP_STARTED:
        write_started(s, job, &f.exec);
        return;
    case STEP_NOT_STARTED:
        write_not_started(s, job);
        return;
    case STEP_STOP:
        job->is_asking = true;
        s->executor->ops->stop(s->executor, job->attempt.token,
                               job->is_cancelled ? "cancelled" : "limit", s->conf.grace_ms,
                               on_stopped, owner_new(s, job));
        return;
    case STEP_END:
        write_end(s, job, &f.exec);
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

void hands_adopt_orphan(struct supervisor *s, const char *token)
{
    struct orphan *o = xnew(struct orphan);
    o->supervisor = s;
    snprintf(o->token, sizeof(o->token), "%s", token);
    o->next = s->orphans;
    s->orphans = o;
    log_warning("orphan: attempt %s belongs to no live job: it is ended and removed", token);
}

void hands_orphan_free(struct orphan *o)
{
    struct orphan **p = &o->supervisor->orphans;
    while (*p != o)
        p = &(*p)->next;
    *p = o->next;
    free(o);
}

void hands_end_orphans(struct supervisor *s)
{
    for (struct orphan *o = s->orphans, *next; o; o = next) {
        next = o->next;
        if (o->is_asking || now_mono_ms() < o->retry_at_ms)
            continue;
        o->is_asking = true;
        if (o->is_running)
            s->executor->ops->stop(s->executor, o->token, "orphan", 0, on_orphan_stopped, o);
        else
            s->executor->ops->forget(s->executor, o->token, on_orphan_forgotten, o);
        o->is_running = false; /* a stop is followed by another try to remove it */
    }
}
