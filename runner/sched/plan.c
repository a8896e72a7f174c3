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

/* The nodes that are up, by what they have free: bit i of a row is set if node i has exactly so
 * many free GPUs. A job of many nodes finds each of them without going through all. */
struct room {
    uint64_t *bits; /* [PLAN_GPUS_MAX + 1][words] */
    size_t words;
};

enum { WORD_BITS = 64 };

static void room_flip(struct room *r, int free_count, size_t node)
{
    if (free_count >= 0)
        r->bits[(size_t)free_count * r->words + node / WORD_BITS] ^= UINT64_C(1)
                                                                     << node % WORD_BITS;
}

static void room_init(struct room *r, const struct plan_snapshot *s)
{
    r->words = (s->node_count + WORD_BITS - 1) / WORD_BITS;
    r->bits = xnew_array(uint64_t, (PLAN_GPUS_MAX + 1) * r->words);
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].is_up)
            room_flip(r, free_gpus(&s->nodes[i], s->nodes[i].busy), i);
}

/* The first node of one row that suits the job; -1 if there is none. */
static ptrdiff_t node_of_row(const struct plan_snapshot *s, const uint64_t *row, size_t words,
                             const struct plan_job *j)
{
    for (size_t w = 0; w < words; w++)
        for (uint64_t left = row[w]; left; left &= left - 1) {
            size_t i = w * WORD_BITS + (size_t)__builtin_ctzll(left);
            if (node_suits(&s->nodes[i], j))
                return (ptrdiff_t)i;
        }
    return -1;
}

/* What has been decided so far. */
struct making {
    const struct plan_snapshot *snapshot;
    uint64_t *busy; /* by node */
    struct room room;
    struct shape *shapes; /* those met so far */
    size_t shape_count;
    struct cap_book *book;
    const struct plan_job *blocker; /* the first that does not fit; NULL: none yet */
    size_t ahead;                   /* of the next in line: the blocker and those behind it */
};

/* The fullest node that still fits the job; -1 if there is none. */
static ptrdiff_t best_node(const struct making *m, const struct plan_job *j)
{
    ptrdiff_t best = -1;
    for (int64_t f = j->gpus_per_node; best < 0 && f <= PLAN_GPUS_MAX; f++)
        best = node_of_row(m->snapshot, &m->room.bits[(size_t)f * m->room.words], m->room.words,
                           j);
    return best;
}

static void flip(struct making *m, size_t node)
{
    room_flip(&m->room, free_gpus(&m->snapshot->nodes[node], m->busy[node]), node);
}

/* Gives the job all its nodes or none. A node that it takes leaves the room until it is known
 * which. */
static bool place(struct making *m, const struct plan_job *j, struct plan_decision *d)
{
    size_t wanted = (size_t)j->nodes, count = 0;
    AUTO(cleanup_free) struct plan_slot *slots = xnew_array(struct plan_slot, wanted);
    for (ptrdiff_t n; count < wanted && (n = best_node(m, j)) >= 0; count++) {
        slots[count] = (struct plan_slot){(size_t)n, take_gpus(m->busy[n], j->gpus_per_node)};
        flip(m, (size_t)n);
    }
    for (size_t k = 0; k < count; k++) {
        if (count == wanted)
            m->busy[slots[k].node] |= slots[k].gpus;
        flip(m, slots[k].node);
    }
    if (count < wanted)
        return false;
    d->slots = TAKE(slots);
    d->slot_count = count;
    return true;
}

/* On how many nodes jobs of one shape could run if all were idle. Waiting jobs are many, shapes are
 * few. */
struct shape {
    const char *gpu_type;
    int64_t gpus_per_node, nodes;
};

static int64_t count_suiting(const struct plan_snapshot *s, const struct plan_job *j)
{
    int64_t suiting = 0;
    for (size_t i = 0; i < s->node_count; i++)
        suiting += node_suits(&s->nodes[i], j);
    return suiting;
}

static bool can_ever_fit(struct making *m, const struct plan_job *j)
{
    for (size_t i = 0; i < m->shape_count; i++) {
        const struct shape *known = &m->shapes[i];
        if (known->gpus_per_node == j->gpus_per_node && !strcmp(known->gpu_type, j->gpu_type))
            return known->nodes >= j->nodes;
    }
    struct shape new = {j->gpu_type, j->gpus_per_node, count_suiting(m->snapshot, j)};
    m->shapes = xgrow(m->shapes, m->shape_count + 1, sizeof(*m->shapes));
    m->shapes[m->shape_count++] = new;
    return new.nodes >= j->nodes;
}

bool plan_can_ever_fit(const struct plan_snapshot *s, const struct plan_job *j)
{
    return count_suiting(s, j) >= j->nodes;
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
    if (!can_ever_fit(m, j)) { /* what can never start holds nobody up */
        snprintf(
            d->reason, sizeof(d->reason),
            "waits for nodes: it needs %lld with %lld GPUs (%s) each, and so many are not up",
            (long long)j->nodes, (long long)j->gpus_per_node, j->gpu_type);
        return;
    }
    d->is_start = place(m, j, d);
    if (d->is_start) {
        cap_count(m->book, &j->owner, gpus);
        return;
    }
    say_why(m->snapshot, m->busy, j, d->reason);
    m->blocker = j;
    m->ahead = 1;
}

void plan_make(const struct plan_snapshot *s, struct plan *out)
{
    AUTO(cleanup_free) struct order *queue = queue_order(s);
    AUTO(cleanup_free) uint64_t *busy = xnew_array(uint64_t, s->node_count);
    struct making m = {.snapshot = s, .busy = busy, .book = count_uses(s)};
    room_init(&m.room, s);
    for (size_t i = 0; i < s->node_count; i++)
        busy[i] = s->nodes[i].busy;
    out->decisions = xnew_array(struct plan_decision, s->job_count);
    out->count = s->job_count;
    for (size_t i = 0; i < s->job_count; i++) {
        out->decisions[i].job = queue[i].index;
        decide(&m, &s->jobs[queue[i].index], &out->decisions[i]);
    }
    free(m.room.bits);
    free(m.shapes);
    cap_book_free(m.book);
}

void plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->decisions[i].slots);
    free(p->decisions);
    *p = (struct plan){0};
}
