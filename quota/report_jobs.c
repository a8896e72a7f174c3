// SPDX-License-Identifier: Apache-2.0
/* One row of the statement for each charge and refund, folded into one for each job as they
 * stream by. */
#include "quota/report_jobs.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

struct price {
    char *gpu_type;
    int64_t since_ms, weight_permille;
};

struct prices {
    struct price *items; /* the latest first */
    size_t count;
};

static void prices_done(struct prices *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i].gpu_type);
    free(p->items);
}

static int read_prices(struct db *db, struct prices *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_PRICES, DB_NO_ARGS, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        out->items = xgrow(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = (struct price){xdup(db_rows_text(rows, 0)),
                                                  db_rows_i64(rows, 1), db_rows_i64(rows, 2)};
        r = 0;
    }
    return r;
}

/* A job that left the type open got some type of this weight. */
static int64_t price_since(const struct prices *p, const struct report_job *job)
{
    bool is_any = !strcmp(job->gpu_type, "any");
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].since_ms <= job->placed_ms &&
            p->items[i].weight_permille == job->weight_permille &&
            (is_any || !strcmp(p->items[i].gpu_type, job->gpu_type)))
            return p->items[i].since_ms;
    return 0;
}

/* The job being folded; its texts are copies, because the row moves on. */
struct fold {
    struct report_job job; /* id 0: none yet */
    char texts[7][256];
    const struct prices *prices;
    report_job_fn *on_job;
    void *arg;
};

static const char *keep(struct fold *f, int i, const char *text)
{
    size_t n = strnlen(text, sizeof(f->texts[i]) - 1); /* the columns are shorter */
    memcpy(f->texts[i], text, n);
    f->texts[i][n] = '\0';
    return f->texts[i];
}

static void begin_job(struct fold *f, const struct db_rows *rows)
{
    f->job = (struct report_job){
        .id = db_rows_i64(rows, 0),
        .tenant = keep(f, 0, db_rows_text(rows, 1)),
        .project = keep(f, 1, db_rows_text(rows, 2)),
        .login = keep(f, 2, db_rows_text(rows, 3)),
        .directory = keep(f, 3, db_rows_text(rows, 4)),
        .person_id = db_rows_i64(rows, 5),
        .allocation_id = db_rows_i64(rows, 6),
        .kind = keep(f, 4, db_rows_text(rows, 7)),
        .gpu_type = keep(f, 5, db_rows_text(rows, 8)),
        .gpus = db_rows_i64(rows, 9),
        .weight_permille = db_rows_i64(rows, 10),
        .placed_ms = db_rows_i64(rows, 11),
        .started_ms = db_rows_i64(rows, 12),
        .ended_ms = db_rows_i64(rows, 13),
        .time_limit_ms = db_rows_i64(rows, 14),
        .attempts = db_rows_i64(rows, 15),
        .run_ms = db_rows_i64(rows, 16),
        .state = keep(f, 6, db_rows_text(rows, 17)),
        .exit_code = db_rows_is_null(rows, 18) ? -1 : db_rows_i64(rows, 18),
        .hold_gpums = db_rows_i64(rows, 19),
        .job_charged_gpums = db_rows_i64(rows, 20),
        .job_refunded_gpums = db_rows_i64(rows, 21),
        .job_raw_gpums = db_rows_i64(rows, 22),
    };
}

static void add_transfer(struct report_job *job, const struct db_rows *rows)
{
    if (db_rows_is_null(rows, 23))
        return;
    bool is_charge = db_rows_i64(rows, 23) != 0;
    *(is_charge ? &job->month_charged_gpums : &job->month_refunded_gpums) +=
        db_rows_i64(rows, 24);
    job->month_raw_gpums += is_charge ? db_rows_i64(rows, 25) : 0;
}

static void end_job(struct fold *f)
{
    if (!f->job.id)
        return;
    f->job.price_since_ms = price_since(f->prices, &f->job);
    f->on_job(&f->job, f->arg);
}

static int read_numbers(struct db *db, const struct report_span *s, int64_t out[2],
                        struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(
        db, SQL_REPORT_JOB_NUMBERS,
        DB_ARGS(DB_I64(s->first), DB_I64(s->last), DB_I64(s->until_ms), DB_I64(s->from_ms)),
        &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    out[0] = db_rows_i64(rows, 0);
    out[1] = db_rows_i64(rows, 1);
    return 0;
}

int report_jobs(struct db *db, const struct report_span *s, report_job_fn *on_job, void *arg,
                struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(prices_done) struct prices prices = {0};
    struct fold f = {.prices = &prices, .on_job = on_job, .arg = arg};
    int64_t numbers[2];
    int r = read_prices(db, &prices, e);
    if (r == 0)
        r = read_numbers(db, s, numbers, e);
    if (r == 0)
        r = db_select(db, SQL_REPORT_JOBS,
                      DB_ARGS(DB_I64(s->first), DB_I64(s->last), DB_I64(numbers[0]),
                              DB_I64(numbers[1]), DB_I64(s->from_ms), DB_I64(s->until_ms),
                              DB_I64(s->from_ms), DB_I64(s->until_ms)),
                      &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        if (db_rows_i64(rows, 0) != f.job.id) {
            end_job(&f);
            begin_job(&f, rows);
        }
        add_transfer(&f.job, rows);
        r = 0;
    }
    if (r == 0)
        end_job(&f);
    return r;
}
