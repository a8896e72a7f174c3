// SPDX-License-Identifier: Apache-2.0
/* Projects' rows from the database; tenants' and the sum are added up between them. */
#include "quota/report_waste.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

void waste_done(struct waste *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->rows[i].tenant);
        free(w->rows[i].project);
    }
    free(w->rows);
    *w = (struct waste){0};
}

static void add_row(struct waste *w, const char *tenant, const char *project,
                    const int64_t gpums[WASTE_NUMBERS])
{
    w->rows = xgrow(w->rows, w->count + 1, sizeof(*w->rows));
    struct waste_row *row = &w->rows[w->count++];
    *row = (struct waste_row){.tenant = xdup(tenant), .project = xdup(project)};
    memcpy(row->gpums, gpums, sizeof(row->gpums));
}

static void add(int64_t sum[WASTE_NUMBERS], const int64_t gpums[WASTE_NUMBERS])
{
    for (int i = 0; i < WASTE_NUMBERS; i++)
        sum[i] += gpums[i];
}

/* The sums of what was read so far. */
struct sums {
    char *tenant; /* of the last row; NULL: none yet */
    int64_t of_tenant[WASTE_NUMBERS], of_all[WASTE_NUMBERS];
};

static void end_tenant(struct waste *w, struct sums *s)
{
    if (s->tenant)
        add_row(w, s->tenant, "", s->of_tenant);
    memset(s->of_tenant, 0, sizeof(s->of_tenant));
    free(s->tenant);
    s->tenant = NULL;
}

static void take_row(struct waste *w, struct sums *s, const struct db_rows *rows)
{
    int64_t gpums[WASTE_NUMBERS];
    for (unsigned i = 0; i < WASTE_NUMBERS; i++)
        gpums[i] = db_rows_i64(rows, 2 + i);
    if (!s->tenant || strcmp(s->tenant, db_rows_text(rows, 0))) {
        end_tenant(w, s);
        s->tenant = xdup(db_rows_text(rows, 0));
    }
    add_row(w, s->tenant, db_rows_text(rows, 1), gpums);
    add(s->of_tenant, gpums);
    add(s->of_all, gpums);
}

int waste_read(struct db *db, const struct report_ask *ask, struct waste *out, struct err *e)
{
    AUTO(waste_done) struct waste w = {0};
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    const struct report_filter *f = &ask->filter;
    struct sums sums = {0};
    if (f->user)
        return err_set(e, -EINVAL, "waste is told by project and tenant, not by user");
    int r = report_span_get(db, ask->first, ask->last, &w.span, e);
#define BOUNDS DB_I64(w.span.from_ms), DB_I64(w.span.until_ms)
    if (r == 0)
        r = db_select(db, SQL_REPORT_WASTE, DB_ARGS(BOUNDS, BOUNDS), &rows, e);
#undef BOUNDS
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        r = 0;
        if ((!f->tenant || !strcmp(f->tenant, db_rows_text(rows, 0))) &&
            (!f->project || !strcmp(f->project, db_rows_text(rows, 1))))
            take_row(&w, &sums, rows);
    }
    end_tenant(&w, &sums);
    if (r < 0)
        return r;
    add_row(&w, "", "", sums.of_all);
    *out = w;
    w = (struct waste){0};
    return 0;
}

int64_t waste_sum(const struct waste_row *row)
{
    int64_t sum = 0;
    for (int i = WASTE_FAILED; i <= WASTE_PREEMPTED; i++)
        sum += row->gpums[i];
    return sum;
}

int64_t waste_share(int64_t part, int64_t whole)
{
    return whole > 0 ? (int64_t)(((__int128)part * 1000 + whole / 2) / whole) : 0;
}
