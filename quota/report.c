// SPDX-License-Identifier: Apache-2.0
/* Users' rows as the database groups them, added up to projects and tenants here; then the
 * allocations beside them. */
#include "quota/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/amount.h"
#include "quota/table.h"
#include "runner/base/buf.h"
#include "runner/base/xnew.h"

/* ---- months */

static int get_month(struct db *db, int month, struct report_span *out, struct err *e)
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
    *out = (struct report_span){month, month, db_rows_i64(rows, 0), db_rows_i64(rows, 1),
                                db_rows_i64(rows, 2) != 0};
    return 0;
}

int report_span_get(struct db *db, int first, int last, struct report_span *out, struct err *e)
{
    struct report_span from, until;
    if (first > last)
        return err_set(e, -EINVAL,
                       "from %04d-%02d to %04d-%02d: the last month is before the first",
                       first / 100, first % 100, last / 100, last % 100);
    int r = get_month(db, first, &from, e);
    if (r == 0)
        r = get_month(db, last, &until, e);
    if (r < 0)
        return r; /* months are closed in order: the last one tells for all */
    *out = (struct report_span){first, last, from.from_ms, until.until_ms, until.is_closed};
    return 0;
}

void report_span_text(const struct report_span *s, char out[REPORT_SPAN_TEXT])
{
    int n = snprintf(out, REPORT_SPAN_TEXT, "%04d-%02d", s->first / 100, s->first % 100);
    if (s->last != s->first)
        snprintf(out + n, REPORT_SPAN_TEXT - (size_t)n, " to %04d-%02d", s->last / 100,
                 s->last % 100);
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

/* ---- usage */

int64_t report_usage_net(const struct report_usage *u)
{
    return u->n[USE_CHARGED] - u->n[USE_REFUNDED];
}

static void usage_done(struct report_usages *u)
{
    for (size_t i = 0; i < u->count; i++) {
        char *texts[] = {u->rows[i].tenant, u->rows[i].project, u->rows[i].login,
                         u->rows[i].directory, u->rows[i].name};
        for (size_t k = 0; k < COUNT(texts); k++)
            free(texts[k]);
    }
    free(u->rows);
}

/* A new last row; memory doubles, so that many rows cost no more each. */
static struct report_usage *add_row(struct report_usages *u)
{
    if ((u->count & (u->count - 1)) == 0)
        u->rows = xgrow(u->rows, u->count ? 2 * u->count : 1, sizeof(*u->rows));
    u->rows[u->count] = (struct report_usage){0};
    return &u->rows[u->count++];
}

static void add_numbers(int64_t sum[USE_NUMBERS], const int64_t n[USE_NUMBERS])
{
    for (int i = 0; i < USE_NUMBERS; i++)
        sum[i] += n[i];
}

/* "login" or "login@directory" */
static bool is_user(const char *asked, const char *login, const char *directory)
{
    size_t n = strlen(login);
    return !strncmp(asked, login, n) &&
           (!asked[n] || (asked[n] == '@' && !strcmp(asked + n + 1, directory)));
}

static bool is_asked(const struct report_filter *f, const struct db_rows *rows)
{
    return (!f->tenant || !strcmp(f->tenant, db_rows_text(rows, 0))) &&
           (!f->project || !strcmp(f->project, db_rows_text(rows, 1))) &&
           (!f->user || is_user(f->user, db_rows_text(rows, 2), db_rows_text(rows, 3)));
}

/* The columns of REPORT_USAGE; false for a row that has nothing in these months. */
static bool read_numbers(const struct db_rows *rows, int64_t out[USE_NUMBERS])
{
    static const enum report_use columns[] = {USE_STARTED, USE_ENDED,   USE_FAILED,
                                              USE_WAITED,  USE_CHARGED, USE_REFUNDED,
                                              USE_RAW,     USE_WASTED};
    bool has_any = false;
    for (unsigned i = 0; i < COUNT(columns); i++) {
        out[columns[i]] = db_rows_i64(rows, 6 + i);
        has_any |= out[columns[i]] != 0;
    }
    return has_any;
}

static int read_users(struct db *db, const struct report_ask *ask, struct report *r,
                      struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    const struct report_span *s = &r->span;
    int code = db_select(db, SQL_REPORT_USAGE,
                         DB_ARGS(DB_I64(s->first), DB_I64(s->last), DB_I64(s->from_ms),
                                 DB_I64(s->until_ms), DB_I64(s->from_ms)),
                         &rows, e);
    while (code == 0 && (code = db_rows_next(rows, e)) > 0) {
        int64_t n[USE_NUMBERS];
        code = 0;
        if (!read_numbers(rows, n) || !is_asked(&ask->filter, rows))
            continue;
        struct report_usage *u = add_row(&r->usage[REPORT_USERS]);
        *u = (struct report_usage){.tenant = xdup(db_rows_text(rows, 0)),
                                   .project = xdup(db_rows_text(rows, 1)),
                                   .login = xdup(db_rows_text(rows, 2)),
                                   .directory = xdup(db_rows_text(rows, 3)),
                                   .name = xdup(db_rows_text(rows, 4)),
                                   .person_id = db_rows_i64(rows, 5)};
        add_numbers(u->n, n);
        add_numbers(r->sums.usage, n);
    }
    return code;
}

/* Adds up rows that follow one another by tenant and project. */
static void group(const struct report_usages *users, bool by_project, struct report_usages *out)
{
    for (size_t i = 0; i < users->count; i++) {
        const struct report_usage *u = &users->rows[i];
        struct report_usage *last = out->count ? &out->rows[out->count - 1] : NULL;
        if (!last || strcmp(last->tenant, u->tenant) ||
            (by_project && strcmp(last->project, u->project))) {
            last = add_row(out);
            last->tenant = xdup(u->tenant);
            last->project = xdup(by_project ? u->project : "");
            last->login = xdup("");
            last->directory = xdup("");
            last->name = xdup("");
        }
        add_numbers(last->n, u->n);
    }
}

/* Gives the tenants' rows their titles; both come in order of names. */
static int read_titles(struct db *db, struct report_usages *tenants, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    size_t i = 0;
    int r = db_select(db, SQL_REPORT_TITLES, DB_NO_ARGS, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        r = 0;
        if (i == tenants->count || strcmp(tenants->rows[i].tenant, db_rows_text(rows, 0)))
            continue;
        free(tenants->rows[i].name);
        tenants->rows[i++].name = xdup(db_rows_text(rows, 1));
    }
    return r;
}

static int compare_net(const void *a, const void *b)
{
    const struct report_usage *const *x = a, *const *y = b;
    int64_t p = report_usage_net(*x), q = report_usage_net(*y);
    if (p != q)
        return p < q ? 1 : -1;
    return *x < *y ? -1 : *x > *y; /* rows of one array: in order of names */
}

size_t report_top(const struct report_usages *u, size_t limit, const struct report_usage **out)
{
    const struct report_usage **all = xnew_array(const struct report_usage *, u->count + 1);
    size_t count = u->count < limit ? u->count : limit;
    for (size_t i = 0; i < u->count; i++)
        all[i] = &u->rows[i];
    qsort(all, u->count, sizeof(*all), compare_net);
    memcpy(out, all, count * sizeof(*all));
    free(all);
    return count;
}

/* ---- the identity */

bool report_adds_up(const struct report_sums *s)
{
    const int64_t *g = s->flow.gpums;
    return s->usage[USE_CHARGED] == s->ledger_charged_gpums &&
           s->usage[USE_REFUNDED] == s->ledger_refunded_gpums &&
           g[FLOW_CHARGED] == s->ledger_charged_gpums &&
           g[FLOW_REFUNDED] + g[FLOW_REFUND_EXPIRED] == s->ledger_refunded_gpums &&
           report_flow_result(&s->flow) == g[FLOW_CLOSING];
}

/* "NAMES: 1.000 + 2.000 = 3.000 GPU-hours": the amounts, each after its sign. */
struct term {
    const char *sign;
    int64_t gpums;
};

/* Who is told. */
struct listener {
    report_words_fn *on_sentence;
    void *arg;
};

static void tell(const struct listener *to, const char *names, bool holds,
                 const struct term *terms, size_t count)
{
    AUTO(buf_done) struct buf text = BUF_INIT(2048);
    buf_put(&text, names);
    for (size_t i = 0; i < count; i++) {
        char amount[2 * AMOUNT_TEXT];
        if (holds)
            amount_text(terms[i].gpums, AMOUNT_HOURS, amount);
        else
            snprintf(amount, sizeof(amount), "%lld", (long long)terms[i].gpums);
        table_group_digits(amount, sizeof(amount));
        buf_put(&text, terms[i].sign);
        buf_put(&text, amount);
    }
    buf_put(&text, holds ? " GPU-hours" : " GPU-milliseconds");
    to->on_sentence(buf_text(&text), to->arg);
}

static void tell_same(const struct listener *to, const char *names, int64_t users,
                      int64_t ledger, int64_t allocations)
{
    const struct term terms[] = {{": ", users}, {" = ", ledger}, {" = ", allocations}};
    tell(to, names, users == ledger && ledger == allocations, terms, COUNT(terms));
}

static void tell_flow(const struct listener *to, const struct report_flow *f)
{
    const int64_t *g = f->gpums;
    const struct term terms[] = {
        {": ", g[FLOW_OPENING]},          {" + ", g[FLOW_GRANTED]},
        {" - ", g[FLOW_REVOKED]},         {" + ", g[FLOW_TRANSFERRED_IN]},
        {" - ", g[FLOW_TRANSFERRED_OUT]}, {" + ", g[FLOW_ADJUSTED]},
        {" - ", g[FLOW_EXPIRED]},         {" - ", g[FLOW_CHARGED]},
        {" + ", g[FLOW_REFUNDED]},        {" = ", g[FLOW_CLOSING]}};
    tell(to,
         "opening + granted - revoked + transferred in - transferred out + adjusted - expired "
         "- charged + refunded = closing",
         report_flow_result(f) == g[FLOW_CLOSING], terms, COUNT(terms));
}

void report_identity(const struct report_sums *s, report_words_fn *on_sentence, void *arg)
{
    const int64_t *g = s->flow.gpums;
    int64_t users = s->usage[USE_CHARGED], ledger = s->ledger_charged_gpums;
    int64_t came =
        g[FLOW_GRANTED] + g[FLOW_TRANSFERRED_IN] + g[FLOW_ADJUSTED] + g[FLOW_REFUNDED];
    int64_t went = g[FLOW_REVOKED] + g[FLOW_TRANSFERRED_OUT] + g[FLOW_EXPIRED];
    int64_t allocations = g[FLOW_OPENING] - g[FLOW_CLOSING] + came - went;
    const struct term terms[] = {
        {": ", users}, {" = ", ledger}, {" = ", g[FLOW_OPENING]}, {" - ", g[FLOW_CLOSING]},
        {" + ", came}, {" - ", went}};
    const struct listener to = {on_sentence, arg};
    tell(&to, "charged: users = ledger = opening - closing + what came in - what went out",
         users == ledger && ledger == allocations, terms, COUNT(terms));
}

void report_words(const struct report_sums *s, report_words_fn *on_sentence, void *arg)
{
    const int64_t *g = s->flow.gpums;
    const struct listener to = {on_sentence, arg};
    tell_same(&to, "charged: users = ledger = allocations", s->usage[USE_CHARGED],
              s->ledger_charged_gpums, g[FLOW_CHARGED]);
    tell_same(&to, "refunded: users = ledger = allocations", s->usage[USE_REFUNDED],
              s->ledger_refunded_gpums, g[FLOW_REFUNDED] + g[FLOW_REFUND_EXPIRED]);
    tell_flow(&to, &s->flow);
    report_identity(s, on_sentence, arg);
}

/* ---- the whole */

static void read_sums(struct report *r)
{
    const struct report_allocations *a = &r->allocations;
    for (size_t i = 0; i < a->count; i++)
        report_flow_add(&r->sums.flow, &a->rows[i].flow);
    r->sums.ledger_charged_gpums = a->ledger_charged_gpums;
    r->sums.ledger_refunded_gpums = a->ledger_refunded_gpums;
}

int report_read(struct db *db, const struct report_ask *ask, struct report *out, struct err *e)
{
    AUTO(report_done) struct report r = {.is_of_user = ask->filter.user != NULL};
    int code = report_span_get(db, ask->first, ask->last, &r.span, e);
    if (code == 0)
        code = read_users(db, ask, &r, e);
    if (code < 0)
        return code;
    group(&r.usage[REPORT_USERS], true, &r.usage[REPORT_PROJECTS]);
    group(&r.usage[REPORT_PROJECTS], false, &r.usage[REPORT_TENANTS]);
    code = read_titles(db, &r.usage[REPORT_TENANTS], e);
    if (code == 0 && !r.is_of_user)
        code = report_allocations_read(db, ask->first, ask->last, ask->is_moving, &ask->filter,
                                       &r.allocations, e);
    if (code < 0)
        return code;
    read_sums(&r);
    *out = r;
    r = (struct report){0};
    return 0;
}

bool report_is_balanced(const struct report *r)
{
    return r->is_of_user || report_adds_up(&r->sums);
}

int report_read_snapshot(struct db *db, const struct report_ask *ask, struct db_tx *tx,
                         struct report *out, struct err *e)
{
    int r = db_tx_snapshot(db, tx, e);
    if (r == 0)
        r = report_read(db, ask, out, e);
    if (r < 0 || report_is_balanced(out))
        return r;
    report_done(out);
    db_tx_end(tx);
    r = db_tx_snapshot(db, tx, e);
    return r < 0 ? r : report_read(db, ask, out, e);
}

void report_done(struct report *r)
{
    for (int i = 0; i < REPORT_LEVELS; i++)
        usage_done(&r->usage[i]);
    report_allocations_done(&r->allocations);
    *r = (struct report){0};
}
