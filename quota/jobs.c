// SPDX-License-Identifier: Apache-2.0
/* Rows of jobs into structs. A list of columns is read in the order its statement names them,
 * so each reader here stands beside one statement of sql.def and is changed together with
 * it. */
#include "quota/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quota/job_page.h"
#include "runner/base/buf.h"
#include "runner/base/xnew.h"

/* The next column of the current row; each call moves on by one. */
struct reader {
    const struct db_rows *rows;
    unsigned column;
};

static int64_t next_i64(struct reader *r)
{
    return db_rows_i64(r->rows, r->column++);
}

static char *next_text(struct reader *r)
{
    return xdup(db_rows_text(r->rows, r->column++));
}

/* ---- jobs */

static int read_job(const struct db_rows *rows, struct job_row *out, struct err *e)
{
    struct reader r = {rows, 0};
    *out = (struct job_row){.id = next_i64(&r)};
    out->person_id = next_i64(&r);
    out->project_id = next_i64(&r);
    out->tenant_id = next_i64(&r);
    out->allocation_id = next_i64(&r);
    out->login = next_text(&r);
    out->directory = next_text(&r);
    out->person = next_text(&r);
    out->project = next_text(&r);
    out->tenant = next_text(&r);
    out->kind = next_text(&r);
    out->name = next_text(&r);
    out->gpu_type = next_text(&r);
    out->priority = next_text(&r);
    out->nodes = next_i64(&r);
    out->gpus_per_node = next_i64(&r);
    out->cpus = next_i64(&r);
    out->memory_bytes = next_i64(&r);
    out->time_limit_ms = next_i64(&r);
    out->checkpoint = next_i64(&r) != 0;
    out->checkpoint_interval_ms = next_i64(&r);
    out->retries = next_i64(&r);
    out->array_id = next_i64(&r);
    out->array_index = next_i64(&r);
    out->weight_permille = next_i64(&r);
    out->hold_gpums = next_i64(&r);
    out->charged_gpums = next_i64(&r);
    out->refunded_gpums = next_i64(&r);
    const char *state = db_rows_text(rows, r.column++);
    out->seq = next_i64(&r);
    out->waits_for = next_text(&r);
    out->outcome = next_text(&r);
    out->exit_code = next_i64(&r);
    out->placed_ms = next_i64(&r);
    out->started_ms = next_i64(&r);
    out->ended_ms = next_i64(&r);
    if (!job_state_find(state, &out->state))
        return err_set(e, -EIO, "job %lld: unknown state '%s'", (long long)out->id, state);
    return 0;
}

static void job_row_done(struct job_row *row)
{
    char *texts[] = {row->login,    row->directory, row->person, row->project,
                     row->tenant,   row->kind,      row->name,   row->gpu_type,
                     row->priority, row->waits_for, row->outcome};
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
}

void job_row_free(struct job_row *row)
{
    if (!row)
        return;
    job_row_done(row);
    free(row);
}

void job_list_done(struct job_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        job_row_done(&l->rows[i]);
    free(l->rows);
    *l = (struct job_list){0};
}

static int read_jobs(struct db_rows *rows, struct job_list *out, struct err *e)
{
    int r;
    while ((r = db_rows_next(rows, e)) > 0) {
        out->rows = xgrow(out->rows, out->count + 1, sizeof(*out->rows));
        r = read_job(rows, &out->rows[out->count++], e);
        if (r < 0)
            return r;
    }
    return r;
}

/* "[7,4,1]" */
static void put_numbers(const int64_t *ids, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%lld", i ? "," : "[", (long long)ids[i]);
    buf_put(out, count ? "]" : "[]");
}

int jobs_list(struct db *db, const struct jobs_filter *f, struct job_list *out, struct err *e)
{
    AUTO(buf_done)
    struct buf numbers = BUF_INIT((JOBS_LIMIT_MAX + 2) * sizeof("18446744073709551615"));
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(job_list_done) struct job_list found = {0};
    int64_t ids[JOBS_LIMIT_MAX + 1];
    size_t limit =
        f->limit > 0 && f->limit < JOBS_LIMIT_MAX ? (size_t)f->limit : JOBS_LIMIT_MAX;
    size_t count;
    int r = job_page_find(db, f, limit + 1, ids, &count, e);
    if (r < 0)
        return r;
    found.has_more = count > limit;
    put_numbers(ids, found.has_more ? limit : count, &numbers);
    if (count > 0)
        r = db_select(db, SQL_JOBS_ROWS, DB_ARGS(DB_STR(buf_text(&numbers))), &rows, e);
    if (r == 0 && count > 0)
        r = read_jobs(rows, &found, e);
    if (r < 0)
        return r;
    *out = found;
    found = (struct job_list){0};
    return 0;
}

int jobs_get(struct db *db, int64_t id, struct job_row **out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(job_row_freep) struct job_row *row = xnew(struct job_row);
    int r = db_select_row(db, SQL_JOBS_GET, DB_ARGS(DB_I64(id)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "job %lld: not found", (long long)id);
    r = read_job(rows, row, e);
    if (r == 0)
        *out = TAKE(row);
    return r;
}

int64_t job_row_held_gpums(const struct job_row *row)
{
    if (job_state_is_final(row->state))
        return 0;
    return row->hold_gpums - row->charged_gpums + row->refunded_gpums;
}

/* ---- attempts */

static void read_attempt(const struct db_rows *rows, struct attempt_row *out)
{
    struct reader r = {rows, 0};
    *out = (struct attempt_row){.id = next_i64(&r)};
    out->no = next_i64(&r);
    out->token = next_text(&r);
    out->executor = next_text(&r);
    out->place = next_text(&r);
    out->gpus = next_i64(&r);
    out->weight_permille = next_i64(&r);
    out->created_ms = next_i64(&r);
    out->started_ms = next_i64(&r);
    out->ended_ms = next_i64(&r);
    out->run_ms = next_i64(&r);
    out->chargeable_ms = next_i64(&r);
    out->charge_gpums = next_i64(&r);
    out->cause = next_text(&r);
    out->exit_code = next_i64(&r);
    out->signal_no = next_i64(&r);
}

void attempt_list_done(struct attempt_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->rows[i].token);
        free(l->rows[i].executor);
        free(l->rows[i].place);
        free(l->rows[i].cause);
    }
    free(l->rows);
    *l = (struct attempt_list){0};
}

int jobs_attempts(struct db *db, int64_t job, struct attempt_list *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(attempt_list_done) struct attempt_list found = {0};
    int r = db_select(db, SQL_JOBS_ATTEMPTS, DB_ARGS(DB_I64(job)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        found.rows = xgrow(found.rows, found.count + 1, sizeof(*found.rows));
        read_attempt(rows, &found.rows[found.count++]);
        r = 0;
    }
    if (r < 0)
        return r;
    *out = found;
    found = (struct attempt_list){0};
    return 0;
}

/* ---- events */

static int read_event(const struct db_rows *rows, struct event_row *out, struct err *e)
{
    *out = (struct event_row){
        .seq = db_rows_i64(rows, 0),
        .attempt_id = db_rows_i64(rows, 1),
        .at_ms = db_rows_i64(rows, 2),
        .note = xdup(db_rows_text(rows, 4)),
    };
    if (!job_event_find(db_rows_text(rows, 3), &out->kind))
        return err_set(e, -EIO, "event %lld: unknown kind '%s'", (long long)out->seq,
                       db_rows_text(rows, 3));
    return 0;
}

void event_list_done(struct event_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->rows[i].note);
    free(l->rows);
    *l = (struct event_list){0};
}

int jobs_events(struct db *db, int64_t job, struct event_list *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    AUTO(event_list_done) struct event_list found = {0};
    int r = db_select(db, SQL_JOBS_EVENTS, DB_ARGS(DB_I64(job)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        found.rows = xgrow(found.rows, found.count + 1, sizeof(*found.rows));
        r = read_event(rows, &found.rows[found.count++], e);
    }
    if (r < 0)
        return r;
    *out = found;
    found = (struct event_list){0};
    return 0;
}

/* ---- request */

int jobs_spec(struct db *db, int64_t job, char **out_text, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_JOBS_SPEC, DB_ARGS(DB_I64(job)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "job %lld: not found", (long long)job);
    *out_text = xdup(db_rows_text(rows, 0));
    return 0;
}
