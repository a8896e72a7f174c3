// SPDX-License-Identifier: Apache-2.0
/* Gives the supervisor its world: clocks and tokens from the seed, a store, an executor. */
#include "tests/sim/runnerd.h"

#include <stdio.h>
#include <stdlib.h>

#include "runner/base/xnew.h"
#include "runner/daemon/store.h"
#include "runner/daemon/supervise.h"
#include "tests/sim/cluster.h"
#include "tests/sim/model.h"
#include "tests/sim/sim.h"
#include "tests/sim/store.h"

enum { LEASE_MS = 10000, GRACE_MS = 2000 };

static const char *const names[SIM_RUNNERDS] = {"alpha", "beta"};

static void on_begin(void *arg);
static void on_tick(void *arg);

/* ---- what the supervisor is given */

static int64_t wall_ms(void *arg)
{
    const struct life *l = arg;
    return sim_clock_ms(l->sim) + l->runnerd->wall_step_ms;
}

static int64_t mono_ms(void *arg)
{
    const struct life *l = arg;
    return l->sim->now_ms + 1000;
}

static void token(char out[EXEC_TOKEN_LEN + 1], void *arg)
{
    struct life *l = arg;
    unsigned long long a = chance_next(&l->sim->chance), b = chance_next(&l->sim->chance);
    snprintf(out, EXEC_TOKEN_LEN + 1, "%016llx%016llx", a, b);
}

static struct life *life_new(struct runnerd *r)
{
    struct life *l = xnew(struct life);
    *l = (struct life){.next = r->life, .runnerd = r, .sim = r->sim, .no = ++r->lives};
    l->store = store_sim_new(l);
    l->executor = cluster_executor(l);
    struct world w = {wall_ms, mono_ms, token, l, l->store, l->executor};
    struct supervise_conf conf = {
        .holder = r->name,
        .lease_ms = LEASE_MS,
        .grace_ms = GRACE_MS,
        .refund = {.node_fault_ms = 20000, .preempted_ms = 10000, .maintenance_ms = 15000}};
    l->supervisor = supervisor_new(&w, &conf);
    return l;
}

/* ---- a life */

static void begin_after(struct runnerd *r, int64_t delay_ms)
{
    r->is_coming = true;
    sim_at(r->sim, delay_ms, NULL, on_begin, NULL, r);
}

static void on_begin(void *arg)
{
    struct runnerd *r = arg;
    r->is_coming = false;
    r->life = life_new(r);
    sim_say(r->sim, "%s begins, life %d", r->name, r->lives);
    sim_at(r->sim, 0, r->life, on_tick, NULL, r->life);
}

static void on_tick(void *arg)
{
    struct life *l = arg;
    struct supervisor_view view;
    supervisor_view(l->supervisor, &view);
    if (view.is_active && chance_one_in(&l->sim->chance, 2))
        supervisor_note_month(l->supervisor, model_month_began(l->sim->model));
    supervisor_tick(l->supervisor);
    if (view.is_unfit)
        sim_wrong(l->sim, "%s: does nothing any more", l->runnerd->name);
    sim_at(l->sim, SUPERVISE_TICK_MS, l, on_tick, NULL, l);
}

void life_die(struct life *l, const char *where)
{
    if (l->is_dead)
        return;
    l->is_dead = true;
    sim_say(l->sim, "%s dies at %s", l->runnerd->name, where);
}

void life_stop(struct life *l, int64_t for_ms, const char *where)
{
    if (l->is_dead || l->stopped_until_ms > l->sim->now_ms)
        return;
    l->stopped_until_ms = l->sim->now_ms + for_ms;
    sim_say(l->sim, "%s is stopped at %s for %lld ms", l->runnerd->name, where,
            (long long)for_ms);
}

void life_see_again(struct life *l)
{
    l->blind_until_ms = l->broken_until_ms = 0;
}

static void bury(struct life *l)
{
    if (l->is_buried)
        return;
    l->is_buried = true;
    l->store->ops->free(l->store);
    l->executor->ops->free(l->executor);
    supervisor_free(l->supervisor);
}

void runnerds_bury(struct sim *s)
{
    for (int i = 0; i < SIM_RUNNERDS; i++) {
        struct runnerd *r = s->runnerds[i];
        if (!r->life || !r->life->is_dead || r->life->is_buried)
            continue;
        if (s->has_faults)
            store_sim_last_words(r->life->store);
        bury(r->life);
        begin_after(r, chance_between(&s->chance, 200, s->has_faults ? 15000 : 2000));
    }
}

void runnerd_bury_all(struct runnerd *r)
{
    if (r->life) {
        r->life->is_dead = true;
        bury(r->life);
    }
}

struct runnerd *runnerd_new(struct sim *s, int index)
{
    struct runnerd *r = xnew(struct runnerd);
    *r = (struct runnerd){.sim = s, .name = names[index]};
    begin_after(r, chance_between(&s->chance, 0, 3000));
    return r;
}

void runnerd_free(struct runnerd *r)
{
    for (struct life *l = r->life, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    free(r);
}
