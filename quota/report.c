// SPDX-License-Identifier: Apache-2.0
/* Runs the report's three statements in one snapshot and adds up. */
#include "quota/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

/* Sums of one project or tenant; the names are ours. */
struct group {
    enum report_level level;
    char *tenant, *project;
    int64_t jobs, ended, charged_gpums, refunded_gpums;
};

struct groups {
    struct group *items;
    size_t count;
};

static void groups_done(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++) {
        free(g->items[i].tenant);
        free(g->items[i].project);
    }
    free(g->items);
}

/* Adds a user's row to the last group, or begins a new one: rows come sorted by tenant and
 * project. */
static void groups_add(struct groups *g, enum report_level level,
                       const struct report_usage *row)
{
    const char *project = level == REPORT_PROJECT ? row->project : "";
    struct group *last = g->count ? &g->items[g->count - 1] : NULL;
    if (!last || strcmp(last->tenant, row->tenant) || strcmp(last->project, project)) {
        g->items = xgrow(g->items, g->count + 1, sizeof(*g->items));
        last = &g->items[g->count++];
        *last = (struct group){
            .level = level, .tenant = xdup(row->tenant), .project = xdup(project)};
    }
    last->jobs += row->jobs;
    last->ended += row->ended;
    last->charged_gpums += row->charged_gpums;
    last->refunded_gpums += row->refunded_gpums;
}

static void groups_tell(const struct groups *g, const struct report_sink *sink)
{
    for (size_t i = 0; sink->on_usage && i < g->count; i++) {
        const struct group *group = &g->items[i];
        sink->on_usage(&(struct report_usage){group->level, group->tenant, group->project, "",
                                              "", "", group->jobs, group->ended,
                                              group->charged_gpums, group->refunded_gpums},
                       sink->arg);
    }
}

int report_month_get(struct db *db, int month, struct report_month *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_MONTH, DB_ARGS(DB_I64(month)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "month %04d-%02d: not in the site's table of months",
                       month / 100, month % 100);
    *out = (struct report_month){month, db_rows_i64(rows, 0), db_rows_i64(rows, 1),
                                 db_rows_i64(rows, 2) != 0};
    return 0;
}

int report_month_now(struct db *db, int *out_month, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_MONTH_NOW, DB_NO_ARGS, &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    *out_month = (int)db_rows_i64(rows, 0);
    return 0;
}

static int run_usage(struct db *db, int month, const struct report_sink *sink,
                     struct report_sums *sums, struct err *e)
{
    AUTO(groups_done) struct groups projects = {0};
    AUTO(groups_done) struct groups tenants = {0};
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_USAGE, DB_ARGS(DB_I64(month), DB_I64(month)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        struct report_usage row = {
            .level = REPORT_USER,
            .tenant = db_rows_text(rows, 0),
            .project = db_rows_text(rows, 1),
            .login = db_rows_text(rows, 2),
            .directory = db_rows_text(rows, 3),
            .name = db_rows_text(rows, 4),
            .jobs = db_rows_i64(rows, 5),
            .ended = db_rows_i64(rows, 6),
            .charged_gpums = db_rows_i64(rows, 7),
            .refunded_gpums = db_rows_i64(rows, 8),
        };
        if (sink->on_usage)
            sink->on_usage(&row, sink->arg);
        groups_add(&projects, REPORT_PROJECT, &row);
        groups_add(&tenants, REPORT_TENANT, &row);
        sums->jobs += row.jobs;
        sums->ended += row.ended;
        sums->usage_charged_gpums += row.charged_gpums;
        sums->usage_refunded_gpums += row.refunded_gpums;
        r = 0;
    }
    if (r < 0)
        return r;
    groups_tell(&projects, sink);
    groups_tell(&tenants, sink);
    return 0;
}

static int run_allocations(struct db *db, int month, const struct report_sink *sink,
                           struct report_sums *sums, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_ALLOCATIONS,
                      DB_ARGS(DB_I64(month), DB_I64(month), DB_I64(month), DB_I64(month)),
                      &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        struct report_allocation row = {
            .tenant = db_rows_text(rows, 0),
            .project = db_rows_text(rows, 1),
            .id = db_rows_i64(rows, 2),
            .from_ms = db_rows_i64(rows, 3),
            .until_ms = db_rows_i64(rows, 4),
            .opening_gpums = db_rows_i64(rows, 5),
            .granted_gpums = db_rows_i64(rows, 6),
            .expired_gpums = db_rows_i64(rows, 7),
            .charged_gpums = db_rows_i64(rows, 8),
            .refunded_gpums = db_rows_i64(rows, 9),
            .free_gpums = db_rows_i64(rows, 10),
            .held_gpums = db_rows_i64(rows, 11),
            .used_gpums = db_rows_i64(rows, 12),
        };
        if (sink->on_allocation)
            sink->on_allocation(&row, sink->arg);
        sums->opening_gpums += row.opening_gpums;
        sums->granted_gpums += row.granted_gpums;
        sums->expired_gpums += row.expired_gpums;
        sums->charged_gpums += row.charged_gpums;
        sums->refunded_gpums += row.refunded_gpums;
        sums->closing_gpums += row.free_gpums + row.held_gpums;
        r = 0;
    }
    return r;
}

static int run_ledger(struct db *db, int month, struct report_sums *sums, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_LEDGER, DB_ARGS(DB_I64(month)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    sums->ledger_charged_gpums = db_rows_i64(rows, 0);
    sums->ledger_refunded_gpums = db_rows_i64(rows, 1);
    return 0;
}

bool report_adds_up(const struct report_sums *s)
{
    return s->usage_charged_gpums == s->ledger_charged_gpums &&
           s->usage_refunded_gpums == s->ledger_refunded_gpums &&
           s->charged_gpums == s->ledger_charged_gpums &&
           s->refunded_gpums == s->ledger_refunded_gpums &&
           s->opening_gpums + s->granted_gpums - s->expired_gpums - s->charged_gpums +
                   s->refunded_gpums ==
               s->closing_gpums;
}

int report_collect(struct db *db, int month, const struct report_sink *sink,
                   struct report_sums *out, struct err *e)
{
    struct report_sums sums = {0};
    int r = run_usage(db, month, sink, &sums, e);
    if (r == 0)
        r = run_allocations(db, month, sink, &sums, e);
    if (r == 0)
        r = run_ledger(db, month, &sums, e);
    if (r == 0)
        *out = sums;
    return r;
}

int report_run(struct db *db, int month, const struct report_sink *sink,
               struct report_sums *out, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    int r = db_tx_snapshot(db, &tx, e);
    return r < 0 ? r : report_collect(db, month, sink, out, e);
}
