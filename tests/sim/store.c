// SPDX-License-Identifier: Apache-2.0
/* A row of tasks, as the journal's one worker has it. Ends that stand in a row are written
 * together. */
#include "tests/sim/store.h"

#include <stdlib.h>

#include "runner/base/xnew.h"
#include "runner/daemon/store.h"
#include "tests/sim/model.h"
#include "tests/sim/rows.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

enum { ENDS_MAX = 8 };

struct task {
    struct task *next;
    struct look *look; /* one of the two */
    struct journal_op *op;
};

struct store_sim {
    struct store base;
    struct life *life;
    struct task *first, **last;
    bool is_working;
};

/* A task, in the order it happens. */
static void ask(struct store_sim *st, struct look *look, struct journal_op *op);
static void on_work(void *arg);
static void on_answer(void *arg);

static void task_free(void *arg)
{
    struct task *t = arg;
    look_free(t->look);
    journal_op_free(t->op);
    free(t);
}

static void work_soon(struct store_sim *st)
{
    struct sim *s = st->life->sim;
    int64_t delay_ms = chance_between(&s->chance, 1, 30);
    if (st->is_working || !st->first)
        return;
    if (sim_fault(s, 150))
        delay_ms = chance_between(&s->chance, 200, 6000);
    st->is_working = true;
    sim_at(s, delay_ms, st->life, on_work, NULL, st);
}

static void ask(struct store_sim *st, struct look *look, struct journal_op *op)
{
    struct task *t = xnew(struct task);
    *t = (struct task){NULL, look, op};
    if (st->life->is_dead) {
        task_free(t);
        return;
    }
    *st->last = t;
    st->last = &t->next;
    work_soon(st);
}

static struct task *take_first(struct store_sim *st)
{
    struct task *t = st->first;
    st->first = t->next;
    if (!st->first)
        st->last = &st->first;
    return t;
}

static bool is_end(const struct task *t)
{
    return t && t->op && t->op->kind == JOURNAL_END;
}

static size_t take_some(struct store_sim *st, struct task *out[ENDS_MAX])
{
    size_t n = 0;
    do
        out[n++] = take_first(st);
    while (n < ENDS_MAX && is_end(out[0]) && is_end(st->first));
    return n;
}

static void carry_out(struct store_sim *st, struct task *const *tasks, size_t count,
                      struct db *db)
{
    struct journal_op *ops[ENDS_MAX];
    (void)st;
    for (size_t i = 0; i < count; i++)
        ops[i] = tasks[i]->op;
    if (tasks[0]->look)
        look_run(db, tasks[0]->look);
    else if (is_end(tasks[0]))
        journal_run_ends(db, ops, count);
    else
        journal_run(db, ops[0]);
}

static void on_work(void *arg)
{
    struct store_sim *st = arg;
    struct sim *s = st->life->sim;
    struct task *tasks[ENDS_MAX];
    struct db db = {.life = st->life, .model = s->model};
    size_t n = take_some(st, tasks);
    db_plan_fault(&db, s);
    carry_out(st, tasks, n, &db);
    for (size_t i = 0; i < n; i++)
        sim_at(s, chance_between(&s->chance, 0, 3), st->life, on_answer, task_free, tasks[i]);
    st->is_working = false;
    work_soon(st);
}

static void on_answer(void *arg)
{
    struct task *t = arg;
    struct look *look = t->look;
    struct journal_op *op = t->op;
    free(t);
    if (look)
        look->done(look);
    else
        op->done(op);
}

void store_sim_last_words(struct store *base)
{
    struct store_sim *st = (struct store_sim *)base;
    struct sim *s = st->life->sim;
    struct task *tasks[ENDS_MAX];
    if (!st->first || s->db_away_until_ms > s->now_ms || chance_one_in(&s->chance, 2))
        return;
    struct db db = {.life = st->life, .model = s->model};
    size_t n = take_some(st, tasks);
    db_break_somewhere(&db, s);
    sim_say(s, "%s: the database goes on for a moment", st->life->runnerd->name);
    carry_out(st, tasks, n, &db);
    for (size_t i = 0; i < n; i++)
        task_free(tasks[i]);
}

static void store_look(struct store *base, struct look *look)
{
    ask((struct store_sim *)base, look, NULL);
}

static void store_write(struct store *base, struct journal_op *op)
{
    ask((struct store_sim *)base, NULL, op);
}

static void store_free(struct store *base)
{
    struct store_sim *st = (struct store_sim *)base;
    while (st->first)
        task_free(take_first(st));
    free(st);
}

static const struct store_ops ops = {store_look, store_write, store_free};

struct store *store_sim_new(struct life *l)
{
    struct store_sim *st = xnew(struct store_sim);
    *st = (struct store_sim){.base = {&ops}, .life = l};
    st->last = &st->first;
    return &st->base;
}
