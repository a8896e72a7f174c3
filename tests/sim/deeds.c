// SPDX-License-Identifier: Apache-2.0
/* A table of deeds and how often each is done. */
#include "tests/sim/deeds.h"

#include "runner/base/cleanup.h"
#include "tests/sim/cluster.h"
#include "tests/sim/model.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

enum { PATIENT_MS = 45000 }; /* longer than any is stopped: then a record was read in between */

/* Some job that is there and, mostly, not over; half the time one that runs. */
static struct model_job *some_job(struct sim *s)
{
    struct model *m = s->model;
    bool may_be_over = chance_one_in(&s->chance, 8), must_run = chance_one_in(&s->chance, 2);
    if (!m->job_count)
        return NULL;
    size_t first = (size_t)chance_between(&s->chance, 0, (int64_t)m->job_count - 1);
    for (size_t i = 0; i < m->job_count; i++) {
        struct model_job *j = m->jobs[(first + i) % m->job_count];
        if (must_run ? job_state_has_attempt(j->state)
                     : j->state != JOB_NONE && (may_be_over || !j->ended_ms))
            return j;
    }
    return NULL;
}

static bool is_reconciling(const struct model *m)
{
    for (size_t i = m->first_open; i < m->request_count; i++)
        if (m->requests[i].kind == WISH_RECONCILE && !m->requests[i].is_answered)
            return true;
    return false;
}

static void see_again(struct sim *s)
{
    for (int i = 0; i < SIM_RUNNERDS; i++)
        if (s->runnerds[i]->life)
            life_see_again(s->runnerds[i]->life);
}

static struct life *some_life(struct sim *s)
{
    struct life *l = s->runnerds[chance_between(&s->chance, 0, SIM_RUNNERDS - 1)]->life;
    return l && !l->is_dead && l->stopped_until_ms <= s->now_ms ? l : NULL;
}

static void place(struct sim *s)
{
    model_place(s->model);
}

static void place_many(struct sim *s)
{
    for (int64_t n = chance_between(&s->chance, 2, 6); n > 0; n--)
        model_place(s->model);
}

static void cancel(struct sim *s)
{
    struct model_job *j = some_job(s);
    const char *cause = chance_one_in(&s->chance, 5) ? "maintenance" : "";
    if (j)
        model_ask(s->model, WISH_CANCEL, j, cause);
    if (j && chance_one_in(&s->chance, 4))
        model_ask(s->model, WISH_CANCEL, j, "");
}

static void extend(struct sim *s)
{
    struct model_job *j = some_job(s);
    if (j)
        model_extend(s->model, j, chance_between(&s->chance, 1, 20) * 1000);
}

static void release(struct sim *s)
{
    struct model_job *j = some_job(s);
    if (j)
        model_ask(s->model, WISH_RELEASE, j, "");
}

static void reconcile(struct sim *s)
{
    struct model_job *j = some_job(s);
    if (!sim_gives_up(s))
        see_again(s);
    if (j)
        model_ask(s->model, WISH_RECONCILE, j, "");
}

static void damage(struct sim *s)
{
    struct model_job *j = some_job(s);
    if (j)
        model_damage(s->model, j);
}

static void mend(struct sim *s)
{
    if (!sim_gives_up(s))
        see_again(s);
    for (size_t i = 0; i < s->model->job_count; i++)
        model_repair(s->model, s->model->jobs[i]);
}

static void die(struct sim *s)
{
    struct life *l = some_life(s);
    if (l)
        life_die(l, "some moment");
    runnerds_bury(s);
}

/* Something runs that is in no books, and those that come next find it. */
static void stray(struct sim *s)
{
    cluster_add_stray(s->cluster);
    for (int i = 0; i < SIM_RUNNERDS; i++)
        if (s->runnerds[i]->life)
            life_die(s->runnerds[i]->life, "the stray's coming");
    runnerds_bury(s);
}

static void stop(struct sim *s)
{
    struct life *l = some_life(s);
    if (l)
        life_stop(l, chance_between(&s->chance, 5000, 40000), "some moment");
}

static void lose_lease(struct sim *s)
{
    s->model->lease_until_ms = 0;
    sim_say(s, "the lease is over");
}

static void database_away(struct sim *s)
{
    s->db_away_until_ms = s->now_ms + chance_between(&s->chance, 500, 15000);
    sim_say(s, "the database is away");
}

static void blind(struct sim *s)
{
    struct life *l = some_life(s);
    if (!l)
        return;
    l->blind_until_ms = s->now_ms + chance_between(&s->chance, 500, 12000);
    sim_say(s, "%s cannot see what runs", l->runnerd->name);
}

/* In one seed of four for so long that what runs is taken for lost; otherwise for less than
 * that, and not while somebody asks to be done with it. */
static void broken(struct sim *s)
{
    struct life *l = some_life(s);
    if (!l || (!sim_gives_up(s) &&
               (is_reconciling(s->model) || s->now_ms < l->broken_until_ms + PATIENT_MS)))
        return;
    l->broken_until_ms = s->now_ms + (sim_gives_up(s) ? chance_between(&s->chance, 2500, 8000)
                                                      : chance_between(&s->chance, 100, 1500));
    sim_say(s, "%s cannot read what runs", l->runnerd->name);
}

static void change(struct sim *s)
{
    struct life *l = some_life(s);
    if (!l)
        return;
    s->current = l;
    l->executor->on_change(l->executor->arg);
    s->current = NULL;
    runnerds_bury(s);
}

static void lose_attempt(struct sim *s)
{
    cluster_lose_one(s->cluster);
}

static void turn_node(struct sim *s)
{
    bool is_up = !chance_one_in(&s->chance, 3);
    cluster_turn_node(s->cluster, (int)chance_between(&s->chance, 0, CLUSTER_NODES - 1), is_up);
}

static void step_wall(struct sim *s)
{
    struct runnerd *r = s->runnerds[chance_between(&s->chance, 0, SIM_RUNNERDS - 1)];
    r->wall_step_ms += chance_between(&s->chance, -3600000, 3600000);
    sim_say(s, "%s: its clock is %lld ms off", r->name, (long long)r->wall_step_ms);
}

static void step_database(struct sim *s)
{
    s->db_step_ms = chance_between(&s->chance, -8000, 8000);
    sim_say(s, "the database's clock is %lld ms off", (long long)s->db_step_ms);
}

/* One that has been over for longer than anybody's clock is off. */
static void close_month(struct sim *s)
{
    for (int i = 0; i < MODEL_MONTHS; i++) {
        struct model_month *m = &s->model->months[i];
        if (m->is_closed || m->until_ms + 20000 > sim_db_ms(s))
            continue;
        m->is_closed = true;
        sim_say(s, "month %d is closed", m->month);
        return;
    }
}

static void nothing(struct sim *s)
{
    (void)s;
}

static const struct deed {
    int weight;
    void (*act)(struct sim *s);
} deeds[] = {
    {18, place},       {2, place_many},    {11, cancel},   {4, extend},        {2, release},
    {2, reconcile},    {1, damage},        {2, mend},      {2, die},           {2, stop},
    {1, lose_lease},   {1, database_away}, {1, blind},     {2, broken},        {14, change},
    {3, lose_attempt}, {2, turn_node},     {2, step_wall}, {1, step_database}, {1, close_month},
    {1, stray},        {24, nothing},
};

void deeds_one(struct sim *s)
{
    int sum = 0;
    for (size_t i = 0; i < COUNT(deeds); i++)
        sum += deeds[i].weight;
    int64_t n = chance_between(&s->chance, 0, sum - 1);
    const struct deed *d = deeds;
    while (n >= d->weight)
        n -= d++->weight;
    d->act(s);
}

void deeds_end(struct sim *s)
{
    s->has_faults = false;
    s->db_away_until_ms = 0;
    sim_say(s, "no more faults");
    for (int i = 0; i < CLUSTER_NODES; i++)
        cluster_turn_node(s->cluster, i, true);
    see_again(s);
    mend(s);
    for (size_t i = 0; i < s->model->job_count; i++)
        if (s->model->jobs[i]->is_endless && !s->model->jobs[i]->ended_ms)
            model_ask(s->model, WISH_CANCEL, s->model->jobs[i], "");
}
