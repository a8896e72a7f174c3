// SPDX-License-Identifier: Apache-2.0
/* Lease, looks and plans: what is true of all jobs together. What one job needs next is
 * hands.c's. */
#include "runner/daemon/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/log.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/daemon/owner.h"
#include "runner/daemon/step.h"
#include "runner/daemon/supervisor.h"

enum { GREET_MS = 5000, OVERLAP = 1000 };

/* One round, in the order it happens. */
static void look(struct supervisor *s);
static void on_looked(struct look *l);
static void greet(struct supervisor *s);
static void on_greeting(const struct exec_greeting *g, void *arg);
static void take_in(struct supervisor *s, struct look *l);
static void take_rules(struct supervisor *s, struct look *l);
static void take_requests(struct supervisor *s, const struct look *l);
static void find_orphans(struct supervisor *s);
static void advance_all(struct supervisor *s);
static void plan(struct supervisor *s);

void supervisor_reset(struct supervisor *s, const char *why)
{
    log_warning("runnerd: begins anew: %s", why);
    FP("reset");
    live_table_clear(s->jobs);
    orphan_drop_all(s); /* one may be another runnerd's attempt, that was not known here */
    s->generation++;
    s->phase = PHASE_STANDBY;
    s->epoch = 0;
    s->last_id = 0;
    s->wait_count = 0;
    s->answer_count = 0;
}

void supervisor_knock(struct supervisor *s)
{
    if (s->is_looking)
        s->look_again = true;
    else if (!s->is_unfit)
        look(s);
}

void supervisor_tick(struct supervisor *s)
{
    supervisor_knock(s);
}

static void on_change(void *arg)
{
    struct supervisor *s = arg;
    advance_all(s); /* no need to ask the database first */
}

/* ---- looking */

static void take_nodes_along(struct supervisor *s, struct look *l)
{
    if (!s->are_nodes_news || s->phase < PHASE_LOADING)
        return;
    l->executor = s->world.executor->ops->name;
    l->nodes = xnew_array(struct exec_node, s->node_count);
    l->node_count = s->node_count;
    for (size_t i = 0; i < s->node_count; i++)
        l->nodes[i] = s->nodes[i];
    s->are_nodes_news = false;
}

static void look(struct supervisor *s)
{
    struct look *l = xnew(struct look);
    l->owner = s;
    l->done = on_looked;
    l->holder = s->conf.holder;
    l->epoch = s->epoch;
    l->ttl_ms = s->conf.lease_ms;
    l->is_first = s->phase == PHASE_LOADING;
    l->after = s->last_id > OVERLAP ? s->last_id - OVERLAP : 0;
    if (s->epoch) { /* what the next look takes along */
        memcpy(l->waits, s->waits, sizeof(s->waits));
        memcpy(l->answers, s->answers, sizeof(s->answers));
        l->wait_count = s->wait_count;
        l->answer_count = s->answer_count;
        s->wait_count = s->answer_count = 0;
    }
    take_nodes_along(s, l);
    s->is_looking = true;
    FP("look.asking");
    s->world.store->ops->look(s->world.store, l);
}

static void on_lease(struct supervisor *s, const struct look *l)
{
    if (l->lease.is_held && s->phase == PHASE_STANDBY) {
        if (l->epoch)
            return; /* renewed before all was forgotten: calls of that epoch are under way */
        FP("lease.taken");
        s->epoch = l->lease.epoch;
        s->phase = PHASE_GREETING;
        log_info("runnerd: active, epoch %lld", (long long)s->epoch);
    } else if (!l->lease.is_held && s->phase != PHASE_STANDBY) {
        supervisor_reset(s, "another runnerd holds the lease");
    }
}

/* A look that failed has written nothing back. */
static void say_again(struct supervisor *s, const struct look *l)
{
    if (trouble_is_news(&s->look_trouble, &l->why, mono_now(s)))
        log_error("runnerd: %s", l->why.text);
    for (size_t i = 0; i < l->wait_count; i++) {
        struct live *job = live_find(s->jobs, l->waits[i].job);
        if (job)
            job->reason[0] = '\0';
    }
    s->are_nodes_news = s->are_nodes_news || l->node_count > 0;
}

static void on_looked(struct look *l)
{
    struct supervisor *s = l->owner;
    bool was_loading = l->is_first, was_mine = l->epoch == s->epoch && l->epoch != 0;
    s->is_looking = false;
    FP("look.answered");
    if (l->status < 0)
        say_again(s, l);
    else
        on_lease(s, l);
    if (s->phase != PHASE_STANDBY)
        greet(s);
    if (l->status == 0 && was_mine && s->phase >= PHASE_LOADING &&
        was_loading == (s->phase == PHASE_LOADING)) {
        take_in(s, l);
        take_rules(s, l);
        take_requests(s, l);
        find_orphans(s);
        advance_all(s);
        plan(s);
    }
    look_free(l);
    if (s->look_again) {
        s->look_again = false;
        look(s);
    }
}

/* ---- the executor */

static void greet(struct supervisor *s)
{
    if (s->is_greeting || (s->phase != PHASE_GREETING && mono_now(s) < s->greet_at_ms))
        return;
    s->greeted_epoch = s->epoch;
    s->is_greeting = true;
    FP("greet.asking");
    s->world.executor->ops->greet(s->world.executor, s->epoch, on_greeting, s);
}

static int by_name(const void *left, const void *right)
{
    const struct exec_node *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static void take_nodes(struct supervisor *s, const struct exec_greeting *g)
{
    free(s->nodes);
    s->nodes = xnew_array(struct exec_node, g->node_count);
    s->node_count = g->node_count;
    for (size_t i = 0; i < g->node_count; i++)
        s->nodes[i] = g->nodes[i];
    if (s->node_count)
        qsort(s->nodes, s->node_count, sizeof(*s->nodes), by_name);
    s->are_nodes_news = true;
}

static void on_greeting(const struct exec_greeting *g, void *arg)
{
    struct supervisor *s = arg;
    s->is_greeting = false;
    s->greet_at_ms = mono_now(s) + GREET_MS;
    if (g->status < 0 && strcmp(s->executor_trouble.text, g->why.text)) {
        log_error("executor %s: %s", s->world.executor->ops->name, g->why.text);
        s->executor_trouble = g->why;
    }
    if (s->greeted_epoch != s->epoch)
        return; /* asked in another life */
    s->is_executor_up = g->status == 0;
    if (g->status == -ESTALE) {
        supervisor_reset(s, "the executor knows a newer runnerd");
        return;
    }
    if (g->status < 0)
        return;
    s->executor_trouble.text[0] = '\0';
    s->own_uid = g->own_uid;
    take_nodes(s, g);
    FP("greet.answered");
    if (s->phase == PHASE_GREETING) { /* from here on no older runnerd can start anything */
        s->phase = PHASE_LOADING;
        supervisor_knock(s);
    }
}

/* ---- what a look brought */

/* An attempt that is not this executor's to judge: its record is elsewhere. */
static bool is_foreign(const struct supervisor *s, const struct live *j)
{
    const struct executor *x = s->world.executor;
    char place[EXEC_PLACE_MAX + 1] = "";
    if (!j->attempt.id ||
        (!strcmp(j->attempt.executor, x->ops->name) && x->ops->owns(x, &j->attempt.place)))
        return false;
    exec_place_write(&j->attempt.place, place);
    log_error("job %lld: its attempt is the executor %s's, at %s, which this runnerd (executor "
              "%s) does not know; set [runner] executor and [node] name to what they were, or "
              "let the runnerd there end it first",
              (long long)j->id, j->attempt.executor, place, x->ops->name);
    return true;
}

/* After a restart the executor has to find the attempts again. */
static void tell_executor(const struct supervisor *s, const struct live *j)
{
    const struct executor *x = s->world.executor;
    struct exec_known known = {.token = j->attempt.token,
                               .project = j->project,
                               .job = j->id,
                               .attempt = j->attempt.no,
                               .created_ms = j->attempt.created_ms,
                               .nodes = j->nodes,
                               .limit_ms = j->time_limit_ms - j->spent_ms,
                               .grace_ms = s->conf.grace_ms};
    if (!j->attempt.id || !x->ops->adopt)
        return;
    supervise_account(&j->account, s->own_uid, &known.account);
    x->ops->adopt(s->world.executor, &known);
}

static void take_in(struct supervisor *s, struct look *l)
{
    for (struct live *j = TAKE(l->jobs), *next; j; j = next) {
        next = j->next;
        s->last_id = j->id > s->last_id ? j->id : s->last_id;
        if (!live_add(s->jobs, j))
            live_free(j);
    }
    if (s->phase != PHASE_LOADING)
        return;
    for (const struct live *j = live_next(s->jobs, NULL); j; j = live_next(s->jobs, j))
        if (is_foreign(s, j)) {
            s->is_unfit = true;
            return;
        } else {
            tell_executor(s, j);
        }
    s->phase = PHASE_ACTIVE;
    s->are_orphans_known = false;
    FP("jobs.loaded");
    log_info("runnerd: %zu jobs in hand", live_count(s->jobs));
}

/* Asked until it is answered: what is not known of has GPUs, and nobody else would end it. */
static void find_orphans(struct supervisor *s)
{
    struct err why;
    if (s->phase != PHASE_ACTIVE || s->are_orphans_known)
        return;
    FP("orphan.finding");
    int r = orphan_find_all(s, &why);
    s->are_orphans_known = r == 0;
    if (r == 0)
        trouble_end(&s->recover_trouble);
    else if (trouble_is_news(&s->recover_trouble, &why, mono_now(s)))
        log_error("runnerd: %s", why.text);
}

/* The limits of this look hold at once, also for jobs that wait already. */
static void take_rules(struct supervisor *s, struct look *l)
{
    free(s->rules);
    s->rules = TAKE(l->rules);
    s->rule_count = l->rule_count;
}

static enum exec_state ask_executor(const struct supervisor *s, const struct live *job)
{
    struct exec_status status;
    int r = s->world.executor->ops->poll(s->world.executor, job->attempt.token, &status, NULL);
    return r < 0 ? EXEC_LOST : status.state; /* what cannot be read is as good as gone */
}

static struct wish_facts facts_of(const struct supervisor *s, const struct look_request *r,
                                  const struct live *job)
{
    struct wish_facts f = {.kind = r->kind, .is_over = r->is_over, .why = ""};
    if (!job || job_state_is_final(job->state))
        return f;
    f.is_in_hand = true;
    f.is_busy = job->is_busy;
    f.is_damaged = job->is_damaged;
    f.why = job->is_damaged ? job->trouble.text : job->reason;
    f.is_begun = r->kind == WISH_RECONCILE && job->is_reconciled;
    f.has_limit = job->attempt.limit_ms == job->time_limit_ms - job->spent_ms;
    f.is_ending = job->attempt.is_ending;
    f.is_limit_refused = job->attempt.refused_limit_ms == job->time_limit_ms - job->spent_ms;
    f.trouble = job->trouble.text;
    f.state = job->state;
    if (r->kind == WISH_RECONCILE && job->attempt.id)
        f.exec = ask_executor(s, job);
    return f;
}

static void begin(struct live *job, const struct look_request *r)
{
    switch (r->kind) {
    case WISH_CANCEL: /* with the first cause given */
        if (job->is_damaged && !job->is_cancelled)
            log_warning("job %lld: is to be cancelled, and was left alone: if it runs it is "
                        "stopped now, and it ends after `quota job reconcile`",
                        (long long)job->id);
        job->is_cancelled = true;
        if (!job->cancel_cause[0])
            snprintf(job->cancel_cause, sizeof(job->cancel_cause), "%s", r->cause);
        return;
    case WISH_RELEASE:
        job->is_cancelled = true;
        snprintf(job->cancel_note, sizeof(job->cancel_note), "its hold was released: %.170s",
                 r->reason);
        return;
    case WISH_RECONCILE:
        job->is_damaged = false;
        job->is_reconciled = true;
        job->retry_at_ms = 0;
        job->attempt.unreadable = INT16_MAX; /* no more patience */
        return;
    case WISH_EXTEND:
    case WISH_OTHER:
        return;
    }
}

static void take_requests(struct supervisor *s, const struct look *l)
{
    for (size_t i = 0; i < l->request_count; i++) {
        const struct look_request *r = &l->requests[i];
        struct live *job = live_find(s->jobs, r->job);
        if (s->answer_count == LOOK_ANSWERS_MAX)
            return; /* the rest is asked again by the next look */
        if (job && r->kind == WISH_EXTEND)
            job->time_limit_ms = r->time_limit_ms;
        const struct wish_facts f = facts_of(s, r, job);
        struct look_answer *a = &s->answers[s->answer_count];
        enum wish_answer answer = wish_next(&f, a->note);
        if (answer == WISH_BEGIN)
            begin(job, r);
        if (answer == WISH_WAIT || answer == WISH_BEGIN)
            continue;
        FP("request.answering");
        a->request = r->id;
        a->is_done = answer == WISH_DONE;
        s->answer_count++;
        if (f.is_begun)
            job->is_reconciled = false;
    }
}

static void advance_all(struct supervisor *s)
{
    int64_t generation = s->generation;
    if (s->phase == PHASE_ACTIVE)
        orphan_end_all(s);
    for (struct live *j = live_next(s->jobs, NULL), *next; j; j = next) {
        next = live_next(s->jobs, j);
        hands_advance(s, j);
        if (s->generation != generation)
            return;
    }
}

/* ---- planning */

static bool holds_gpus(const struct live *j)
{
    return j->attempt.gpus > 0 && (j->attempt.id || j->is_busy);
}

static bool waits(const struct live *j)
{
    return j->state == JOB_QUEUED && !j->is_busy && !j->is_cancelled && !j->is_damaged &&
           !j->attempt.id && j->refusals < STEP_REFUSALS_MAX;
}

/* Its attempt is being written, or the executor is asked. */
static bool is_starting(const struct live *j)
{
    return (j->state == JOB_QUEUED && j->attempt.token[0] && j->is_busy) ||
           (j->state == JOB_STARTING && j->is_asking);
}

/* What the user of a job reads that is not started because its books do not balance. */
static const char left_alone[] =
    "an administrator has to look at it first, because its books do not balance";

static void note_reason(struct supervisor *s, struct live *job, const char *reason)
{
    if (!strcmp(job->reason, reason) || s->wait_count >= LOOK_WAITS_MAX)
        return;
    struct look_wait *w = &s->waits[s->wait_count++];
    w->job = job->id;
    snprintf(w->reason, sizeof(w->reason), "%s", reason);
    snprintf(job->reason, sizeof(job->reason), "%s", reason);
}

static struct cap_owner owner_of(const struct live *j)
{
    return (struct cap_owner){j->person_id, j->project_id, j->tenant_id, j->project, j->tenant};
}

static struct plan_job as_plan_job(const struct live *j)
{
    return (struct plan_job){j->id,       j->nodes,    j->gpus_per_node,
                             j->gpu_type, j->priority, owner_of(j)};
}

static void act_on(struct supervisor *s, const struct plan_snapshot *snapshot,
                   const struct plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct plan_decision *d = &p->decisions[i];
        struct live *job = live_find(s->jobs, snapshot->jobs[d->job].id);
        if (!d->is_start) {
            note_reason(s, job, d->reason);
        } else if (s->starting >= SUPERVISOR_STARTS_MAX) {
            s->has_held_back = true;
        } else if (mono_now(s) >= job->retry_at_ms) {
            s->starting++;
            hands_start(s, job, snapshot, d);
        }
    }
}

/* Half of those under way keep store and executor busy meanwhile. */
void supervisor_start_more(struct supervisor *s)
{
    s->starting -= s->starting > 0;
    if (!s->has_held_back || s->starting > SUPERVISOR_STARTS_MAX / 2)
        return;
    plan(s); /* no need to ask the database first */
}

static void take_places(const struct supervisor *s, const struct live *j,
                        struct plan_node *nodes)
{
    for (size_t i = 0; i < j->attempt.place.count; i++) {
        const struct exec_slot *slot = &j->attempt.place.slots[i];
        struct exec_node key;
        memcpy(key.name, slot->node, sizeof(key.name));
        const struct exec_node *n =
            !s->node_count ? NULL
                           : bsearch(&key, s->nodes, s->node_count, sizeof(*s->nodes), by_name);
        if (n)
            nodes[n - s->nodes].busy |= slot->gpus;
    }
}

/* While an orphan lives nobody knows which GPUs it has. */
static void list_nodes(const struct supervisor *s, struct plan_node *out)
{
    bool is_known = s->is_executor_up && s->are_orphans_known && !s->orphans;
    for (size_t i = 0; i < s->node_count; i++)
        out[i] = (struct plan_node){s->nodes[i].name, s->nodes[i].gpu_type,
                                    (int)s->nodes[i].gpus, 0, is_known && s->nodes[i].is_up};
}

static void plan(struct supervisor *s)
{
    size_t count = live_count(s->jobs);
    AUTO(cleanup_free) struct plan_job *jobs = xnew_array(struct plan_job, count);
    AUTO(cleanup_free) struct cap_use *uses = xnew_array(struct cap_use, count);
    AUTO(cleanup_free) struct plan_node *nodes = xnew_array(struct plan_node, s->node_count);
    struct plan_snapshot snapshot = {.jobs = jobs,
                                     .nodes = nodes,
                                     .node_count = s->node_count,
                                     .rules = s->rules,
                                     .rule_count = s->rule_count,
                                     .uses = uses};
    struct plan p;
    if (s->phase != PHASE_ACTIVE)
        return;
    list_nodes(s, nodes);
    s->starting = 0;
    s->has_held_back = false;
    for (struct live *j = live_next(s->jobs, NULL); j; j = live_next(s->jobs, j)) {
        if (holds_gpus(j)) {
            take_places(s, j, nodes);
            uses[snapshot.use_count++] = (struct cap_use){owner_of(j), j->attempt.gpus};
        }
        s->starting += is_starting(j);
        if (j->is_damaged && j->state == JOB_QUEUED)
            note_reason(s, j, left_alone);
        if (waits(j) && mono_now(s) < j->start_at_ms)
            note_reason(s, j, j->trouble.text); /* it takes nobody's place meanwhile */
        else if (waits(j))
            jobs[snapshot.job_count++] = as_plan_job(j);
    }
    FP("plan.making");
    plan_make(&snapshot, &p);
    act_on(s, &snapshot, &p);
    plan_done(&p);
}

/* ---- */

struct supervisor *supervisor_new(const struct world *w, const struct supervise_conf *conf)
{
    struct supervisor *s = xnew(struct supervisor);
    s->world = *w;
    s->conf = *conf;
    s->own_uid = -1;
    s->jobs = live_table_new();
    w->executor->on_change = on_change;
    w->executor->arg = s;
    return s;
}

void supervisor_free(struct supervisor *s)
{
    if (!s)
        return;
    owner_free_all(s);
    while (s->orphans)
        orphan_free(s->orphans);
    while (s->dropped)
        orphan_free(s->dropped);
    live_table_free(s->jobs);
    free(s->nodes);
    free(s->rules);
    free(s);
}

struct live_table *supervisor_jobs(struct supervisor *s)
{
    return s->jobs;
}

void supervisor_note_month(struct supervisor *s, int64_t began_ms)
{
    s->month_began_ms = began_ms;
}

void supervisor_view(const struct supervisor *s, struct supervisor_view *out)
{
    *out = (struct supervisor_view){s->phase == PHASE_ACTIVE, s->is_unfit, s->epoch,
                                    live_count(s->jobs), s->own_uid};
}

void supervise_account(const struct live_account *account, int64_t own_uid,
                       struct agent_account *out)
{
    *out =
        (struct agent_account){.name = account->name, .uid = account->uid, .gid = account->gid};
    if (own_uid >= 0) { /* the agent is no root: everything is this one user */
        out->uid = own_uid;
        out->gid = getgid();
        return;
    }
    const char *p = account->gids;
    while (*p && out->group_count < AGENT_GROUPS_MAX) {
        char number[24] = {0};
        size_t n = strcspn(p, " ");
        if (n < sizeof(number))
            memcpy(number, p, n);
        if (parse_i64(number, 1, UINT32_MAX - 1, &out->groups[out->group_count]) == 0)
            out->group_count++;
        p += n + strspn(p + n, " ");
    }
}
