// SPDX-License-Identifier: Apache-2.0
/* Carries moves of jobs to the ledger. Blocks; runs on a worker. */
#include "runner/daemon/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "runner/daemon/bill.h"
#include "runner/daemon/step.h"

void journal_op_free(struct journal_op *op)
{
    if (!op)
        return;
    free(op->spec);
    free(op);
}

static int read_spec(struct db *db, struct journal_op *op)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_SPEC, DB_ARGS(DB_I64(op->job)), &rows, &op->why);
    if (r < 0)
        return r;
    r = db_rows_next(rows, &op->why);
    if (r <= 0)
        return r < 0
                   ? r
                   : err_set(&op->why, -EBADE, "job %lld: has no request", (long long)op->job);
    op->spec = xdup(db_rows_text(rows, 0));
    return 0;
}

/* The weight of the GPUs it really got, by the price of its submit time; never above the
 * hold's. */
static int real_weight(struct db *db, struct journal_op *op)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_WEIGHT, DB_ARGS(DB_STR(op->gpu_type), DB_I64(op->job)),
                      &rows, &op->why);
    if (r < 0)
        return r;
    r = db_rows_next(rows, &op->why);
    if (r > 0 && db_rows_i64(rows, 0) < op->weight_permille)
        op->weight_permille = db_rows_i64(rows, 0);
    return r < 0 ? r : 0;
}

static int run_attempt(struct db *db, struct journal_op *op)
{
    struct attempt_ask ask = {.job = op->job,
                              .seq = op->seq,
                              .token = op->token,
                              .executor = op->executor,
                              .place = op->place,
                              .gpus = op->gpus};
    struct attempt_made made = {0};
    int r = real_weight(db, op);
    if (r == 0)
        r = read_spec(db, op);
    ask.weight_permille = op->weight_permille;
    if (r == 0)
        r = ledger_attempt(db, op->epoch, &ask, &made, &op->why);
    op->attempt = made.id;
    op->attempt_no = made.no;
    if (r == 0 && made.id == 0)
        r = err_set(&op->why, -EBADE, "job %lld: has no hold; nothing is started",
                    (long long)op->job);
    return r;
}

static struct move_ask move_of(const struct journal_op *op)
{
    return (struct move_ask){op->job,   op->seq,   op->attempt, op->event,
                             op->state, op->at_ms, op->note};
}

/* What the attempt comes to. What was posted at a month's end did run, even where the executor
 * has forgotten it since. */
static int price_end(struct journal_op *op, struct bill *b, struct bill_attempt *a)
{
    int64_t posted_ms = bill_posted_ms(b, a);
    op->chargeable_ms = step_chargeable_ms(op->run_ms, op->limit_ms, op->spent_ms);
    if (op->chargeable_ms < posted_ms)
        op->chargeable_ms = posted_ms;
    if (op->run_ms < op->chargeable_ms)
        op->run_ms = op->chargeable_ms;
    a->is_over = true;
    a->end_ms = op->at_ms;
    a->chargeable_ms = op->chargeable_ms;
    snprintf(a->cause, sizeof(a->cause), "%s", op->cause);
    int r = price_gpums(op->gpus, op->chargeable_ms, op->weight_permille, &a->charge_gpums);
    return r < 0 ? err_set(&op->why, r, "job %lld: its charge does not fit", (long long)op->job)
                 : 0;
}

static struct attempt_end figures_of(const struct journal_op *op, const struct bill_attempt *a)
{
    return (struct attempt_end){.run_ms = op->run_ms,
                                .chargeable_ms = op->chargeable_ms,
                                .charge_gpums = a->charge_gpums,
                                .sampled_gpums = op->sampled_gpums,
                                .idle_gpums = op->idle_gpums,
                                .cause = op->cause,
                                .exit_code = op->exit_code,
                                .signal_no = op->signal_no};
}

/* Whether at most one charge is missing, and that is the attempt's: *out has it then. */
static int find_charge(struct db *db, struct journal_op *op, const struct bill *b,
                       struct charge_ask *out, bool *out_is_one)
{
    struct charge_part parts[CHARGE_MONTHS_MAX];
    int missing = 0, r = 0;
    *out = (struct charge_ask){.attempt = op->attempt};
    *out_is_one = true;
    for (size_t i = 0; r == 0 && i < b->attempt_count; i++) {
        const struct bill_attempt *a = &b->attempts[i];
        int count = 0;
        r = bill_rest(db, b, a, parts, &count, &op->why);
        missing += count;
        if (count > 0 && a->id != op->attempt)
            *out_is_one = false;
        else if (count > 0)
            *out =
                (struct charge_ask){a->id, parts[0].month, parts[0].gpums, parts[0].raw_gpums};
    }
    *out_is_one = *out_is_one && missing <= 1;
    return r;
}

static struct settle_ask settle_ask_of(const struct journal_op *op, const struct bill *b,
                                       const struct bill_attempt *a,
                                       const struct charge_ask *charge)
{
    struct settle_ask ask = {.end = move_of(op),
                             .figures = figures_of(op, a),
                             .charge = *charge,
                             .finish = {.job = op->job,
                                        .seq = op->seq + 1,
                                        .event = op->last_event,
                                        .state = op->last_state,
                                        .at_ms = op->at_ms,
                                        .note = op->last_note},
                             .exit_code = op->exit_code};
    ask.refund_gpums = bill_refund(b, a, op->rules, &ask.refund_cause);
    return ask;
}

/* What an attempt's end is to write: its end alone, or with it all the rest in *out_settle. */
struct ending {
    struct attempt_end figures;
    struct settle_ask settle;
    bool is_settle;
};

/* Reads what an end needs to know and writes nothing. */
static int prepare_end(struct db *db, struct journal_op *op, struct ending *out)
{
    AUTO(bill_done) struct bill bill = {0};
    struct bill_attempt *a;
    struct charge_ask charge;
    bool is_one;
    int r = bill_read(db, op->job, &bill, &op->why);
    if (r == 0)
        r = bill_find(&bill, op->attempt, &a, &op->why);
    if (r == 0)
        r = price_end(op, &bill, a);
    if (r == 0)
        r = find_charge(db, op, &bill, &charge, &is_one);
    if (r < 0)
        return r;
    out->figures = figures_of(op, a);
    out->is_settle = is_one && op->event == EVENT_ENDED && op->last_state != JOB_NONE;
    if (out->is_settle)
        out->settle = settle_ask_of(op, &bill, a, &charge);
    return 0;
}

static int write_end(struct db *db, struct journal_op *op, const struct ending *end)
{
    if (end->is_settle) {
        int r = ledger_settle(db, op->epoch, &end->settle, &op->why);
        op->is_settled = r == 0;
        return r;
    }
    struct move_ask move = move_of(op);
    return ledger_end(db, op->epoch, &move, &end->figures, &op->why);
}

static int run_end(struct db *db, struct journal_op *op)
{
    struct ending end;
    int r = prepare_end(db, op, &end);
    return r < 0 ? r : write_end(db, op, &end);
}

static int post(struct db *db, struct journal_op *op, int64_t attempt,
                const struct charge_part *parts, int count)
{
    int r = 0;
    for (int i = 0; r == 0 && i < count; i++)
        r = ledger_charge(
            db, op->epoch,
            &(struct charge_ask){attempt, parts[i].month, parts[i].gpums, parts[i].raw_gpums},
            &op->why);
    return r;
}

static int post_attempt(struct db *db, struct journal_op *op, const struct bill *b,
                        const struct bill_attempt *a)
{
    struct charge_part parts[CHARGE_MONTHS_MAX];
    const char *cause;
    int count, r = bill_rest(db, b, a, parts, &count, &op->why);
    if (r == 0)
        r = post(db, op, a->id, parts, count);
    int64_t refund = bill_refund(b, a, op->rules, &cause);
    if (r == 0 && cause)
        r = ledger_refund(db, op->epoch, a->id, refund, cause, &op->why);
    return r;
}

static int run_finish(struct db *db, struct journal_op *op)
{
    AUTO(bill_done) struct bill bill = {0};
    struct move_ask move = move_of(op);
    int r = bill_read(db, op->job, &bill, &op->why);
    for (size_t i = 0; r == 0 && i < bill.attempt_count; i++)
        if (bill.attempts[i].is_over)
            r = post_attempt(db, op, &bill, &bill.attempts[i]);
    return r < 0 ? r : ledger_finish(db, op->epoch, &move, op->exit_code, &op->why);
}

/* The months that are over for an attempt that goes on; by both clocks, the keeper's and the
 * database's. */
static int run_charge(struct db *db, struct journal_op *op)
{
    AUTO(bill_done) struct bill bill = {0};
    struct bill_attempt *a;
    struct charge_months months = {0};
    struct charge_part parts[CHARGE_MONTHS_MAX];
    int r = bill_read(db, op->job, &bill, &op->why);
    if (r == 0)
        r = bill_find(&bill, op->attempt, &a, &op->why);
    int64_t at_ms = op->at_ms < bill.read_ms ? op->at_ms : bill.read_ms;
    if (r == 0)
        r = bill_months(db, &bill, a, at_ms, &months, &op->why);
    if (r < 0)
        return r;
    struct charge_meter meter = {op->gpus, op->weight_permille,        a->begin_ms, op->run_ms,
                                 at_ms,    op->limit_ms - op->spent_ms};
    return post(db, op, a->id, parts, charge_past(&meter, &months, parts));
}

static int run(struct db *db, struct journal_op *op)
{
    struct move_ask move = move_of(op);
    switch (op->kind) {
    case JOURNAL_ATTEMPT:
        return run_attempt(db, op);
    case JOURNAL_MOVE:
        return ledger_move(db, op->epoch, &move, &op->why);
    case JOURNAL_END:
        return run_end(db, op);
    case JOURNAL_FINISH:
        return run_finish(db, op);
    case JOURNAL_CHARGE:
        return run_charge(db, op);
    case JOURNAL_READ:
        return read_spec(db, op);
    }
    return -EINVAL;
}

static void note_status(struct journal_op *op, int r)
{
    /* A charge that is missing after all were posted, a key that something else has: each
     * repeat would find the same. */
    bool is_damage = r == -EBUSY || r == -EEXIST;
    op->status = is_damage ? -EBADE : r;
}

void journal_run(struct db *db, struct journal_op *op)
{
    note_status(op, run(db, op));
}

/* All of them in one transaction. False: each is still to be written; what is wrong with one of
 * them, or with the database, it will say itself. */
static bool settle_together(struct db *db, struct journal_op *const *ops,
                            const struct ending *ends, size_t count)
{
    struct settle_ask asks[SETTLE_MANY_MAX];
    bool is_done = false;
    struct err why;
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->epoch != ops[0]->epoch)
            return false;
        asks[i] = ends[i].settle;
    }
    return count > 1 &&
           ledger_settle_many(db, ops[0]->epoch, asks, count, &is_done, &why) == 0 && is_done;
}

void journal_run_ends(struct db *db, struct journal_op *const *ops, size_t count)
{
    struct journal_op *settling[SETTLE_MANY_MAX] = {NULL};
    struct ending *ends = xnew_array(struct ending, count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        int r = prepare_end(db, ops[i], &ends[n]);
        if (r == 0 && ends[n].is_settle)
            settling[n++] = ops[i];
        else
            note_status(ops[i], r < 0 ? r : write_end(db, ops[i], &ends[n]));
    }
    bool is_done = settle_together(db, settling, ends, n);
    for (size_t i = 0; i < n; i++) {
        settling[i]->is_settled = is_done;
        note_status(settling[i], is_done ? 0 : write_end(db, settling[i], &ends[i]));
    }
    free(ends);
}
