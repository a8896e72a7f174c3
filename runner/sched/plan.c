// SPDX-License-Identifier: Apache-2.0
/* First come, first served. Each job takes the fullest nodes it fits on, so that whole nodes
 * stay free for the larger ones. */
#include "runner/sched/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"

static int free_gpus(const struct plan_node *n, uint64_t busy)
{
    return n->gpus - __builtin_popcountll(busy);
}

static bool node_suits(const struct plan_node *n, const struct plan_job *j)
{
    return n->is_up && n->gpus >= j->gpus_per_node &&
           (!strcmp(j->gpu_type, "any") || !strcmp(j->gpu_type, n->gpu_type));
}

/* The `count` lowest free GPUs. */
static uint64_t take_gpus(uint64_t busy, int64_t count)
{
    uint64_t taken = 0;
    for (int i = 0; i < PLAN_GPUS_MAX && count > 0; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (busy & bit)
            continue;
        taken |= bit;
        count--;
    }
    return taken;
}

/* The fullest node that still fits the job and is not one of its own already; -1 if there is
 * none. */
static ptrdiff_t best_node(const struct plan_snapshot *s, const uint64_t *busy,
                           const struct plan_job *j, const struct plan_decision *d)
{
    ptrdiff_t best = -1;
    for (size_t i = 0; i < s->node_count; i++) {
        int left = free_gpus(&s->nodes[i], busy[i]);
        bool is_used = false;
        for (size_t k = 0; k < d->slot_count; k++)
            is_used = is_used || d->slots[k].node == i;
        if (is_used || !node_suits(&s->nodes[i], j) || left < j->gpus_per_node)
            continue;
        if (best < 0 || left < free_gpus(&s->nodes[best], busy[best]))
            best = (ptrdiff_t)i;
    }
    return best;
}

/* Gives the job all its nodes or none. */
static bool place(const struct plan_snapshot *s, uint64_t *busy, const struct plan_job *j,
                  struct plan_decision *d)
{
    d->slots = xnew_array(struct plan_slot, (size_t)j->nodes);
    d->slot_count = 0;
    while (d->slot_count < (size_t)j->nodes) {
        ptrdiff_t n = best_node(s, busy, j, d);
        if (n < 0)
            break;
        d->slots[d->slot_count++] =
            (struct plan_slot){(size_t)n, take_gpus(busy[n], j->gpus_per_node)};
    }
    if (d->slot_count < (size_t)j->nodes) {
        free(d->slots);
        d->slots = NULL;
        d->slot_count = 0;
        return false;
    }
    for (size_t k = 0; k < d->slot_count; k++)
        busy[d->slots[k].node] |= d->slots[k].gpus;
    return true;
}

bool plan_can_ever_fit(const struct plan_snapshot *s, const struct plan_job *j)
{
    int64_t suiting = 0;
    for (size_t i = 0; i < s->node_count; i++)
        suiting += node_suits(&s->nodes[i], j);
    return suiting >= j->nodes;
}

static void say_why(const struct plan_snapshot *s, const uint64_t *busy,
                    const struct plan_job *j, char reason[PLAN_REASON_MAX])
{
    int64_t free_count = 0, all = 0;
    for (size_t i = 0; i < s->node_count; i++) {
        if (!node_suits(&s->nodes[i], j))
            continue;
        free_count += free_gpus(&s->nodes[i], busy[i]);
        all += s->nodes[i].gpus;
    }
    if (!plan_can_ever_fit(s, j))
        snprintf(
            reason, PLAN_REASON_MAX,
            "waits for nodes: it needs %lld with %lld GPUs (%s) each, and so many are not up",
            (long long)j->nodes, (long long)j->gpus_per_node, j->gpu_type);
    else
        snprintf(reason, PLAN_REASON_MAX,
                 "next in line: waits for %lld GPUs on %lld node%s; %lld "
                 "of %lld are free",
                 (long long)(j->nodes * j->gpus_per_node), (long long)j->nodes,
                 j->nodes == 1 ? "" : "s", (long long)free_count, (long long)all);
}

struct order {
    size_t index;
    int priority;
    int64_t id;
};

static int by_turn(const void *left, const void *right)
{
    const struct order *a = left, *b = right;
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static struct order *queue_order(const struct plan_snapshot *s)
{
    struct order *queue = xnew_array(struct order, s->job_count);
    for (size_t i = 0; i < s->job_count; i++)
        queue[i] = (struct order){i, s->jobs[i].priority, s->jobs[i].id};
    qsort(queue, s->job_count, sizeof(*queue), by_turn);
    return queue;
}

/* What the rules say, before anything is started. */
static struct cap_book *count_uses(const struct plan_snapshot *s)
{
    struct cap_book *book = cap_book_new(s->rules, s->rule_count);
    for (size_t i = 0; i < s->use_count; i++)
        cap_count(book, &s->uses[i].owner, s->uses[i].gpus);
    return book;
}

/* What has been decided so far. */
struct making {
    const struct plan_snapshot *snapshot;
    uint64_t *busy; /* by node */
    struct cap_book *book;
    const struct plan_job *blocker; /* the first that does not fit; NULL: none yet */
    size_t ahead;                   /* of the next in line: the blocker and those behind it */
};

static void decide(struct making *m, const struct plan_job *j, struct plan_decision *d)
{
    int64_t gpus = j->nodes * j->gpus_per_node;
    if (!cap_allows(m->book, &j->owner, gpus, d->reason, sizeof(d->reason)))
        return;
    if (m->blocker) {
        snprintf(d->reason, sizeof(d->reason),
                 "waits its turn: %zu job%s ahead, first job %lld", m->ahead,
                 m->ahead == 1 ? "" : "s", (long long)m->blocker->id);
        m->ahead++;
        return;
    }
    d->is_start = place(m->snapshot, m->busy, j, d);
    if (d->is_start) {
        cap_count(m->book, &j->owner, gpus);
        return;
    }
    say_why(m->snapshot, m->busy, j, d->reason);
    if (plan_can_ever_fit(m->snapshot, j)) { /* what can never start holds nobody up */
        m->blocker = j;
        m->ahead = 1;
    }
}

void plan_make(const struct plan_snapshot *s, struct plan *out)
{
    AUTO(cleanup_free) struct order *queue = queue_order(s);
    AUTO(cleanup_free) uint64_t *busy = xnew_array(uint64_t, s->node_count);
    struct making m = {.snapshot = s, .busy = busy, .book = count_uses(s)};
    for (size_t i = 0; i < s->node_count; i++)
        busy[i] = s->nodes[i].busy;
    out->decisions = xnew_array(struct plan_decision, s->job_count);
    out->count = s->job_count;
    for (size_t i = 0; i < s->job_count; i++) {
        out->decisions[i].job = queue[i].index;
        decide(&m, &s->jobs[queue[i].index], &out->decisions[i]);
    }
    cap_book_free(m.book);
}

void plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->decisions[i].slots);
    free(p->decisions);
    *p = (struct plan){0};
}
