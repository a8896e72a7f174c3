// SPDX-License-Identifier: Apache-2.0
/* The order of the proof: budgets and transfers by statements that return what is wrong, then
 * the jobs (verify_job.c), then the months (verify_month.c). */
#include "quota/verify.h"

#include "quota/verify_internal.h"

static const struct {
    enum sql id;
    struct verify_check check;
} checks[] = {
    {SQL_VERIFY_SUM, {"sum", "GPU-time was made or lost: all budgets together must come to 0"}},
    {SQL_VERIFY_BALANCE, {"balance", "the stored balance is not the sum of its transfers"}},
    {SQL_VERIFY_NEGATIVE, {"negative", "more was spent than was there"}},
    {SQL_VERIFY_SHARE,
     {"share", "whether a member's share limits is not what was decided last"}},
    {SQL_VERIFY_LIMIT, {"limit", "a limit is set for somebody who does not exist"}},
    {SQL_VERIFY_DIRECTION,
     {"direction", "a transfer moves GPU-time where its type never does"}},
    {SQL_VERIFY_KEY, {"key", "a transfer's key is not the one that makes it happen only once"}},
    {SQL_VERIFY_MONTH, {"month", "a transfer is booked in a month it does not belong to"}},
    {SQL_VERIFY_CLOSED, {"closed", "something was booked in a month after it was closed"}},
    {SQL_VERIFY_CORRECTS, {"corrects", "a correction names a month that it cannot correct"}},
    {SQL_VERIFY_LEGS, {"legs", "the allocation and the member's share were not moved alike"}},
    {SQL_VERIFY_BUDGET, {"budget", "a job is paid from a budget that is not its own"}},
    {SQL_VERIFY_PERSON, {"person", "a job's transfer is on the account of another person"}},
    {SQL_VERIFY_ATTEMPT, {"attempt", "a charge or refund is for an attempt of another job"}},
    {SQL_VERIFY_REFUND, {"refund", "a refund has no cause, or went where it must not"}},
    {SQL_VERIFY_AUDIT, {"audit", "GPU-time was moved by hand without an audit row"}},
    {SQL_VERIFY_POSTING, {"posting", "what the audit says was moved is not in the ledger"}},
};

void verify_tell(struct verify *v, const struct verify_check *check, const char *where,
                 const char *expected, const char *found)
{
    v->counts.faults++;
    v->on_fault(&(struct verify_fault){check->name, where, expected, found, check->meaning},
                v->arg);
}

int verify_statement(struct verify *v, const struct verify_check *check, enum sql id,
                     struct db_args args, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(v->db, id, args, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0)
        verify_tell(v, check, db_rows_text(rows, 0), db_rows_text(rows, 1),
                    db_rows_text(rows, 2));
    return r;
}

static int count(struct verify *v, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(v->db, SQL_VERIFY_COUNTS, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    v->counts.jobs = db_rows_i64(rows, 0);
    v->counts.transfers = db_rows_i64(rows, 1);
    return 0;
}

static int prove(struct db *db, verify_fn *on_fault, void *arg, struct verify_counts *out,
                 struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    struct verify v = {.db = db, .on_fault = on_fault, .arg = arg};
    int r = db_tx_snapshot(db, &tx, e);
    if (r == 0)
        r = count(&v, e);
    for (size_t i = 0; r == 0 && i < COUNT(checks); i++)
        r = verify_statement(&v, &checks[i].check, checks[i].id, DB_NO_ARGS, e);
    if (r == 0)
        r = verify_jobs(&v, e);
    if (r == 0)
        r = verify_months(&v, e);
    if (r == 0)
        *out = v.counts;
    return r;
}

static void keep_quiet(const struct verify_fault *fault, void *arg)
{
    (void)fault, (void)arg;
}

int verify_run(struct db *db, verify_fn *on_fault, void *arg, struct verify_counts *out,
               struct err *e)
{
    int r = prove(db, keep_quiet, NULL, out, e);
    return r == 0 && out->faults ? prove(db, on_fault, arg, out, e) : r;
}
