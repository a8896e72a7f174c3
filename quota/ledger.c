// SPDX-License-Identifier: Apache-2.0
/* Calls the ledger's procedures and reads their one row. Every call is repeated whole while the
 * database says that repeating may help; the keys see to it that a repeat changes nothing
 * twice. */
#include "quota/ledger.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "quota/answer.h"

enum { EXPIRE_MAX = 256 };

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

/* The allocations whose term is over and that have something free, at most EXPIRE_MAX. */
static int read_expirable(struct db *db, int limit, int64_t *out_ids, int *out_count,
                          struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int n = 0, r = db_select(db, SQL_EXPIRABLE, DB_ARGS(DB_I64(limit)), &rows, e);
    while (r == 0 && n < limit && (r = db_rows_next(rows, e)) > 0) {
        out_ids[n++] = db_rows_i64(rows, 0);
        r = 0;
    }
    *out_count = n;
    return r;
}

int ledger_expire(struct db *db, int64_t epoch, int limit, int *out_count, struct err *e)
{
    int64_t ids[EXPIRE_MAX];
    struct answer a;
    int count, done = 0;
    int r = read_expirable(db, limit < EXPIRE_MAX ? limit : EXPIRE_MAX, ids, &count, e);
    for (int i = 0; r == 0 && i < count; i++) {
        r = answer_call(db, SQL_ALLOCATION_EXPIRE, DB_ARGS(DB_I64(epoch), DB_I64(ids[i])), &a,
                        e);
        done += r == 0 && !strcmp(a.outcome, "done");
    }
    if (r == 0)
        *out_count = done;
    return r;
}
