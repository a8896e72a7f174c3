// SPDX-License-Identifier: Apache-2.0
/* Calls the ledger's procedures and reads their one row. Every call is repeated whole while the
 * database says that repeating may help; the keys see to it that a repeat changes nothing
 * twice. */
#include "quota/ledger.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "quota/answer.h"
#include "runner/base/jget.h"

enum { EXPIRE_PAGE = 256 };

int ledger_lease(struct db *db, const char *holder, int64_t epoch, int64_t ttl_ms,
                 struct lease *out, struct err *e)
{
    struct answer a;
    int r = answer_call_once(db, SQL_LEASE_TAKE,
                             DB_ARGS(DB_STR(holder), DB_I64(epoch), DB_I64(ttl_ms)), &a,
                             e); /* not repeated: a late answer is worth nothing */
    if (r == 0)
        *out = (struct lease){!strcmp(a.outcome, "held"), a.numbers[0], a.numbers[1]};
    return r;
}

int ledger_attempt(struct db *db, int64_t epoch, const struct attempt_ask *ask,
                   struct attempt_made *out, struct err *e)
{
    struct answer a;
    int r = answer_call(db, SQL_ATTEMPT_CREATE,
                        DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                                DB_STR(ask->token), DB_STR(ask->executor), DB_STR(ask->place),
                                DB_I64(ask->gpus), DB_I64(ask->weight_permille)),
                        &a, e);
    if (r == 0)
        *out = (struct attempt_made){a.numbers[0], a.numbers[1]};
    return r;
}

int ledger_move(struct db *db, int64_t epoch, const struct move_ask *ask, struct err *e)
{
    struct answer a;
    return answer_call(db, SQL_JOB_MOVE,
                       DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                               DB_STR(job_event_name(ask->event)),
                               DB_STR(job_state_name(ask->state)), DB_I64_OR_NULL(ask->attempt),
                               DB_I64(ask->at_ms), DB_STR(ask->note)),
                       &a, e);
}

static struct db_value exit_value(int64_t exit_code)
{
    return exit_code < 0 ? DB_NULL : DB_I64(exit_code);
}

int ledger_end(struct db *db, int64_t epoch, const struct move_ask *ask,
               const struct attempt_end *end, struct err *e)
{
    struct answer a;
    return answer_call(
        db, SQL_ATTEMPT_END,
        DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                DB_STR(job_event_name(ask->event)), DB_STR(job_state_name(ask->state)),
                DB_I64(ask->attempt), DB_I64(ask->at_ms), DB_I64(end->run_ms),
                DB_I64(end->chargeable_ms), DB_I64(end->charge_gpums),
                DB_I64(end->sampled_gpums), DB_I64(end->idle_gpums), DB_STR(end->cause),
                exit_value(end->exit_code), DB_I64_OR_NULL(end->signal_no), DB_STR(ask->note)),
        &a, e);
}

int ledger_charge(struct db *db, int64_t epoch, const struct charge_ask *ask, struct err *e)
{
    struct answer a;
    return answer_call(db, SQL_CHARGE_POST,
                       DB_ARGS(DB_I64(epoch), DB_I64(ask->attempt), DB_I64(ask->month),
                               DB_I64(ask->gpums), DB_I64(ask->raw_gpums)),
                       &a, e);
}

int ledger_refund(struct db *db, int64_t epoch, int64_t attempt, int64_t gpums,
                  const char *cause, struct err *e)
{
    struct answer a;
    return answer_call(db, SQL_ATTEMPT_REFUND,
                       DB_ARGS(DB_I64(epoch), DB_I64(attempt), DB_I64(gpums), DB_STR(cause)),
                       &a, e);
}

static int check_charged(const struct answer *a, int64_t job, struct err *e)
{
    if (!strcmp(a->outcome, "ok"))
        return 0;
    return err_set(e, -EBUSY, "job %lld: a charge is missing", (long long)job);
}

int ledger_finish(struct db *db, int64_t epoch, const struct move_ask *ask, int64_t exit_code,
                  struct err *e)
{
    struct answer a;
    int r = answer_call(db, SQL_JOB_FINISH,
                        DB_ARGS(DB_I64(epoch), DB_I64(ask->job), DB_I64(ask->seq),
                                DB_STR(job_event_name(ask->event)),
                                DB_STR(job_state_name(ask->state)), exit_value(exit_code),
                                DB_STR(ask->note)),
                        &a, e);
    return r < 0 ? r : check_charged(&a, ask->job, e);
}

int ledger_settle(struct db *db, int64_t epoch, const struct settle_ask *ask, struct err *e)
{
    const struct move_ask *end = &ask->end, *finish = &ask->finish;
    const struct attempt_end *f = &ask->figures;
    const struct charge_ask *c = &ask->charge;
    struct answer a;
    assert(finish->seq == end->seq + 1);
    int r = answer_call(
        db, SQL_JOB_SETTLE,
        DB_ARGS(DB_I64(epoch), DB_I64(end->job), DB_I64(end->attempt), DB_I64(end->seq),
                DB_I64(end->at_ms), DB_I64(f->run_ms), DB_I64(f->chargeable_ms),
                DB_I64(f->charge_gpums), DB_I64(f->sampled_gpums), DB_I64(f->idle_gpums),
                DB_STR(f->cause), exit_value(f->exit_code), DB_I64_OR_NULL(f->signal_no),
                DB_STR(end->note), DB_I64(c->month), DB_I64(c->gpums), DB_I64(c->raw_gpums),
                DB_STR(ask->refund_cause), DB_I64(ask->refund_gpums),
                DB_STR(job_event_name(finish->event)), DB_STR(job_state_name(finish->state)),
                exit_value(ask->exit_code), DB_STR(finish->note)),
        &a, e);
    return r < 0 ? r : check_charged(&a, end->job, e);
}

static json_t *or_null(bool is_there, int64_t value)
{
    return is_there ? json_integer((json_int_t)value) : json_null();
}

/* One ask as job_settle_many() reads it. */
static json_t *settle_json(const struct settle_ask *ask)
{
    const struct move_ask *end = &ask->end, *finish = &ask->finish;
    const struct attempt_end *f = &ask->figures;
    const struct charge_ask *c = &ask->charge;
    return json_pack(
        "{sI sI sI sI sI sI sI sI sI ss so so ss si sI sI ss ss so ss}", "job",
        (json_int_t)end->job, "attempt", (json_int_t)end->attempt, "seq", (json_int_t)end->seq,
        "ended_ms", (json_int_t)end->at_ms, "run_ms", (json_int_t)f->run_ms, "chargeable_ms",
        (json_int_t)f->chargeable_ms, "charge_gpums", (json_int_t)f->charge_gpums,
        "sampled_gpums", (json_int_t)f->sampled_gpums, "idle_gpums", (json_int_t)f->idle_gpums,
        "cause", f->cause, "exit_code", or_null(f->exit_code >= 0, f->exit_code), "signal_no",
        or_null(f->signal_no != 0, f->signal_no), "note", end->note, "month", c->month, "gpums",
        (json_int_t)c->gpums, "raw_gpums", (json_int_t)c->raw_gpums, "kind",
        job_event_name(finish->event), "state", job_state_name(finish->state), "job_exit",
        or_null(ask->exit_code >= 0, ask->exit_code), "outcome", finish->note);
}

int ledger_settle_many(struct db *db, int64_t epoch, const struct settle_ask *asks,
                       size_t count, bool *out_is_done, struct err *e)
{
    AUTO(json_freep) json_t *all = json_array();
    struct answer a;
    assert(count <= SETTLE_MANY_MAX);
    *out_is_done = false;
    for (size_t i = 0; i < count; i++) {
        if (asks[i].refund_cause)
            return 0;
        json_array_append_new(all, settle_json(&asks[i]));
    }
    AUTO(cleanup_free) char *text = json_dumps(all, JSON_COMPACT);
    if (!text || json_array_size(all) != count) /* a note that is no text */
        return 0;
    int r = answer_call(db, SQL_JOB_SETTLE_MANY, DB_ARGS(DB_I64(epoch), DB_STR(text)), &a, e);
    *out_is_done = r == 0 && !strcmp(a.outcome, "ok");
    return r;
}

/* The next allocations after one whose term is over and that have something free; returns how
 * many. */
static int read_expirable(struct db *db, int64_t after, int64_t out_ids[EXPIRE_PAGE],
                          struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int n = 0;
    int r = db_select(db, SQL_EXPIRABLE, DB_ARGS(DB_I64(after), DB_I64(EXPIRE_PAGE)), &rows, e);
    while (r >= 0 && n < EXPIRE_PAGE && (r = db_rows_next(rows, e)) > 0)
        out_ids[n++] = db_rows_i64(rows, 0);
    return r < 0 ? r : n;
}

/* What is wrong with one allocation is counted, and the first is told; an error is what is wrong
 * for all of them. Patience is had until the first that fails: the others may wait for the same
 * thing, and their next turn comes soon. */
static int expire_one(struct db *db, int64_t epoch, int64_t allocation,
                      struct ledger_expired *out, struct err *e)
{
    struct answer a;
    struct err why = {""};
    struct db_args args = DB_ARGS(DB_I64(epoch), DB_I64(allocation));
    int r = out->failed ? answer_call_once(db, SQL_ALLOCATION_EXPIRE, args, &a, &why)
                        : answer_call(db, SQL_ALLOCATION_EXPIRE, args, &a, &why);
    if (r == -ENOTCONN || r == -EPERM)
        return err_set(e, r, "%s", why.text);
    if (r < 0 && out->failed++ == 0)
        err_set(&out->why, r, "allocation %lld: %s", (long long)allocation, why.text);
    out->done += r == 0 && !strcmp(a.outcome, "done");
    return 0;
}

int ledger_expire(struct db *db, int64_t epoch, struct ledger_expired *out, struct err *e)
{
    int64_t ids[EXPIRE_PAGE], after = 0;
    int count;
    *out = (struct ledger_expired){0};
    do {
        count = read_expirable(db, after, ids, e);
        for (int i = 0; i < count; i++) {
            int r = expire_one(db, epoch, ids[i], out, e);
            if (r < 0)
                return r;
            after = ids[i];
        }
    } while (count == EXPIRE_PAGE);
    return count < 0 ? count : 0;
}
