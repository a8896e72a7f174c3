// SPDX-License-Identifier: Apache-2.0
/* The executor that a life is given: each call goes over a network, and what becomes of it is
 * chosen when it is asked.
 *
 * A connection keeps the order of what it carries, and the agent refuses what comes after its
 * deadline: so the second copy of a call comes right behind the first, or so late that another
 * runnerd has greeted since. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "runner/exec/fake.h"
#include "runner/exec/fake_cluster.h"
#include "tests/sim/cluster_call.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

enum { DEADLINE_MS = 8000, SLOW_MOST_MS = 7000, LATE_MOST_MS = 60000 };

struct network {
    struct executor base;
    struct life *life;
    int64_t epoch; /* of the last greeting that was asked for */
};

/* A call, in the order it happens. */
static void send(struct network *n, struct call *c);
static void on_arrival(void *arg);
static void on_late_copy(void *arg);
static void on_answer(void *arg);

const char *call_name(const struct call *c)
{
    static const char *const names[] = {"greet", "start", "stop", "limit", "forget"};
    return names[c->kind];
}

static void call_free(void *arg)
{
    struct call *c = arg;
    exec_place_done(&c->place);
    free(c->spec);
    free(c);
}

static struct call *call_new(struct network *n, enum call_kind kind, const char *token)
{
    struct call *c = xnew(struct call);
    *c = (struct call){.kind = kind, .life = n->life, .epoch = n->epoch};
    snprintf(c->token, sizeof(c->token), "%s", token);
    return c;
}

static void place_copy(const struct exec_place *from, struct exec_place *to)
{
    if (!from->count)
        return; /* it is zero already */
    to->count = from->count;
    to->slots = xnew_array(struct exec_slot, from->count);
    memcpy(to->slots, from->slots, from->count * sizeof(*from->slots));
}

static struct call *copy_of(const struct call *c)
{
    struct call *copy = xnew(struct call);
    *copy = *c;
    copy->spec = xdup(c->spec);
    copy->place = (struct exec_place){0};
    place_copy(&c->place, &copy->place);
    copy->greeted = NULL;
    copy->done = NULL;
    return copy;
}

static void answer_after(struct call *c, int64_t delay_ms)
{
    sim_at(c->life->sim, delay_ms, c->life, on_answer, call_free, c);
}

static void lose(struct call *c, int64_t now_ms, int status)
{
    int64_t left_ms = status == -ETIMEDOUT ? c->expires_ms - now_ms : 1;
    c->answer = (struct exec_answer){.status = status};
    err_set(&c->answer.why, 0, "the executor does not answer");
    answer_after(c, left_ms > 0 ? left_ms : 0);
}

static void send(struct network *n, struct call *c)
{
    struct sim *s = n->life->sim;
    if (n->life->is_dead) {
        call_free(c);
        return;
    }
    /* who is stopped between the decision and the call makes it when he goes on */
    int64_t held_ms = n->life->stopped_until_ms - s->now_ms,
            delay_ms = chance_between(&s->chance, 1, 20) + (held_ms > 0 ? held_ms : 0);
    c->expires_ms = s->now_ms + DEADLINE_MS + (held_ms > 0 ? held_ms : 0);
    if (sim_fault(s, 60)) {
        sim_say(s, "%s: a call (%s) is lost", n->life->runnerd->name, call_name(c));
        lose(c, s->now_ms, chance_one_in(&s->chance, 3) ? -ECONNREFUSED : -ETIMEDOUT);
        return;
    }
    c->is_answer_lost = sim_fault(s, 60);
    if (sim_fault(s, 40))
        delay_ms += chance_between(&s->chance, 500, SLOW_MOST_MS - 500);
    if (c->kind != CALL_GREET && sim_fault(s, 40))
        sim_at(s, delay_ms + chance_between(&s->chance, 1000, LATE_MOST_MS), NULL, on_late_copy,
               call_free, copy_of(c));
    bool is_twice = sim_fault(s, 60);
    struct call *twin = is_twice ? copy_of(c) : NULL;
    sim_at(s, delay_ms, NULL, on_arrival, call_free, c);
    if (twin)
        sim_at(s, delay_ms, NULL, on_arrival, call_free, twin);
}

static void on_arrival(void *arg)
{
    struct call *c = arg;
    struct sim *s = c->life->sim;
    cluster_carry_out(s->cluster, c);
    if (!c->greeted && !c->done)
        call_free(c);
    else if (c->is_answer_lost)
        lose(c, s->now_ms, -ETIMEDOUT);
    else
        answer_after(c, chance_between(&s->chance, 1, 20));
}

static void on_late_copy(void *arg)
{
    struct call *c = arg;
    if (c->epoch < c->life->sim->cluster->epoch)
        cluster_carry_out(c->life->sim->cluster, c);
    call_free(c);
}

static void on_answer(void *arg)
{
    struct call c = *(struct call *)arg;
    const struct cluster *cluster = c.life->sim->cluster;
    call_free(arg);
    if (c.greeted)
        c.greeted(&(struct exec_greeting){c.answer.status, c.answer.why, -1, cluster->nodes,
                                          CLUSTER_NODES},
                  c.arg);
    else
        c.done(&c.answer, c.arg);
}

/* ---- executor.h */

static void net_greet(struct executor *base, int64_t epoch, exec_greet_fn *done, void *arg)
{
    struct network *n = (struct network *)base;
    n->epoch = epoch;
    struct call *c = call_new(n, CALL_GREET, "");
    c->greeted = done;
    c->arg = arg;
    send(n, c);
}

static void ask(struct executor *base, struct call *c, exec_done_fn *done, void *arg)
{
    c->done = done;
    c->arg = arg;
    send((struct network *)base, c);
}

static void net_start(struct executor *base, const struct exec_ask *a, exec_done_fn *done,
                      void *arg)
{
    struct call *c = call_new((struct network *)base, CALL_START, a->token);
    c->job = a->job;
    c->number = a->limit_ms;
    c->spec = xdup(a->spec);
    place_copy(a->place, &c->place);
    ask(base, c, done, arg);
}

static void net_stop(struct executor *base, const char *token, const char *why,
                     int64_t grace_ms, exec_done_fn *done, void *arg)
{
    struct call *c = call_new((struct network *)base, CALL_STOP, token);
    snprintf(c->why, sizeof(c->why), "%s", why);
    c->number = grace_ms;
    ask(base, c, done, arg);
}

static void net_limit(struct executor *base, const char *token, int64_t limit_ms,
                      exec_done_fn *done, void *arg)
{
    struct call *c = call_new((struct network *)base, CALL_LIMIT, token);
    c->number = limit_ms;
    ask(base, c, done, arg);
}

static void net_forget(struct executor *base, const char *token, exec_done_fn *done, void *arg)
{
    ask(base, call_new((struct network *)base, CALL_FORGET, token), done, arg);
}

static int net_poll(struct executor *base, const char *token, struct exec_status *out,
                    struct err *e)
{
    const struct network *n = (struct network *)base;
    const struct executor *wire = n->life->sim->cluster->wire;
    *out = (struct exec_status){.state = EXEC_UNKNOWN, .exit_code = -1};
    if (n->life->is_dead || n->life->blind_until_ms > n->life->sim->now_ms)
        return 0;
    if (n->life->broken_until_ms > n->life->sim->now_ms)
        return err_set(e, -EIO, "its record cannot be read");
    const struct run *run = cluster_find(n->life->sim->cluster, token);
    int r = wire->ops->poll((struct executor *)wire, token, out, e);
    if (run && out->limit_ms > 0)
        out->limit_ms -= run->late_ms;
    out->is_withdrawn = run && run->is_withdrawn && out->state == EXEC_NEVER_RAN;
    return r;
}

static int net_recover(struct executor *base, void (*found)(const char *token, void *arg),
                       void *arg, struct err *e)
{
    const struct network *n = (struct network *)base;
    struct executor *wire = n->life->sim->cluster->wire;
    if (n->life->is_dead)
        return 0;
    if (n->life->blind_until_ms > n->life->sim->now_ms || sim_fault(n->life->sim, 12))
        return err_set(e, -EIO, "what runs cannot be listed");
    return wire->ops->recover(wire, found, arg, e);
}

static bool net_owns(const struct executor *base, const struct exec_place *place)
{
    (void)base;
    (void)place;
    return true;
}

static void net_free(struct executor *base)
{
    free(base);
}

static const struct executor_ops ops = {.name = "fake",
                                        .greet = net_greet,
                                        .start = net_start,
                                        .stop = net_stop,
                                        .limit = net_limit,
                                        .forget = net_forget,
                                        .poll = net_poll,
                                        .recover = net_recover,
                                        .owns = net_owns,
                                        .free = net_free};

struct executor *cluster_executor(struct life *l)
{
    struct network *n = xnew(struct network);
    *n = (struct network){.base = {&ops, NULL, NULL}, .life = l};
    return &n->base;
}
