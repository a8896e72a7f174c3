// SPDX-License-Identifier: Apache-2.0
/* The queue is a binary heap; the trace a ring. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "tests/sim/check.h"
#include "tests/sim/cluster.h"
#include "tests/sim/deeds.h"
#include "tests/sim/model.h"
#include "tests/sim/points.h"
#include "tests/sim/runnerd.h"

#define BEGAN_MS INT64_C(1790000000000) /* a day like any other */

int64_t sim_clock_ms(const struct sim *s)
{
    return BEGAN_MS + s->now_ms;
}

int64_t sim_db_ms(const struct sim *s)
{
    return sim_clock_ms(s) + s->db_step_ms;
}

bool sim_fault(struct sim *s, uint64_t n)
{
    return s->has_faults && chance_one_in(&s->chance, n);
}

bool sim_gives_up(const struct sim *s)
{
    return s->seed % 4 == 3;
}

/* ---- the queue */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event c = *a;
    *a = *b;
    *b = c;
}

static void push(struct sim *s, const struct event *e)
{
    if (s->event_count == s->event_room) {
        s->event_room = s->event_room ? 2 * s->event_room : 64;
        s->heap = xgrow(s->heap, s->event_room, sizeof(*s->heap));
    }
    size_t i = s->event_count++;
    s->heap[i] = *e;
    for (; i > 0 && is_before(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static struct event pop(struct sim *s)
{
    struct event top = s->heap[0];
    s->heap[0] = s->heap[--s->event_count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->event_count; child++)
            if (is_before(&s->heap[child], &s->heap[least]))
                least = child;
        if (least == i)
            return top;
        swap(&s->heap[i], &s->heap[least]);
        i = least;
    }
}

void sim_at(struct sim *s, int64_t delay_ms, struct life *life, event_fn *run, event_fn *drop,
            void *arg)
{
    push(s, &(struct event){s->now_ms + delay_ms, s->order++, life, run, drop, arg});
}

static void drop(const struct event *e)
{
    if (e->drop)
        e->drop(e->arg);
}

static void happen(struct sim *s, struct event *e)
{
    s->now_ms = e->at_ms;
    if (e->life && e->life->is_dead) {
        drop(e);
        return;
    }
    if (e->life && e->life->stopped_until_ms > s->now_ms) { /* in its order, when it goes on */
        e->at_ms = e->life->stopped_until_ms;
        push(s, e);
        return;
    }
    s->current = e->life;
    e->run(e->arg);
    s->current = NULL;
    runnerds_bury(s);
}

void sim_run_until(struct sim *s, int64_t until_ms)
{
    while (!s->wrong[0] && s->event_count && s->heap[0].at_ms <= until_ms) {
        struct event e = pop(s);
        happen(s, &e);
    }
    if (!s->wrong[0])
        s->now_ms = until_ms;
}

/* ---- what is told */

void sim_say(struct sim *s, const char *format, ...)
{
    char *line = s->trace[s->trace_count++ % SIM_TRACE_LINES];
    int n = snprintf(line, SIM_LINE_MAX, "%7lld.%03lld ", (long long)(s->now_ms / 1000),
                     (long long)(s->now_ms % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, SIM_LINE_MAX - (size_t)n, format, args);
    va_end(args);
    if (s->is_verbose)
        puts(line);
}

void sim_wrong(struct sim *s, const char *format, ...)
{
    va_list args;
    if (s->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(s->wrong, sizeof(s->wrong), format, args);
    va_end(args);
    sim_say(s, "WRONG: %s", s->wrong);
}

void sim_print_trace(const struct sim *s)
{
    size_t first = s->trace_count > SIM_TRACE_LINES ? s->trace_count - SIM_TRACE_LINES : 0;
    for (size_t i = first; i < s->trace_count; i++)
        puts(s->trace[i % SIM_TRACE_LINES]);
}

/* ---- a seed */

void sim_init(struct sim *s, int64_t seed)
{
    *s = (struct sim){.seed = seed, .chance = {(uint64_t)seed * 7919}, .has_faults = true};
    points_begin(s);
    s->model = model_new(s);
    s->cluster = cluster_new(s);
    for (int i = 0; i < SIM_RUNNERDS; i++)
        s->runnerds[i] = runnerd_new(s, i);
}

void sim_done(struct sim *s)
{
    for (int i = 0; i < SIM_RUNNERDS; i++)
        runnerd_bury_all(s->runnerds[i]);
    for (size_t i = 0; i < s->event_count; i++)
        drop(&s->heap[i]);
    free(s->heap);
    for (int i = 0; i < SIM_RUNNERDS; i++)
        runnerd_free(s->runnerds[i]);
    cluster_free(s->cluster);
    model_free(s->model);
    points_end();
}

bool sim_play(struct sim *s, int ops)
{
    for (int i = 0; i < ops && !s->wrong[0]; i++) {
        deeds_one(s);
        sim_run_until(s, s->now_ms + chance_between(&s->chance, 0, 900));
    }
    check_quiet(s);
    return !s->wrong[0];
}
