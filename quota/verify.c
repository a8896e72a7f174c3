// SPDX-License-Identifier: Apache-2.0
/* Walks a table of statements that return what is wrong, then folds every job's events and adds
 * up the reports. */
#include "quota/verify.h"

#include <stdio.h>
#include <string.h>

#include "quota/report.h"
#include "runner/job/job.h"

static const struct check {
    enum sql id;
    const char *name, *meaning;
} checks[] = {
    {SQL_VERIFY_SUM, "sum", "GPU-time was made or lost: all budgets together must come to 0"},
    {SQL_VERIFY_BALANCE, "balance", "the stored balance is not the sum of its transfers"},
    {SQL_VERIFY_NEGATIVE, "negative", "more was spent than was there"},
    {SQL_VERIFY_DIRECTION, "direction", "a transfer moves GPU-time where its type never does"},
    {SQL_VERIFY_KEY, "key", "a transfer's key is not the one that makes it happen only once"},
    {SQL_VERIFY_MONTH, "month", "a transfer is booked in a month it does not belong to"},
    {SQL_VERIFY_LEGS, "legs", "the allocation and the member's share were not moved alike"},
    {SQL_VERIFY_BUDGET, "budget", "a job is paid from a budget that is not its own"},
    {SQL_VERIFY_HOLD, "hold", "a job must have exactly one hold, as large as the job says"},
    {SQL_VERIFY_HOLD_SIZE, "hold size", "the hold is not GPUs × time limit × weight"},
    {SQL_VERIFY_HELD, "held",
     "what is held for the job is not what its transfers leave: a release "
     "is missing, or a charge is wrong"},
    {SQL_VERIFY_RELEASE, "release", "the hold was released before the job ended"},
    {SQL_VERIFY_CHARGE_JOB, "charge", "the job's charge is not the sum of its transfers"},
    {SQL_VERIFY_CHARGE_ATTEMPT, "attempt charge",
     "what was charged for the attempt is not what it used"},
    {SQL_VERIFY_ATTEMPT_SIZE, "attempt size",
     "the attempt is charged for more than GPUs × chargeable time × weight"},
    {SQL_VERIFY_ATTEMPT_OPEN, "attempt open", "an attempt never ended"},
    {SQL_VERIFY_ATTEMPT_EVENTS, "attempts", "the attempts are not those of the job's events"},
    {SQL_VERIFY_ENDED, "ended", "only a job that is over has an end"},
    {SQL_VERIFY_AUDIT, "audit", "GPU-time was granted or taken without an audit row"},
    {SQL_VERIFY_REPORT, "report", "the month's report would leave out charges"},
};

struct verify {
    struct db *db;
    verify_fn *on_fault;
    void *arg;
    struct verify_counts counts;
};

static void tell(struct verify *v, const struct verify_fault *fault)
{
    v->counts.faults++;
    v->on_fault(fault, v->arg);
}

static int run_check(struct verify *v, const struct check *check, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(v->db, check->id, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0)
        tell(v,
             &(struct verify_fault){check->name, db_rows_text(rows, 0), db_rows_text(rows, 1),
                                    db_rows_text(rows, 2), check->meaning});
    return r;
}

static int count(struct verify *v, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(v->db, SQL_VERIFY_COUNTS, DB_NO_ARGS, &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    v->counts.jobs = db_rows_i64(rows, 0);
    v->counts.transfers = db_rows_i64(rows, 1);
    return 0;
}

/* ---- states: the fold over the events, job by job as they stream by */

struct fold {
    int64_t job, stored_seq;
    char stored_state[16];
    enum job_state state;
    int64_t seq;    /* of the last event seen */
    bool is_broken; /* told already: an event that cannot follow, or a gap */
};

static void tell_job(struct verify *v, int64_t job, const char *check, const char *expected,
                     const char *found)
{
    static const char meaning[] =
        "a job is its events: they must follow one another without gaps, "
        "and lead to the stored state";
    char where[40];
    snprintf(where, sizeof(where), "job %lld", (long long)job);
    tell(v, &(struct verify_fault){check, where, expected, found, meaning});
}

static void fold_end(struct verify *v, const struct fold *f)
{
    char expected[48], found[48];
    if (!f->job || f->is_broken)
        return;
    if (strcmp(job_state_name(f->state), f->stored_state))
        tell_job(v, f->job, "state", job_state_name(f->state), f->stored_state);
    if (f->seq == f->stored_seq)
        return;
    snprintf(expected, sizeof(expected), "%lld events", (long long)f->stored_seq);
    snprintf(found, sizeof(found), "%lld", (long long)f->seq);
    tell_job(v, f->job, "events", expected, found);
}

static void fold_event(struct verify *v, struct fold *f, int64_t seq, const char *kind)
{
    char expected[64], found[64];
    enum job_event event;
    if (f->is_broken)
        return;
    if (seq != f->seq + 1) {
        snprintf(expected, sizeof(expected), "event %lld", (long long)f->seq + 1);
        snprintf(found, sizeof(found), "event %lld", (long long)seq);
        tell_job(v, f->job, "events", expected, found);
        f->is_broken = true;
        return;
    }
    enum job_state next = job_event_find(kind, &event) ? job_next(f->state, event) : JOB_NONE;
    if (next == JOB_NONE) {
        snprintf(expected, sizeof(expected), "a move from %s", job_state_name(f->state));
        snprintf(found, sizeof(found), "event %lld: %s", (long long)seq, kind);
        tell_job(v, f->job, "event order", expected, found);
        f->is_broken = true;
        return;
    }
    f->state = next;
    f->seq = seq;
}

static int run_events(struct verify *v, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct fold f = {0};
    int r = db_select(v->db, SQL_VERIFY_EVENTS, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0) {
        if (db_rows_i64(rows, 0) != f.job) {
            fold_end(v, &f);
            f = (struct fold){.job = db_rows_i64(rows, 0), .stored_seq = db_rows_i64(rows, 2)};
            snprintf(f.stored_state, sizeof(f.stored_state), "%s", db_rows_text(rows, 1));
        }
        if (!db_rows_is_null(rows, 3))
            fold_event(v, &f, db_rows_i64(rows, 3), db_rows_text(rows, 4));
    }
    if (r == 0)
        fold_end(v, &f);
    return r;
}

/* ---- the reports of the latest months, by the very code that prints them */

static int read_months(struct db *db, int months[2], struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_VERIFY_MONTHS, DB_NO_ARGS, &rows, e);
    for (int i = 0; r == 0 && i < 2 && (r = db_rows_next(rows, e)) > 0; i++, r = 0)
        months[i] = (int)db_rows_i64(rows, 0);
    return r;
}

static void tell_report(struct verify *v, int month, const struct report_sums *s)
{
    char where[32], expected[160], found[160];
    snprintf(where, sizeof(where), "month %04d-%02d", month / 100, month % 100);
    snprintf(expected, sizeof(expected), "ledger: charged %lld, refunded %lld",
             (long long)s->ledger_charged_gpums, (long long)s->ledger_refunded_gpums);
    snprintf(found, sizeof(found),
             "users: %lld, %lld; allocations: %lld, %lld, opening %lld, closing %lld",
             (long long)s->usage_charged_gpums, (long long)s->usage_refunded_gpums,
             (long long)s->charged_gpums, (long long)s->refunded_gpums,
             (long long)s->opening_gpums, (long long)s->closing_gpums);
    tell(v, &(struct verify_fault){"report", where, expected, found,
                                   "the month's report does not add up to the ledger"});
}

static int run_reports(struct verify *v, struct err *e)
{
    static const struct report_sink nowhere = {0};
    int months[2] = {0};
    int r = read_months(v->db, months, e);
    for (int i = 0; r == 0 && i < 2 && months[i]; i++) {
        struct report_sums sums;
        r = report_collect(v->db, months[i], &nowhere, &sums, e);
        if (r == 0 && !report_adds_up(&sums))
            tell_report(v, months[i], &sums);
    }
    return r;
}

int verify_run(struct db *db, verify_fn *on_fault, void *arg, struct verify_counts *out,
               struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    struct verify v = {.db = db, .on_fault = on_fault, .arg = arg};
    int r = db_tx_snapshot(db, &tx, e);
    if (r == 0)
        r = count(&v, e);
    for (size_t i = 0; r == 0 && i < COUNT(checks); i++)
        r = run_check(&v, &checks[i], e);
    if (r == 0)
        r = run_events(&v, e);
    if (r == 0)
        r = run_reports(&v, e);
    if (r == 0)
        *out = v.counts;
    return r;
}
