// SPDX-License-Identifier: Apache-2.0
/* Budgets with their names first, then what moved in and out of them, found again by the number
 * of the budget. */
#include "quota/report_flow.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

enum { NO_PART = FLOW_PARTS };

/* The words of REPORT_MOVES and REPORT_HOLDS, and what each does to an allocation's buckets. */
static const struct move {
    const char *what;
    int part;
    int free, held, used;
} moves[] = {
    {"granted", FLOW_GRANTED, 1, 0, 0},
    {"revoked", FLOW_REVOKED, -1, 0, 0},
    {"transferred_in", FLOW_TRANSFERRED_IN, 1, 0, 0},
    {"transferred_out", FLOW_TRANSFERRED_OUT, -1, 0, 0},
    {"adjusted_up", FLOW_ADJUSTED, 1, 0, 0},
    {"adjusted_down", FLOW_ADJUSTED, -1, 0, 0},
    {"expired", FLOW_EXPIRED, -1, 0, 0},
    {"charged", FLOW_CHARGED, 0, -1, 1},
    {"refunded_to_free", FLOW_REFUNDED, 1, 0, -1},
    {"refunded_to_held", FLOW_REFUNDED, 0, 1, -1},
    {"refund_expired", FLOW_REFUND_EXPIRED, 0, 0, -1},
    {"hold", NO_PART, -1, 1, 0},
    {"release", NO_PART, 1, -1, 0},
};

static const char *const part_names[FLOW_PARTS] = {
    [FLOW_OPENING] = "opening",
    [FLOW_GRANTED] = "granted",
    [FLOW_REVOKED] = "revoked",
    [FLOW_TRANSFERRED_IN] = "transferred_in",
    [FLOW_TRANSFERRED_OUT] = "transferred_out",
    [FLOW_ADJUSTED] = "adjusted",
    [FLOW_EXPIRED] = "expired",
    [FLOW_CHARGED] = "charged",
    [FLOW_REFUNDED] = "refunded",
    [FLOW_CLOSING] = "closing",
    [FLOW_FREE] = "free",
    [FLOW_HELD] = "held",
    [FLOW_USED] = "used",
    [FLOW_REFUND_EXPIRED] = "refund_expired",
};

const char *report_flow_name(enum report_flow_part part)
{
    return part_names[part];
}

int64_t report_flow_result(const struct report_flow *f)
{
    const int64_t *g = f->gpums;
    return g[FLOW_OPENING] + g[FLOW_GRANTED] - g[FLOW_REVOKED] + g[FLOW_TRANSFERRED_IN] -
           g[FLOW_TRANSFERRED_OUT] + g[FLOW_ADJUSTED] - g[FLOW_EXPIRED] - g[FLOW_CHARGED] +
           g[FLOW_REFUNDED];
}

void report_flow_add(struct report_flow *sum, const struct report_flow *f)
{
    for (int i = 0; i < FLOW_PARTS; i++)
        sum->gpums[i] += f->gpums[i];
}

/* ---- the budgets */

/* The report being read. */
struct reader {
    struct db *db;
    struct report_allocations *all;
    struct report_allocation **by_budget; /* the same rows, in order of budgets */
    bool is_filtered;
    bool is_kept; /* the balances are those that a closed month left behind */
};

static bool is_asked(const struct report_filter *f, const char *tenant, const char *project)
{
    return !f->user && (!f->tenant || !strcmp(f->tenant, tenant)) &&
           (!f->project || !strcmp(f->project, project));
}

static int read_budgets(struct reader *r, int last, const struct report_filter *filter,
                        struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct report_allocations *all = r->all;
    size_t room = 0;
    int code =
        db_select(r->db, SQL_REPORT_BUDGETS, DB_ARGS(DB_I64(last), DB_I64(last)), &rows, e);
    while (code == 0 && (code = db_rows_next(rows, e)) > 0) {
        code = 0;
        r->is_kept = db_rows_i64(rows, 6) != 0;
        if (!is_asked(filter, db_rows_text(rows, 0), db_rows_text(rows, 1)))
            continue;
        if (all->count == room) {
            room = room ? 2 * room : 64;
            all->rows = xgrow(all->rows, room, sizeof(*all->rows));
        }
        struct report_allocation *a = &all->rows[all->count++];
        *a = (struct report_allocation){.tenant = xdup(db_rows_text(rows, 0)),
                                        .project = xdup(db_rows_text(rows, 1)),
                                        .id = db_rows_i64(rows, 2),
                                        .from_ms = db_rows_i64(rows, 3),
                                        .until_ms = db_rows_i64(rows, 4),
                                        .budget_id = db_rows_i64(rows, 5)};
        a->flow.gpums[FLOW_FREE] = db_rows_i64(rows, 7);
        a->flow.gpums[FLOW_HELD] = db_rows_i64(rows, 8);
        a->flow.gpums[FLOW_USED] = db_rows_i64(rows, 9);
    }
    return code;
}

static int compare_budgets(const void *a, const void *b)
{
    const struct report_allocation *const *x = a, *const *y = b;
    return ((*x)->budget_id > (*y)->budget_id) - ((*x)->budget_id < (*y)->budget_id);
}

static void sort_budgets(struct reader *r)
{
    r->by_budget = xnew_array(struct report_allocation *, r->all->count + 1);
    for (size_t i = 0; i < r->all->count; i++)
        r->by_budget[i] = &r->all->rows[i];
    qsort(r->by_budget, r->all->count, sizeof(struct report_allocation *), compare_budgets);
}

/* NULL: the filter left it out. */
static struct report_allocation *find(const struct reader *r, int64_t budget)
{
    struct report_allocation key = {.budget_id = budget}, *at = &key;
    struct report_allocation **found = bsearch(
        &at, r->by_budget, r->all->count, sizeof(struct report_allocation *), compare_budgets);
    return found ? *found : NULL;
}

/* ---- what moved */

typedef void move_fn(struct reader *r, struct report_allocation *a, const struct move *m,
                     int64_t gpums);

/* Before the months: all of it is in the opening. */
static void add_past(struct reader *r, struct report_allocation *a, const struct move *m,
                     int64_t gpums)
{
    (void)r;
    if (a)
        a->flow.gpums[FLOW_OPENING] += (m->free + m->held) * gpums;
}

static void add_move(struct reader *r, struct report_allocation *a, const struct move *m,
                     int64_t gpums)
{
    bool is_refund = m->part == FLOW_REFUNDED || m->part == FLOW_REFUND_EXPIRED;
    if (a)
        a->flow.gpums[m->part] += m->part == FLOW_ADJUSTED ? m->free * gpums : gpums;
    if (!a && r->is_filtered)
        return;
    if (m->part == FLOW_CHARGED)
        r->all->ledger_charged_gpums += gpums;
    else if (is_refund)
        r->all->ledger_refunded_gpums += gpums;
}

/* After the months: taken out of the balances of now. */
static void take_later(struct reader *r, struct report_allocation *a, const struct move *m,
                       int64_t gpums)
{
    (void)r;
    if (!a)
        return;
    a->flow.gpums[FLOW_FREE] -= m->free * gpums;
    a->flow.gpums[FLOW_HELD] -= m->held * gpums;
    a->flow.gpums[FLOW_USED] -= m->used * gpums;
}

static const struct move *find_move(const char *what)
{
    for (size_t i = 0; i < COUNT(moves); i++)
        if (!strcmp(moves[i].what, what))
            return &moves[i];
    return NULL;
}

static int read_moves(struct reader *r, enum sql id, int first, int last, move_fn *apply,
                      struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    if (first > last)
        return 0;
    int code = db_select(r->db, id, DB_ARGS(DB_I64(first), DB_I64(last)), &rows, e);
    while (code == 0 && (code = db_rows_next(rows, e)) > 0) {
        code = 0;
        const struct move *m = find_move(db_rows_text(rows, 1));
        if (m)
            apply(r, find(r, db_rows_i64(rows, 0)), m, db_rows_i64(rows, 2));
    }
    return code;
}

/* What a closed month left behind; *out_month 0: none was closed before. */
static int read_base(struct reader *r, int first, int *out_month, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int code = db_select(r->db, SQL_REPORT_BASE, DB_ARGS(DB_I64(first)), &rows, e);
    while (code == 0 && (code = db_rows_next(rows, e)) > 0) {
        code = 0;
        struct report_allocation *a = find(r, db_rows_i64(rows, 1));
        *out_month = (int)db_rows_i64(rows, 0);
        if (a)
            a->flow.gpums[FLOW_OPENING] += db_rows_i64(rows, 2);
    }
    return code;
}

/* The first and the last month that have transfers; 0, 0: none has. */
static int read_booked(struct reader *r, int out[2], struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int code = db_select(r->db, SQL_REPORT_BOOKED, DB_NO_ARGS, &rows, e);
    if (code == 0)
        code = db_rows_next(rows, e);
    if (code < 0)
        return code;
    out[0] = (int)db_rows_i64(rows, 0);
    out[1] = (int)db_rows_i64(rows, 1);
    return 0;
}

static int greater(int a, int b)
{
    return a > b ? a : b;
}

static int lesser(int a, int b)
{
    return a < b ? a : b;
}

static int read_all(struct reader *r, int first, int last, bool is_moving, struct err *e)
{
    int booked[2], base = 0;
    int code = read_booked(r, booked, e);
    if (code == 0)
        code = read_base(r, first, &base, e);
    if (code < 0)
        return code;
    code = read_moves(r, SQL_REPORT_MOVES, greater(base + 1, booked[0]),
                      lesser(first - 1, booked[1]), add_past, e);
    if (code == 0)
        code = read_moves(r, SQL_REPORT_MOVES, first, lesser(last, booked[1]), add_move, e);
    if (is_moving || r->is_kept || booked[1] <= last)
        return code;
    if (code == 0)
        code = read_moves(r, SQL_REPORT_MOVES, last + 1, booked[1], take_later, e);
    if (code == 0)
        code = read_moves(r, SQL_REPORT_HOLDS, last + 1, booked[1], take_later, e);
    return code;
}

/* ---- the result */

static void close_flow(struct report_flow *f, bool is_moving)
{
    int64_t *g = f->gpums;
    if (is_moving)
        g[FLOW_FREE] = g[FLOW_HELD] = g[FLOW_USED] = 0;
    g[FLOW_CLOSING] = is_moving ? report_flow_result(f) : g[FLOW_FREE] + g[FLOW_HELD];
}

static bool is_idle(const struct report_flow *f)
{
    for (int i = 0; i < FLOW_PARTS; i++)
        if (f->gpums[i] && i != FLOW_USED)
            return false;
    return true;
}

static void allocation_done(struct report_allocation *a)
{
    free(a->tenant);
    free(a->project);
}

void report_allocations_done(struct report_allocations *a)
{
    for (size_t i = 0; i < a->count; i++)
        allocation_done(&a->rows[i]);
    free(a->rows);
    *a = (struct report_allocations){0};
}

static void drop_idle(struct report_allocations *all)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (is_idle(&all->rows[i].flow))
            allocation_done(&all->rows[i]);
        else
            all->rows[kept++] = all->rows[i];
    }
    all->count = kept;
}

int report_allocations_read(struct db *db, int first, int last, bool is_moving,
                            const struct report_filter *filter, struct report_allocations *out,
                            struct err *e)
{
    AUTO(report_allocations_done) struct report_allocations all = {0};
    struct reader r = {.db = db,
                       .all = &all,
                       .is_filtered = filter->tenant || filter->project || filter->user};
    int code = read_budgets(&r, last, filter, e);
    if (code < 0)
        return code;
    sort_budgets(&r);
    code = read_all(&r, first, last, is_moving, e);
    free(r.by_budget);
    if (code < 0)
        return code;
    for (size_t i = 0; i < all.count; i++)
        close_flow(&all.rows[i].flow, is_moving);
    drop_idle(&all);
    *out = all;
    all = (struct report_allocations){0};
    return 0;
}
