// SPDX-License-Identifier: Apache-2.0
/* quota/ledger.h over the model: what runnerd's procedures of quota/db/migrations/0002 do, one
 * transaction each. A fault comes before it or takes its answer away. */
#include "quota/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "tests/sim/model.h"
#include "tests/sim/rows.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

static int64_t now_of(const struct db *db)
{
    return sim_db_ms(db->model->sim);
}

static int prove(const struct db *db, int64_t epoch, struct err *e)
{
    return epoch == db->model->lease_epoch ? 0
                                           : err_set(e, -EPERM, "another runnerd is active");
}

/* month_find() */
static int find_month(const struct db *db, struct model_month **out, struct err *e)
{
    *out = model_month(db->model, now_of(db));
    return (*out)->is_closed ? err_set(e, -EAGAIN, "the month of now is closed") : 0;
}

/* The end of every transaction. */
static int commit(struct db *db, int r, struct err *e)
{
    model_prove(db->model);
    return r < 0 ? r : db_answer(db, e);
}

/* event_append(): 1 it is new, 0 it was there. */
static int append(struct db *db, const struct move_ask *ask, struct err *e)
{
    struct model_job *j = model_job(db->model, ask->job);
    if (j->seq == ask->seq - 1) {
        model_event(db->model, j, ask->event, ask->state, ask->attempt);
        return 1;
    }
    if (ask->seq >= 1 && ask->seq <= j->seq) {
        const struct model_event *old = &j->events[ask->seq - 1];
        if (old->kind == ask->event && old->attempt == ask->attempt)
            return 0;
    }
    return err_set(e, -EPERM, "job %lld has moved on", (long long)ask->job);
}

static int64_t clamp(int64_t at_ms, int64_t least, int64_t most)
{
    int64_t n = at_ms > least ? at_ms : least;
    return n < most ? n : most;
}

/* ---- the lease */

int ledger_lease(struct db *db, const char *holder, int64_t epoch, int64_t ttl_ms,
                 struct lease *out, struct err *e)
{
    struct model *m = db->model;
    int64_t now = now_of(db);
    int r = db_ask(db, e);
    if (r < 0)
        return r;
    bool is_ours = epoch ? epoch == m->lease_epoch
                         : m->lease_until_ms <= now || !strcmp(m->lease_holder, holder);
    if (is_ours) {
        m->lease_epoch += epoch == 0;
        m->lease_holder = holder;
        m->lease_until_ms = now + ttl_ms;
    }
    *out = (struct lease){is_ours, m->lease_epoch, is_ours ? 0 : m->lease_until_ms - now};
    if (is_ours && epoch == 0)
        sim_say(m->sim, "%s has the lease, epoch %lld", holder, (long long)m->lease_epoch);
    return db_answer(db, e);
}

/* ---- attempts */

static struct model_attempt *add_attempt(struct db *db, struct model_job *j,
                                         const struct attempt_ask *ask)
{
    struct model *m = db->model;
    struct model_attempt *a = xnew(struct model_attempt);
    *a = (struct model_attempt){.id = (int64_t)m->attempt_count + 1,
                                .no = (int64_t)j->attempt_count + 1,
                                .job = j->id,
                                .gpus = ask->gpus,
                                .weight_permille = ask->weight_permille,
                                .created_ms = now_of(db)};
    snprintf(a->token, sizeof(a->token), "%s", ask->token);
    snprintf(a->executor, sizeof(a->executor), "%s", ask->executor);
    snprintf(a->place, sizeof(a->place), "%s", ask->place);
    m->attempts = xgrow(m->attempts, m->attempt_count + 1, sizeof(struct model_attempt *));
    m->attempts[m->attempt_count++] = a;
    j->attempts = xgrow(j->attempts, j->attempt_count + 1, sizeof(int64_t));
    j->attempts[j->attempt_count++] = a->id;
    return a;
}

int ledger_attempt(struct db *db, int64_t epoch, const struct attempt_ask *ask,
                   struct attempt_made *out, struct err *e)
{
    struct model_job *j = model_job(db->model, ask->job);
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r < 0)
        return r;
    const struct model_attempt *a = model_attempt_of_token(db->model, ask->token);
    if (!a && (j->is_hold_lost || j->hold_gpums != model_posted(j, TRANSFER_HOLD, 0))) {
        *out = (struct attempt_made){0, 0};
        return db_answer(db, e);
    }
    if (!a) {
        struct move_ask move = {ask->job,
                                ask->seq,
                                (int64_t)db->model->attempt_count + 1,
                                EVENT_ATTEMPT,
                                JOB_STARTING,
                                0,
                                ""};
        r = append(db, &move, e);
        if (r < 0)
            return r;
        a = add_attempt(db, j, ask);
    }
    *out = (struct attempt_made){a->id, a->no};
    return commit(db, 0, e);
}

int ledger_move(struct db *db, int64_t epoch, const struct move_ask *ask, struct err *e)
{
    struct model_attempt *a = model_attempt(db->model, ask->attempt);
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r == 0)
        r = append(db, ask, e);
    if (r < 0)
        return r;
    int64_t at_ms = a ? clamp(ask->at_ms, a->created_ms, now_of(db)) : now_of(db);
    if (r > 0 && ask->event == EVENT_STARTED) {
        a->started_ms = at_ms;
    } else if (r > 0 && (ask->event == EVENT_NOT_STARTED || ask->event == EVENT_WITHDRAWN)) {
        a->is_over = true;
        a->ended_ms = at_ms;
        snprintf(a->cause, sizeof(a->cause), "%s", job_event_name(ask->event));
    }
    return commit(db, 0, e);
}

static void put_end(struct db *db, const struct move_ask *ask, const struct attempt_end *end)
{
    const struct model_job *j = model_job(db->model, ask->job);
    struct model_attempt *a = model_attempt(db->model, ask->attempt);
    int64_t posted = model_posted(j, TRANSFER_CHARGE, a->id),
            begin_ms = a->started_ms ? a->started_ms : a->created_ms;
    a->is_over = true;
    a->ended_ms = clamp(ask->at_ms, begin_ms, now_of(db));
    a->run_ms = end->run_ms;
    a->chargeable_ms = end->chargeable_ms;
    a->charge_gpums = end->charge_gpums > posted ? end->charge_gpums : posted;
    a->exit_code = end->exit_code;
    a->signal_no = end->signal_no;
    snprintf(a->cause, sizeof(a->cause), "%s", end->cause);
}

int ledger_end(struct db *db, int64_t epoch, const struct move_ask *ask,
               const struct attempt_end *end, struct err *e)
{
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r == 0)
        r = append(db, ask, e);
    if (r < 0)
        return r;
    if (r > 0)
        put_end(db, ask, end);
    return commit(db, 0, e);
}

/* ---- charges */

/* month_book() */
static int book(struct db *db, int month, struct err *e)
{
    struct model_month *now;
    const struct model_month *m = model_month_of(db->model, month);
    int r = find_month(db, &now, e);
    if (r < 0)
        return r;
    if (!m)
        return err_set(e, -EBADE, "a charge for a month not in the calendar");
    return m->from_ms > now_of(db) ? err_set(e, -EAGAIN, "a charge for a month not begun") : 0;
}

static bool is_posted(const struct model_job *j, enum model_transfer_kind kind, int64_t attempt,
                      int month)
{
    for (size_t i = 0; i < j->transfer_count; i++)
        if (j->transfers[i].kind == kind && j->transfers[i].attempt == attempt &&
            j->transfers[i].month == month)
            return true;
    return false;
}

static int64_t left_of(const struct model_job *j)
{
    return j->hold_gpums - j->charged_gpums;
}

static int put_charge(struct db *db, struct model_job *j, const struct charge_ask *ask,
                      int64_t gpums, struct err *e)
{
    if (!model_shift(db->model, j, BUCKET_HELD, BUCKET_USED, gpums))
        return err_set(e, -EBADE, "a job would move more than its budget holds");
    j->charged_gpums += gpums;
    model_post(db->model, j,
               &(struct model_transfer){TRANSFER_CHARGE, ask->attempt, gpums, ask->raw_gpums,
                                        ask->month});
    sim_say(db->model->sim, "job %lld: %lld charged for %d", (long long)j->id, (long long)gpums,
            ask->month);
    return 0;
}

int ledger_charge(struct db *db, int64_t epoch, const struct charge_ask *ask, struct err *e)
{
    const struct model_attempt *a = model_attempt(db->model, ask->attempt);
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r < 0)
        return r;
    struct model_job *j = model_job(db->model, a->job);
    struct charge_ask part = *ask;
    if (is_posted(j, TRANSFER_CHARGE, ask->attempt, ask->month))
        return db_answer(db, e);
    if (!a->is_over && part.gpums > left_of(j)) {
        part.raw_gpums = (int64_t)((__int128)part.raw_gpums * left_of(j) / part.gpums);
        part.gpums = left_of(j);
    }
    if (a->is_over && model_posted(j, TRANSFER_CHARGE, a->id) + part.gpums > a->charge_gpums)
        return err_set(e, -EBADE, "charge exceeds what the attempt used");
    if (part.gpums < 0 || part.gpums > left_of(j))
        return err_set(e, -EBADE, "charge exceeds the hold");
    if (part.gpums == 0)
        return db_answer(db, e);
    r = book(db, part.month, e);
    if (r == 0)
        r = put_charge(db, j, &part, part.gpums, e);
    return commit(db, r, e);
}

static int put_refund(struct db *db, struct model_job *j, int64_t attempt, int64_t gpums,
                      struct err *e)
{
    if (!model_shift(db->model, j, BUCKET_USED, BUCKET_HELD, gpums))
        return err_set(e, -EBADE, "a refund exceeds what was used");
    j->refunded_gpums += gpums;
    model_post(db->model, j, &(struct model_transfer){TRANSFER_REFUND, attempt, gpums, 0, 0});
    sim_say(db->model->sim, "job %lld: %lld given back", (long long)j->id, (long long)gpums);
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int ledger_refund(struct db *db, int64_t epoch, int64_t attempt, int64_t gpums,
                  const char *cause, struct err *e)
{
    const struct model_attempt *a = model_attempt(db->model, attempt);
    (void)cause;
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r < 0)
        return r;
    struct model_job *j = model_job(db->model, a->job);
    int64_t most = least(least(gpums, model_posted(j, TRANSFER_CHARGE, attempt)),
                         j->charged_gpums - j->refunded_gpums);
    if (!is_posted(j, TRANSFER_REFUND, attempt, 0) && most > 0)
        r = put_refund(db, j, attempt, most, e);
    return commit(db, r, e);
}

/* ---- the end of a job */

static int64_t due_of(const struct model *m, const struct model_job *j)
{
    int64_t due = 0;
    for (size_t i = 0; i < j->attempt_count; i++)
        due += model_attempt(m, j->attempts[i])->charge_gpums;
    return due;
}

static int put_release(struct db *db, struct model_job *j, struct err *e)
{
    int64_t rest = j->hold_gpums - j->charged_gpums + j->refunded_gpums;
    if (j->ended_ms)
        sim_wrong(db->model->sim, "job %lld: is settled twice", (long long)j->id);
    if (!model_shift(db->model, j, BUCKET_HELD, BUCKET_FREE, rest))
        return err_set(e, -EBADE, "a job would settle more than its budget holds");
    j->ended_ms = now_of(db);
    if (rest > 0)
        model_post(db->model, j, &(struct model_transfer){TRANSFER_RELEASE, 0, rest, 0, 0});
    if (rest > 0 && db->model->budgets[j->budget].until_ms <= j->ended_ms)
        model_expire(db->model, j, rest);
    return 0;
}

int ledger_finish(struct db *db, int64_t epoch, const struct move_ask *ask, int64_t exit_code,
                  struct err *e)
{
    struct model_job *j = model_job(db->model, ask->job);
    struct model_month *month;
    (void)exit_code;
    int r = db_ask(db, e);
    if (r == 0)
        r = find_month(db, &month, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r < 0)
        return r;
    if (due_of(db->model, j) != j->charged_gpums)
        return err_set(e, -EBUSY, "job %lld: a charge is missing", (long long)j->id);
    r = append(db, ask, e);
    return r <= 0 ? commit(db, r, e) : commit(db, put_release(db, j, e), e);
}

/* What job_settle() finds before it writes. 1: it was done before. */
static int may_settle(struct db *db, const struct settle_ask *ask, struct err *e)
{
    const struct model_job *j = model_job(db->model, ask->end.job);
    const struct move_ask *end = &ask->end;
    struct model_month *month;
    if (j->seq == end->seq + 1 && j->events[end->seq - 1].kind == EVENT_ENDED &&
        j->events[end->seq - 1].attempt == end->attempt &&
        j->events[end->seq].kind == ask->finish.event)
        return 1;
    if (j->seq != end->seq - 1)
        return err_set(e, -EPERM, "job %lld has moved on", (long long)j->id);
    int64_t posted = model_posted(j, TRANSFER_CHARGE, end->attempt), due = posted;
    if (ask->figures.charge_gpums > due)
        due = ask->figures.charge_gpums;
    if (j->charged_gpums - posted != due_of(db->model, j) || posted + ask->charge.gpums != due)
        return err_set(e, -EBUSY, "job %lld: a charge is missing", (long long)j->id);
    if (ask->charge.gpums < 0 || j->charged_gpums + ask->charge.gpums > j->hold_gpums)
        return err_set(e, -EBADE, "charge exceeds the hold");
    return ask->charge.gpums > 0 ? book(db, ask->charge.month, e) : find_month(db, &month, e);
}

static int settle(struct db *db, const struct settle_ask *ask, struct err *e)
{
    struct model_job *j = model_job(db->model, ask->end.job);
    int r = may_settle(db, ask, e);
    if (r != 0)
        return r < 0 ? r : 0;
    put_end(db, &ask->end, &ask->figures);
    r = append(db, &ask->end, e);
    if (r > 0 && ask->charge.gpums > 0)
        r = put_charge(db, j, &ask->charge, ask->charge.gpums, e);
    int64_t back = least(
        least(ask->refund_gpums, model_attempt(db->model, ask->end.attempt)->charge_gpums),
        j->charged_gpums - j->refunded_gpums);
    if (r >= 0 && ask->refund_cause && back > 0)
        r = put_refund(db, j, ask->end.attempt, back, e);
    if (r >= 0)
        r = append(db, &ask->finish, e);
    return r < 0 ? r : put_release(db, j, e);
}

int ledger_settle(struct db *db, int64_t epoch, const struct settle_ask *ask, struct err *e)
{
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    return r < 0 ? r : commit(db, settle(db, ask, e), e);
}

/* job_settle_many(): what it takes is what most are. */
static bool is_plain(struct db *db, const struct settle_ask *ask)
{
    const struct model_job *j = model_job(db->model, ask->end.job);
    const struct model_attempt *a = model_attempt(db->model, ask->end.attempt);
    return j->seq == ask->end.seq - 1 && !j->charged_gpums && !j->refunded_gpums &&
           a->no == 1 && ask->charge.gpums == ask->figures.charge_gpums &&
           ask->charge.gpums <= j->hold_gpums && !ask->refund_cause &&
           (!ask->charge.gpums ||
            ask->charge.month == model_month(db->model, now_of(db))->month) &&
           db->model->budgets[j->budget].until_ms > now_of(db);
}

int ledger_settle_many(struct db *db, int64_t epoch, const struct settle_ask *asks,
                       size_t count, bool *out_is_done, struct err *e)
{
    struct model_month *month;
    *out_is_done = false;
    int r = db_ask(db, e);
    if (r == 0)
        r = prove(db, epoch, e);
    if (r == 0)
        r = find_month(db, &month, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!is_plain(db, &asks[i]))
            return 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = settle(db, &asks[i], e);
    r = commit(db, r, e);
    *out_is_done = r == 0;
    return r;
}
