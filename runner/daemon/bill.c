// SPDX-License-Identifier: Apache-2.0
/* Reads bills, and asks quota/charge.h and quota/refund.h what follows from them. */
#include "runner/daemon/bill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/base/xnew.h"

/* The columns of RUNNER_BILL. */
static int read_attempts(struct db *db, int64_t job, struct bill *b, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_BILL, DB_ARGS(DB_I64(job)), &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        b->attempts = xgrow(b->attempts, b->attempt_count + 1, sizeof(*b->attempts));
        struct bill_attempt *a = &b->attempts[b->attempt_count++];
        *a = (struct bill_attempt){.id = db_rows_i64(rows, 0),
                                   .gpus = db_rows_i64(rows, 1),
                                   .weight_permille = db_rows_i64(rows, 2),
                                   .begin_ms = db_rows_i64(rows, 3),
                                   .is_over = !db_rows_is_null(rows, 4),
                                   .end_ms = db_rows_i64(rows, 4),
                                   .chargeable_ms = db_rows_i64(rows, 5),
                                   .charge_gpums = db_rows_i64(rows, 6)};
        snprintf(a->cause, sizeof(a->cause), "%s", db_rows_text(rows, 7));
        b->has_checkpoint = db_rows_i64(rows, 8) != 0;
        b->interval_ms = db_rows_i64(rows, 9);
        b->read_ms = db_rows_i64(rows, 10);
    }
    return r;
}

static int read_posted(struct db *db, int64_t job, struct bill *b, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_POSTED, DB_ARGS(DB_I64(job)), &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        b->posted = xgrow(b->posted, b->posted_count + 1, sizeof(*b->posted));
        b->posted[b->posted_count++] = (struct bill_posted){
            db_rows_i64(rows, 0),
            {(int)db_rows_i64(rows, 1), db_rows_i64(rows, 2), db_rows_i64(rows, 3)}};
    }
    return r;
}

int bill_read(struct db *db, int64_t job, struct bill *out, struct err *e)
{
    *out = (struct bill){0};
    int r = read_attempts(db, job, out, e);
    if (r == 0 && out->attempt_count > 0)
        r = read_posted(db, job, out, e);
    return r;
}

void bill_done(struct bill *b)
{
    free(b->attempts);
    free(b->posted);
}

int bill_find(struct bill *b, int64_t attempt, struct bill_attempt **out, struct err *e)
{
    for (size_t i = 0; i < b->attempt_count; i++)
        if (b->attempts[i].id == attempt) {
            *out = &b->attempts[i];
            return 0;
        }
    return err_set(e, -EBADE, "attempt %lld: not in the database", (long long)attempt);
}

int bill_months(struct db *db, const struct bill *b, const struct bill_attempt *a,
                int64_t until_ms, struct charge_months *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    out->month_count = out->posted_count = 0;
    for (size_t i = 0; i < b->posted_count; i++)
        if (b->posted[i].attempt == a->id && out->posted_count < CHARGE_MONTHS_MAX)
            out->posted[out->posted_count++] = b->posted[i].part;
    int r =
        db_select(db, SQL_MONTHS, DB_ARGS(DB_I64(a->begin_ms), DB_I64(until_ms + 1)), &rows, e);
    while (r >= 0 && out->month_count < CHARGE_MONTHS_MAX && (r = db_rows_next(rows, e)) > 0)
        out->months[out->month_count++] = (struct price_month){
            (int)db_rows_i64(rows, 0), db_rows_i64(rows, 1), db_rows_i64(rows, 2)};
    return r < 0 ? r : 0;
}

static struct charge_total total_of(const struct bill *b, const struct bill_attempt *a)
{
    return (struct charge_total){a->charge_gpums, a->gpus * a->chargeable_ms, a->begin_ms,
                                 a->end_ms < b->read_ms ? a->end_ms : b->read_ms};
}

int bill_rest(struct db *db, const struct bill *b, const struct bill_attempt *a,
              struct charge_part *out, int *out_count, struct err *e)
{
    struct charge_months months = {0};
    struct charge_total total = total_of(b, a);
    *out_count = 0;
    if (a->charge_gpums == 0)
        return 0;
    int r = bill_months(db, b, a, b->read_ms, &months, e);
    if (r < 0 || charge_left(&total, &months) == 0)
        return r;
    *out_count = charge_rest(&total, &months, out);
    if (*out_count == 0)
        return err_set(e, -EIO, "attempt %lld: no month of the site covers it",
                       (long long)a->id);
    return 0;
}

int64_t bill_refund(const struct bill *b, const struct bill_attempt *a,
                    const struct refund_rules *rules, const char **out_cause)
{
    struct refund_run run = {.cause = refund_cause(a->cause),
                             .gpus = a->gpus,
                             .weight_permille = a->weight_permille,
                             .chargeable_ms = a->chargeable_ms,
                             .charge_gpums = a->charge_gpums,
                             .has_checkpoint = b->has_checkpoint,
                             .interval_ms = b->interval_ms};
    int64_t gpums = run.cause ? refund_gpums(rules, &run) : 0;
    *out_cause = gpums > 0 ? run.cause : NULL;
    return gpums;
}

int64_t bill_posted_ms(const struct bill *b, const struct bill_attempt *a)
{
    int64_t raw_gpums = 0;
    for (size_t i = 0; i < b->posted_count; i++)
        if (b->posted[i].attempt == a->id)
            raw_gpums += b->posted[i].part.raw_gpums;
    return a->gpus > 0 ? raw_gpums / a->gpus : 0;
}
