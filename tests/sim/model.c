// SPDX-License-Identifier: Apache-2.0
/* Tables that only grow. */
#include "tests/sim/model.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "tests/sim/sim.h"

enum { MONTH_LEAST_MS = 25000, MONTH_MOST_MS = 120000, FIRST_MONTH = 202601 };

static void make_months(struct model *m)
{
    int64_t from_ms = sim_clock_ms(m->sim) - MONTH_MOST_MS;
    for (int i = 0; i < MODEL_MONTHS; i++) {
        int64_t ms = chance_between(&m->sim->chance, MONTH_LEAST_MS, MONTH_MOST_MS);
        if (i == MODEL_MONTHS - 1)
            ms = INT64_C(1000000000); /* longer than any seed */
        m->months[i] = (struct model_month){FIRST_MONTH + i / 12 * 100 + i % 12, from_ms,
                                            from_ms + ms, false};
        from_ms += ms;
    }
}

struct model *model_new(struct sim *s)
{
    struct model *m = xnew(struct model);
    m->sim = s;
    m->lease_holder = "";
    make_months(m);
    for (int i = 0; i < MODEL_BUDGETS; i++) {
        struct model_budget *b = &m->budgets[i];
        b->sum = b->free = chance_between(&s->chance, 2, 40) * 1000000;
        b->until_ms = i == 1 ? sim_clock_ms(s) + 150000 : INT64_MAX;
    }
    return m;
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < m->job_count; i++) {
        free(m->jobs[i]->events);
        free(m->jobs[i]->transfers);
        free(m->jobs[i]->attempts);
        free(m->jobs[i]);
    }
    for (size_t i = 0; i < m->attempt_count; i++)
        free(m->attempts[i]);
    free(m->jobs);
    free(m->attempts);
    free(m->requests);
    free(m);
}

struct model_job *model_job(const struct model *m, int64_t id)
{
    return id >= 1 && (size_t)id <= m->job_count ? m->jobs[id - 1] : NULL;
}

struct model_attempt *model_attempt(const struct model *m, int64_t id)
{
    return id >= 1 && (size_t)id <= m->attempt_count ? m->attempts[id - 1] : NULL;
}

struct model_attempt *model_attempt_of_token(const struct model *m, const char *token)
{
    for (size_t i = m->attempt_count; i-- > 0;)
        if (!strcmp(m->attempts[i]->token, token))
            return m->attempts[i];
    return NULL;
}

struct model_month *model_month(struct model *m, int64_t at_ms)
{
    for (int i = MODEL_MONTHS - 1; i > 0; i--)
        if (m->months[i].from_ms <= at_ms)
            return &m->months[i];
    return &m->months[0];
}

struct model_month *model_month_of(struct model *m, int month)
{
    for (int i = 0; i < MODEL_MONTHS; i++)
        if (m->months[i].month == month)
            return &m->months[i];
    return NULL;
}

int64_t model_month_began(struct model *m)
{
    return model_month(m, sim_db_ms(m->sim))->from_ms;
}

/* ---- transactions */

static int64_t *bucket(struct model_budget *b, enum model_bucket which)
{
    return which == BUCKET_FREE ? &b->free : which == BUCKET_HELD ? &b->held : &b->used;
}

bool model_shift(struct model *m, const struct model_job *j, enum model_bucket from,
                 enum model_bucket to, int64_t gpums)
{
    struct model_budget *budget = &m->budgets[j->budget],
                        *share = j->share < 0 ? NULL : &m->budgets[j->share];
    if (*bucket(budget, from) < gpums || (share && *bucket(share, from) < gpums))
        return false;
    *bucket(budget, from) -= gpums;
    *bucket(budget, to) += gpums;
    if (share) {
        *bucket(share, from) -= gpums;
        *bucket(share, to) += gpums;
    }
    return true;
}

void model_post(struct model *m, struct model_job *j, const struct model_transfer *t)
{
    for (size_t i = 0; i < j->transfer_count; i++) {
        const struct model_transfer *o = &j->transfers[i];
        if (o->kind == t->kind && t->kind != TRANSFER_HOLD && o->attempt == t->attempt &&
            o->month == t->month)
            sim_wrong(m->sim, "job %lld: a transfer of kind %d is posted twice",
                      (long long)j->id, t->kind);
    }
    j->transfers = xgrow(j->transfers, j->transfer_count + 1, sizeof(*t));
    j->transfers[j->transfer_count++] = *t;
}

void model_expire(struct model *m, const struct model_job *j, int64_t gpums)
{
    struct model_budget *b = &m->budgets[j->budget];
    b->free -= gpums;
    b->expired += gpums;
}

void model_event(struct model *m, struct model_job *j, enum job_event kind,
                 enum job_state state, int64_t attempt)
{
    if (job_next(j->state, kind) != state || state == JOB_NONE)
        sim_wrong(m->sim, "job %lld: %s in state %s does not lead to %s", (long long)j->id,
                  job_event_name(kind), job_state_name(j->state), job_state_name(state));
    j->events = xgrow(j->events, j->event_count + 1, sizeof(*j->events));
    j->events[j->event_count++] = (struct model_event){kind, attempt};
    j->state = state;
    j->seq = (int64_t)j->event_count;
    m->changes++;
    sim_say(m->sim, "job %lld: %s → %s", (long long)j->id, job_event_name(kind),
            job_state_name(state));
}

int64_t model_posted(const struct model_job *j, enum model_transfer_kind kind, int64_t attempt)
{
    int64_t sum = 0;
    for (size_t i = 0; i < j->transfer_count; i++)
        if (j->transfers[i].kind == kind && (!attempt || j->transfers[i].attempt == attempt))
            sum += j->transfers[i].gpums;
    return sum;
}

void model_prove(struct model *m)
{
    for (int i = 0; i < MODEL_BUDGETS; i++) {
        const struct model_budget *b = &m->budgets[i];
        if (b->free < 0 || b->held < 0 || b->used < 0 ||
            b->free + b->held + b->used + b->expired != b->sum)
            sim_wrong(m->sim,
                      "budget %d: free %lld, held %lld, used %lld, expired %lld of %lld", i,
                      (long long)b->free, (long long)b->held, (long long)b->used,
                      (long long)b->expired, (long long)b->sum);
    }
}
