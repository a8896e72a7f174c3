// SPDX-License-Identifier: Apache-2.0
/* Carries moves of jobs to the ledger. Blocks; runs on a worker. */
#include "runner/daemon/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quota/price.h"
#include "runner/base/xnew.h"

enum { MONTHS_MAX = 120, ATTEMPTS_MAX = 4096 };

void journal_op_free(struct journal_op *op)
{
    if (!op)
        return;
    free(op->spec);
    free(op);
}

int journal_spec(struct db *db, int64_t job, char **out_spec, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_SPEC, DB_ARGS(DB_I64(job)), &rows, e);
    if (r < 0)
        return r;
    r = db_rows_next(rows, e);
    if (r <= 0)
        return r < 0 ? r : err_set(e, -ENOENT, "job %lld: has no request", (long long)job);
    *out_spec = xdup(db_rows_text(rows, 0));
    return 0;
}

/* The weight of the GPUs it really got, by the price of its submit time; never above the
 * hold's. */
static int real_weight(struct db *db, struct journal_op *op)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_WEIGHT, DB_ARGS(DB_STR(op->gpu_type), DB_I64(op->job)),
                      &rows, &op->why);
    if (r < 0)
        return r;
    r = db_rows_next(rows, &op->why);
    if (r > 0 && db_rows_i64(rows, 0) < op->weight_permille)
        op->weight_permille = db_rows_i64(rows, 0);
    return r < 0 ? r : 0;
}

static int run_attempt(struct db *db, struct journal_op *op)
{
    struct attempt_ask ask = {.job = op->job,
                              .seq = op->seq,
                              .token = op->token,
                              .executor = op->executor,
                              .place = op->place,
                              .gpus = op->gpus};
    struct attempt_made made = {0};
    int r = real_weight(db, op);
    if (r == 0)
        r = journal_spec(db, op->job, &op->spec, &op->why);
    ask.weight_permille = op->weight_permille;
    if (r == 0)
        r = ledger_attempt(db, op->epoch, &ask, &made, &op->why);
    op->attempt = made.id;
    op->attempt_no = made.no;
    if (r == 0 && made.id == 0)
        r = err_set(&op->why, -EBADE, "job %lld: has no hold; nothing is started",
                    (long long)op->job);
    return r;
}

static struct move_ask move_of(const struct journal_op *op)
{
    return (struct move_ask){op->job,   op->seq,   op->attempt, op->event,
                             op->state, op->at_ms, op->note};
}

static int run_end(struct db *db, struct journal_op *op)
{
    struct move_ask move = move_of(op);
    struct attempt_end end = {op->run_ms, op->chargeable_ms, 0,
                              op->cause,  op->exit_code,     op->signal_no};
    int r = price_gpums(op->gpus, op->chargeable_ms, op->weight_permille, &end.charge_gpums);
    if (r < 0)
        return err_set(&op->why, r, "job %lld: its charge does not fit", (long long)op->job);
    return ledger_end(db, op->epoch, &move, &end, &op->why);
}

/* What one attempt is to be charged. */
struct due {
    int64_t attempt, gpums, begin_ms, end_ms;
};

static int read_dues(struct db *db, int64_t job, struct due *dues, int *out_count,
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int n = 0, r = db_select(db, SQL_RUNNER_CHARGES, DB_ARGS(DB_I64(job)), &rows, e);
    while (r == 0 && n < ATTEMPTS_MAX && (r = db_rows_next(rows, e)) > 0) {
        dues[n++] = (struct due){db_rows_i64(rows, 0), db_rows_i64(rows, 1),
                                 db_rows_i64(rows, 2), db_rows_i64(rows, 3)};
        r = 0;
    }
    *out_count = n;
    return r < 0 ? r : 0;
}

static int read_months(struct db *db, const struct due *d,
                       struct price_month months[MONTHS_MAX], int *out_count, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int n = 0, r = db_select(db, SQL_MONTHS,
                             DB_ARGS(DB_I64(d->begin_ms), DB_I64(d->end_ms + 1)), &rows, e);
    while (r == 0 && n < MONTHS_MAX && (r = db_rows_next(rows, e)) > 0) {
        months[n++] = (struct price_month){(int)db_rows_i64(rows, 0), db_rows_i64(rows, 1),
                                           db_rows_i64(rows, 2)};
        r = 0;
    }
    *out_count = n;
    return r < 0 ? r : 0;
}

static int post_due(struct db *db, const struct journal_op *op, const struct due *d,
                    struct err *e)
{
    struct price_month months[MONTHS_MAX];
    int64_t gpums[MONTHS_MAX];
    int count, r = read_months(db, d, months, &count, e);
    if (r == 0 && count == 0)
        r = err_set(e, -EIO, "attempt %lld: no month of the site covers it",
                    (long long)d->attempt);
    if (r < 0)
        return r;
    price_by_month(d->gpums, d->begin_ms, d->end_ms, months, count, gpums);
    for (int i = 0; r == 0 && i < count; i++)
        if (gpums[i] > 0)
            r = ledger_charge(db, op->epoch, d->attempt, months[i].month, gpums[i], e);
    return r;
}

static int run_finish(struct db *db, struct journal_op *op)
{
    AUTO(cleanup_free) struct due *dues = xnew_array(struct due, ATTEMPTS_MAX);
    struct move_ask move = move_of(op);
    int count, r = read_dues(db, op->job, dues, &count, &op->why);
    for (int i = 0; r == 0 && i < count; i++)
        r = post_due(db, op, &dues[i], &op->why);
    return r < 0 ? r : ledger_finish(db, op->epoch, &move, op->exit_code, &op->why);
}

void journal_run(struct db *db, struct journal_op *op)
{
    struct move_ask move = move_of(op);
    switch (op->kind) {
    case JOURNAL_ATTEMPT:
        op->status = run_attempt(db, op);
        return;
    case JOURNAL_MOVE:
        op->status = ledger_move(db, op->epoch, &move, &op->why);
        return;
    case JOURNAL_END:
        op->status = run_end(db, op);
        return;
    case JOURNAL_FINISH:
        op->status = run_finish(db, op);
        return;
    }
}
