// SPDX-License-Identifier: Apache-2.0
/* The proof of the months: what closed ones left behind and said, computed again, and the sums
 * of the latest by the very code that prints them. */
#include <stdio.h>

#include "quota/month.h"
#include "quota/report.h"
#include "quota/verify_internal.h"

enum { MONTHS_MAX = 2400, LATEST = 2 };

static const struct verify_check
    check_rows = {"month row", "months are closed one after the other, each with its report"},
    check_audit = {"month audit", "the month is not as its closing was recorded"},
    check_balance = {"month balance",
                     "what the closed month left behind is not what its transfers come to"},
    check_usage = {"report", "the month's report would leave out charges"},
    check_report = {"report", "the month's report does not add up to the ledger"};

/* At most `max` numbers of a statement's first column; the rest is left out. */
static int read_months(struct db *db, enum sql id, int *out, int max, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int count = 0, r = db_select(db, id, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while (count < max && (r = db_rows_next(rows, e)) > 0)
        out[count++] = (int)db_rows_i64(rows, 0);
    return r < 0 ? r : count;
}

static int run_balances(struct verify *v, struct err *e)
{
    int months[MONTHS_MAX], before = 0, r = 0;
    int count = read_months(v->db, SQL_VERIFY_MONTHS_CLOSED, months, MONTHS_MAX, e);
    for (int i = 0; r == 0 && i < count; i++) {
#define BOUNDS DB_I64(before), DB_I64(months[i])
        r = verify_statement(v, &check_balance, SQL_VERIFY_MONTH_BALANCE,
                             DB_ARGS(DB_I64(months[i]), DB_I64(before), BOUNDS, BOUNDS), e);
#undef BOUNDS
        before = months[i];
    }
    return count < 0 ? count : r;
}

static void tell_report(struct verify *v, const char *where, const struct report_sums *s)
{
    char expected[160], found[240];
    const int64_t *g = s->flow.gpums;
    snprintf(expected, sizeof(expected), "ledger: charged %lld, refunded %lld; closing %lld",
             (long long)s->ledger_charged_gpums, (long long)s->ledger_refunded_gpums,
             (long long)report_flow_result(&s->flow));
    snprintf(found, sizeof(found),
             "users: charged %lld, refunded %lld; allocations: %lld, %lld; closing %lld",
             (long long)s->usage[USE_CHARGED], (long long)s->usage[USE_REFUNDED],
             (long long)g[FLOW_CHARGED], (long long)(g[FLOW_REFUNDED] + g[FLOW_REFUND_EXPIRED]),
             (long long)g[FLOW_CLOSING]);
    verify_tell(v, &check_report, where, expected, found);
}

static int run_report(struct verify *v, int month, struct err *e)
{
    AUTO(report_done) struct report report = {0};
    char where[32];
    int r = report_read(v->db, &(struct report_ask){.first = month, .last = month}, &report, e);
    if (r < 0)
        return r;
    snprintf(where, sizeof(where), "month %04d-%02d", month / 100, month % 100);
    if (!report_adds_up(&report.sums))
        tell_report(v, where, &report.sums);
    return 0;
}

static int run_reports(struct verify *v, struct err *e)
{
    int months[LATEST], r = 0;
    int count = read_months(v->db, SQL_VERIFY_MONTHS, months, LATEST, e);
    for (int i = 0; r == 0 && i < count; i++)
        r = run_report(v, months[i], e);
    return count < 0 ? count : r;
}

/* Of month_check(): counted here. */
static void on_month_fault(const struct verify_fault *fault, void *arg)
{
    struct verify *v = arg;
    v->counts.faults++;
    v->on_fault(fault, v->arg);
}

int verify_months(struct verify *v, struct err *e)
{
    int r = verify_statement(v, &check_rows, SQL_VERIFY_MONTH_ROWS, DB_NO_ARGS, e);
    if (r == 0)
        r = verify_statement(v, &check_audit, SQL_VERIFY_MONTH_AUDIT, DB_NO_ARGS, e);
    if (r == 0)
        r = run_balances(v, e);
    if (r == 0)
        r = month_check(v->db, 0, on_month_fault, v, e);
    if (r == 0)
        r = verify_statement(v, &check_usage, SQL_VERIFY_REPORT, DB_NO_ARGS, e);
    if (r == 0)
        r = run_reports(v, e);
    return r;
}
