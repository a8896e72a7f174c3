// SPDX-License-Identifier: Apache-2.0
/* Two statements' rows into lists. */
#include "quota/budget.h"

#include <stdlib.h>
#include <time.h>

#include "quota/forecast.h"
#include "runner/base/xnew.h"

enum { OVER_SHOWN_DAYS = 60 };

void budget_list_done(struct budget_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->rows[i].project);
        free(l->rows[i].title);
        free(l->rows[i].tenant);
    }
    free(l->rows);
    *l = (struct budget_list){0};
}

static char *dup_text(const struct db_rows *rows, unsigned column)
{
    return xdup(db_rows_text(rows, column));
}

static void read_row(const struct db_rows *rows, struct budget_list *l)
{
    l->rows = xgrow(l->rows, l->count + 1, sizeof(*l->rows));
    l->rows[l->count++] = (struct budget_row){
        .project_id = db_rows_i64(rows, 0),
        .tenant_id = db_rows_i64(rows, 1),
        .project = dup_text(rows, 2),
        .title = dup_text(rows, 3),
        .tenant = dup_text(rows, 4),
        .is_project_open = db_rows_i64(rows, 5) != 0,
        .allocation_id = db_rows_i64(rows, 6),
        .from_ms = db_rows_i64(rows, 7),
        .until_ms = db_rows_i64(rows, 8),
        .is_open = db_rows_i64(rows, 9) != 0,
        .free_gpums = db_rows_i64(rows, 10),
        .held_gpums = db_rows_i64(rows, 11),
        .used_gpums = db_rows_i64(rows, 12),
        .has_share = db_rows_i64(rows, 13) != 0,
        .share_free_gpums = db_rows_i64(rows, 14),
        .share_held_gpums = db_rows_i64(rows, 15),
        .share_used_gpums = db_rows_i64(rows, 16),
        .recent_gpums = db_rows_i64(rows, 17),
    };
}

/* Terms that ended before this are of no interest. */
static struct db_value over(const struct budget_filter *f)
{
    return DB_I64(f->now_ms - OVER_SHOWN_DAYS * FORECAST_DAY_MS);
}

/* A month in which a charge that was posted since then may be booked: one before that of the
 * time, because a charge may be posted late. */
static int64_t month_before(int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000 - 31 * 86400);
    struct tm t;
    gmtime_r(&seconds, &t);
    return (t.tm_year + 1900) * 100 + t.tm_mon + 1;
}

static int select_rows(struct db *db, const struct budget_filter *f, struct db_rows **out,
                       struct err *e)
{
    int64_t since_ms = f->now_ms - FORECAST_WINDOW_MS;
    struct db_value since = DB_I64(since_ms), month = DB_I64(month_before(since_ms));
    struct db_value now = DB_I64(f->now_ms), viewer = DB_I64(f->viewer_id);
    if (f->person_id)
        return db_select(db, SQL_BUDGETS_OF_PERSON,
                         DB_ARGS(month, now, since, month, now, since, over(f), viewer,
                                 DB_I64(f->person_id)),
                         out, e);
    if (f->project_id)
        return db_select(db, SQL_BUDGETS_OF_PROJECT,
                         DB_ARGS(month, now, since, month, now, since, over(f), viewer,
                                 DB_I64(f->project_id)),
                         out, e);
    return db_select(db, SQL_BUDGETS_OF_TENANT,
                     DB_ARGS(month, now, since, month, now, since, DB_I64(f->tenant_id),
                             DB_STR(f->after), DB_I64(f->limit), over(f), viewer),
                     out, e);
}

int budget_list(struct db *db, const struct budget_filter *f, struct budget_list *out,
                struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    *out = (struct budget_list){0};
    int r = select_rows(db, f, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        read_row(rows, out);
        r = 0;
    }
    if (r < 0)
        budget_list_done(out);
    return r;
}

void budget_member_list_done(struct budget_member_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->rows[i].login);
        free(l->rows[i].directory);
        free(l->rows[i].name);
        free(l->rows[i].role);
    }
    free(l->rows);
    *l = (struct budget_member_list){0};
}

static void read_member(const struct db_rows *rows, struct budget_member_list *l)
{
    l->rows = xgrow(l->rows, l->count + 1, sizeof(*l->rows));
    l->rows[l->count++] = (struct budget_member){
        .allocation_id = db_rows_i64(rows, 0),
        .person_id = db_rows_i64(rows, 1),
        .login = dup_text(rows, 2),
        .directory = dup_text(rows, 3),
        .name = dup_text(rows, 4),
        .role = dup_text(rows, 5),
        .since_ms = db_rows_i64(rows, 6),
        .used_gpums = db_rows_i64(rows, 7),
        .held_gpums = db_rows_i64(rows, 8),
        .has_limit = db_rows_i64(rows, 9) != 0,
        .spent_gpums = db_rows_i64(rows, 10),
        .rest_gpums = db_rows_i64(rows, 11),
    };
}

int budget_members(struct db *db, const struct budget_filter *f, struct budget_member_list *out,
                   struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    *out = (struct budget_member_list){0};
    int r = db_select(
        db, f->person_id ? SQL_BUDGET_MEMBER : SQL_BUDGET_MEMBERS,
        DB_ARGS(DB_I64(f->project_id), DB_I64(f->now_ms), over(f), DB_I64(f->person_id)), &rows,
        e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        read_member(rows, out);
        r = 0;
    }
    if (r < 0)
        budget_member_list_done(out);
    return r;
}
