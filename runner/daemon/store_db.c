// SPDX-License-Identifier: Apache-2.0
/* The store in the database: each operation is one turn of the journal's worker, or shares one
 * with those that do the same. */
#include "runner/daemon/store.h"

#include <errno.h>
#include <stdlib.h>

#include "runner/base/work.h"
#include "runner/base/xnew.h"

struct store_db {
    struct store base;
    struct work_pool *journal;
};

static const char no_connection[] = "database: no connection", too_much[] = "too much to do";

static void on_look_run(void *db, void *arg)
{
    struct look *l = arg;
    if (db)
        look_run(db, l);
    else
        l->status = err_set(&l->why, -ENOTCONN, no_connection);
}

static void on_looked(int status, void *arg)
{
    struct look *l = arg;
    if (status < 0)
        l->status = err_set(&l->why, status, too_much);
    l->done(l);
}

static void drop_look(void *arg)
{
    look_free(arg);
}

static void db_look(struct store *base, struct look *look)
{
    work_start(((struct store_db *)base)->journal, on_look_run, on_looked, drop_look, look);
}

static void on_write_run(void *db, void *arg)
{
    struct journal_op *op = arg;
    if (db)
        journal_run(db, op);
    else
        op->status = err_set(&op->why, -ENOTCONN, no_connection);
}

static void on_ends_run(void *db, void *const *args, size_t count)
{
    struct journal_op *ops[WORK_MANY_MAX];
    for (size_t i = 0; i < count; i++) {
        ops[i] = args[i];
        if (!db)
            ops[i]->status = err_set(&ops[i]->why, -ENOTCONN, no_connection);
    }
    if (db)
        journal_run_ends(db, ops, count);
}

static void on_written(int status, void *arg)
{
    struct journal_op *op = arg;
    if (status < 0)
        op->status = err_set(&op->why, status, too_much);
    op->done(op);
}

static void drop_op(void *arg)
{
    journal_op_free(arg);
}

static void db_write(struct store *base, struct journal_op *op)
{
    struct work_pool *journal = ((struct store_db *)base)->journal;
    if (op->kind == JOURNAL_END)
        work_start_many(journal, on_ends_run, on_written, drop_op, op);
    else
        work_start(journal, on_write_run, on_written, drop_op, op);
}

static void db_free(struct store *base)
{
    free(base);
}

static const struct store_ops ops = {db_look, db_write, db_free};

struct store *store_db_new(struct work_pool *journal)
{
    struct store_db *s = xnew(struct store_db);
    *s = (struct store_db){{&ops}, journal};
    return &s->base;
}
