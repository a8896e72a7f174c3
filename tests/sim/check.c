// SPDX-License-Identifier: Apache-2.0
/* Each check names the first thing that is not as it must be. */
#include "tests/sim/check.h"

#include <stdlib.h>
#include <string.h>

#include "quota/price.h"
#include "quota/refund.h"
#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"
#include "tests/sim/cluster.h"
#include "tests/sim/deeds.h"
#include "tests/sim/model.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

enum {
    QUIET_MS = 30000,
    CLEAN_MS = 15000,
    AGAIN_MS = 60000,
    STEP_MS = 500,
    CLOCK_MS = 16000,
    OFF_MS = 1000
};

static bool are_answered(const struct model *m)
{
    for (size_t i = m->first_open; i < m->request_count; i++)
        if (!m->requests[i].is_answered)
            return false;
    return true;
}

static size_t count_open(const struct model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->job_count; i++)
        n += !m->jobs[i]->ended_ms;
    return n;
}

/* How long it may take: what stands in the queue may have to run one by one; a runnerd that is
 * stopped goes on first, a database whose clock was set back keeps a lease longer, and what was
 * withdrawn is tried again a minute later. */
static int64_t patience_ms(const struct sim *s)
{
    int64_t ms = QUIET_MS + CLOCK_MS + AGAIN_MS, stopped_ms = 0;
    for (size_t i = 0; i < s->model->job_count; i++) {
        const struct model_job *j = s->model->jobs[i];
        if (!j->ended_ms && !j->is_endless)
            ms += j->time_limit_ms;
    }
    for (int i = 0; i < SIM_RUNNERDS; i++) {
        const struct life *l = s->runnerds[i]->life;
        if (l && l->stopped_until_ms - s->now_ms > stopped_ms)
            stopped_ms = l->stopped_until_ms - s->now_ms;
    }
    return ms + stopped_ms;
}

static void wait(struct sim *s)
{
    int64_t until_ms = s->now_ms + patience_ms(s);
    while (!s->wrong[0] && s->now_ms < until_ms &&
           (count_open(s->model) || !are_answered(s->model)))
        sim_run_until(s, s->now_ms + STEP_MS);
    until_ms = s->now_ms + CLEAN_MS; /* nothing of it may run by now */
    while (!s->wrong[0] && s->now_ms < until_ms && cluster_count(s->cluster))
        sim_run_until(s, s->now_ms + STEP_MS);
    sim_run_until(s, s->now_ms + STEP_MS);
    if (count_open(s->model))
        sim_wrong(s, "%zu jobs never end", count_open(s->model));
    else if (!are_answered(s->model))
        sim_wrong(s, "requests are not answered");
    else if (cluster_count(s->cluster))
        sim_wrong(s, "%zu attempts are left in the cluster", cluster_count(s->cluster));
}

/* ---- one attempt */

/* What an attempt comes to that ran so long, of so much that was left of the limit. */
static int64_t due_of(const struct model_attempt *a, int64_t ran_ms, int64_t left_ms)
{
    int64_t due = 0;
    price_gpums(a->gpus, ran_ms < left_ms ? ran_ms : left_ms, a->weight_permille, &due);
    return due;
}

/* Within a second for each GPU of what really ran up to the limit. One that ran over its limit
 * and was given more then is charged by one limit or the other; one that was given up for lost
 * while it ran, by what was seen of it last. */
static void check_charge(struct sim *s, const struct model_job *j,
                         const struct model_attempt *a, int64_t spent_ms)
{
    const struct run *r = cluster_find(s->cluster, a->token);
    int64_t left_ms = j->time_limit_ms - spent_ms, ran_ms = r && r->begun ? r->last.run_ms : 0,
            most = due_of(a, ran_ms, left_ms), least = most;
    if (r && r->late_ms)
        least = due_of(a, ran_ms, left_ms - j->extended_ms);
    if (sim_gives_up(s) && !strcmp(a->cause, "lost"))
        least = 0;
    int64_t off = a->gpus * OFF_MS * a->weight_permille / 1000;
    if (a->charge_gpums > most + off || a->charge_gpums < least - off)
        sim_wrong(s, "job %lld: charged %lld for %lld ms that come to %lld", (long long)j->id,
                  (long long)a->charge_gpums, (long long)ran_ms, (long long)most);
}

static void check_attempt(struct sim *s, const struct model_job *j,
                          const struct model_attempt *a)
{
    const struct run *r = cluster_find(s->cluster, a->token);
    if (!a->is_over)
        sim_wrong(s, "job %lld: its attempt has no end in the books", (long long)j->id);
    if (r && r->begun && !a->started_ms)
        sim_wrong(s, "job %lld: it ran and was never started", (long long)j->id);
    if (model_posted(j, TRANSFER_CHARGE, a->id) != a->charge_gpums)
        sim_wrong(s, "job %lld: posted is %lld of a charge of %lld", (long long)j->id,
                  (long long)model_posted(j, TRANSFER_CHARGE, a->id),
                  (long long)a->charge_gpums);
    int64_t back = model_posted(j, TRANSFER_REFUND, a->id);
    if (back > a->charge_gpums || (back && !refund_cause(a->cause)))
        sim_wrong(s, "job %lld: given back %lld for %s", (long long)j->id, (long long)back,
                  a->cause);
}

/* ---- one job */

static void check_events(struct sim *s, const struct model_job *j)
{
    AUTO(cleanup_free) enum job_event *events = xnew_array(enum job_event, j->event_count);
    size_t ends = 0;
    for (size_t i = 0; i < j->event_count; i++) {
        events[i] = j->events[i].kind;
        ends += events[i] == EVENT_COMPLETED || events[i] == EVENT_FAILED ||
                events[i] == EVENT_CANCELLED || events[i] == EVENT_TIMED_OUT ||
                events[i] == EVENT_LOST;
    }
    if (job_fold(events, j->event_count) != j->state)
        sim_wrong(s, "job %lld: its state is not what its events say", (long long)j->id);
    if (!job_state_is_final(j->state) || ends != 1)
        sim_wrong(s, "job %lld: %s, with %zu ends", (long long)j->id, job_state_name(j->state),
                  ends);
}

static void check_job(struct sim *s, const struct model_job *j)
{
    int64_t spent_ms = 0, charged = 0;
    check_events(s, j);
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct model_attempt *a = model_attempt(s->model, j->attempts[i]);
        check_attempt(s, j, a);
        check_charge(s, j, a, spent_ms);
        spent_ms += a->chargeable_ms;
        charged += a->charge_gpums;
    }
    int64_t rest = model_posted(j, TRANSFER_HOLD, 0) - model_posted(j, TRANSFER_CHARGE, 0) +
                   model_posted(j, TRANSFER_REFUND, 0);
    if (charged != j->charged_gpums || rest != model_posted(j, TRANSFER_RELEASE, 0))
        sim_wrong(s, "job %lld: hold, charge and release do not come to nothing",
                  (long long)j->id);
}

static void check_books(struct sim *s)
{
    int64_t used[MODEL_BUDGETS] = {0};
    for (size_t i = 0; i < s->model->job_count; i++) {
        const struct model_job *j = s->model->jobs[i];
        int64_t n = model_posted(j, TRANSFER_CHARGE, 0) - model_posted(j, TRANSFER_REFUND, 0);
        check_job(s, j);
        used[j->budget] += n;
        if (j->share >= 0)
            used[j->share] += n;
    }
    for (int i = 0; i < MODEL_BUDGETS; i++)
        if (s->model->budgets[i].held || s->model->budgets[i].used != used[i])
            sim_wrong(s, "budget %d: held %lld, used %lld where the jobs used %lld", i,
                      (long long)s->model->budgets[i].held,
                      (long long)s->model->budgets[i].used, (long long)used[i]);
}

void check_quiet(struct sim *s)
{
    if (s->wrong[0])
        return;
    deeds_end(s);
    wait(s);
    if (s->wrong[0])
        return;
    model_prove(s->model);
    check_books(s);
    for (const struct run *r = cluster_runs(s->cluster); r; r = r->next)
        if (!r->is_gone)
            sim_wrong(s, "job %lld: its attempt is left in the cluster", (long long)r->job);
}
