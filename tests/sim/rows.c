// SPDX-License-Identifier: Apache-2.0
/* Rows are made one by one while they are read. */
#include "tests/sim/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "tests/sim/model.h"
#include "tests/sim/sim.h"

enum { COLUMNS = 35, STATEMENTS_MOST = 8 };

struct cell {
    int64_t number;
    const char *text;
    bool is_null;
};

struct db_rows {
    struct db *db;
    enum sql id;
    int64_t args[2];
    enum job_state state;
    const char *text;
    size_t at;
    struct cell cells[COLUMNS];
};

/* ---- faults */

void db_plan_fault(struct db *db, struct sim *s)
{
    if (s->db_away_until_ms > s->now_ms) {
        db->fault = DB_GONE;
        return;
    }
    if (!sim_fault(s, 60))
        return;
    db->fault = (enum db_fault)chance_between(&s->chance, DB_BEFORE, DB_DEADLOCK);
    db->fault_in = (int)chance_between(&s->chance, 0, STATEMENTS_MOST);
}

void db_break_somewhere(struct db *db, struct sim *s)
{
    db->fault = DB_BEFORE;
    db->fault_in = (int)chance_between(&s->chance, 1, STATEMENTS_MOST);
}

static int gone(struct err *e)
{
    return err_set(e, -ENOTCONN, "database: the connection is gone");
}

int db_ask(struct db *db, struct err *e)
{
    if (db->fault == DB_GONE)
        return gone(e);
    if (db->fault == DB_FINE || db->fault == DB_AFTER || db->fault_in-- > 0)
        return 0;
    enum db_fault fault = db->fault;
    db->fault = fault == DB_BEFORE ? DB_GONE : DB_FINE;
    sim_say(db->model->sim, "a statement fails: %s",
            fault == DB_BEFORE ? "not carried out" : "deadlock");
    return fault == DB_BEFORE ? gone(e) : err_set(e, -EAGAIN, "deadlock");
}

int db_answer(struct db *db, struct err *e)
{
    if (db->fault != DB_AFTER || db->fault_in-- > 0)
        return 0;
    db->fault = DB_GONE;
    sim_say(db->model->sim, "a statement fails: carried out, its answer is lost");
    return gone(e);
}

/* ---- one row of each statement */

static void put(struct db_rows *rows, int column, int64_t number)
{
    rows->cells[column] = (struct cell){number, "", false};
}

static void put_text(struct db_rows *rows, int column, const char *text)
{
    rows->cells[column] = (struct cell){0, text, false};
}

static void put_null(struct db_rows *rows, int column)
{
    rows->cells[column] = (struct cell){0, "", true};
}

static void put_attempt(struct db_rows *rows, const struct model *m, const struct model_job *j)
{
    int64_t spent_ms = 0, refusals = 0;
    const struct model_attempt *a = NULL;
    for (size_t i = 0; i < j->attempt_count; i++) {
        a = model_attempt(m, j->attempts[i]);
        spent_ms += a->chargeable_ms;
        refusals += !strcmp(a->cause, "not_started");
    }
    put(rows, 16, spent_ms);
    put(rows, 17, refusals);
    for (int i = 18; i < COLUMNS; i++)
        put_null(rows, i);
    if (!a)
        return;
    put(rows, 18, a->id);
    put(rows, 19, a->no);
    put_text(rows, 20, a->token);
    put_text(rows, 21, a->place);
    put(rows, 22, a->gpus);
    put(rows, 23, a->weight_permille);
    put(rows, 24, a->started_ms);
    put_text(rows, 26, a->cause);
    if (a->is_over && a->exit_code >= 0)
        put(rows, 27, a->exit_code);
    put(rows, 28, a->signal_no);
    put_text(rows, 33, a->executor);
    put(rows, 34, a->created_ms);
}

static bool next_job(struct db_rows *rows)
{
    const struct model *m = rows->db->model;
    const struct model_job *j = NULL;
    while (rows->at < m->job_count && !j) {
        j = m->jobs[rows->at++];
        if (j->state != rows->state || j->ended_ms || j->id <= rows->args[1])
            j = NULL;
    }
    if (!j)
        return false;
    put(rows, 0, j->id);
    put(rows, 1, j->seq);
    put_text(rows, 2, job_state_name(j->state));
    put(rows, 3, j->nodes);
    put(rows, 4, j->gpus_per_node);
    put_text(rows, 5, j->gpu_type);
    put_text(rows, 6, j->priority);
    put(rows, 7, 1);
    put(rows, 8, 0);
    put(rows, 9, j->time_limit_ms);
    put(rows, 10, j->weight_permille);
    put_text(rows, 11, "project");
    put_text(rows, 12, "somebody");
    put(rows, 13, 5000 + j->id % 3);
    put(rows, 14, 5000);
    put_text(rows, 15, "5000 5001");
    put_attempt(rows, m, j);
    put(rows, 29, 1 + j->id % 3);
    put(rows, 30, 1 + j->budget);
    put(rows, 31, 1);
    put_text(rows, 32, "tenant");
    return true;
}

static bool next_request(struct db_rows *rows)
{
    struct model *m = rows->db->model;
    while (m->first_open < m->request_count && m->requests[m->first_open].is_answered)
        m->first_open++;
    if (rows->at < m->first_open)
        rows->at = m->first_open;
    while (rows->at < m->request_count) {
        static const char *const kinds[] = {"cancel", "extend", "release", "reconcile"};
        const struct model_request *r = &m->requests[rows->at++];
        const struct model_job *j = model_job(m, r->job);
        if (r->is_answered || r->id <= rows->args[0])
            continue;
        put(rows, 0, r->id);
        put_text(rows, 1, kinds[r->kind]);
        put(rows, 2, r->job);
        put_text(rows, 3, job_state_name(j->state));
        put(rows, 4, j->time_limit_ms);
        put_text(rows, 5, r->cause);
        put_text(rows, 6, "because");
        return true;
    }
    return false;
}

static bool next_bill(struct db_rows *rows)
{
    const struct model *m = rows->db->model;
    const struct model_job *j = model_job(m, rows->args[0]);
    if (rows->at >= j->attempt_count)
        return false;
    const struct model_attempt *a = model_attempt(m, j->attempts[rows->at++]);
    put(rows, 0, a->id);
    put(rows, 1, a->gpus);
    put(rows, 2, a->weight_permille);
    put(rows, 3, a->started_ms ? a->started_ms : a->created_ms);
    put(rows, 4, a->ended_ms);
    rows->cells[4].is_null = !a->is_over;
    put(rows, 5, a->chargeable_ms);
    put(rows, 6, a->charge_gpums);
    put_text(rows, 7, a->cause);
    put(rows, 8, j->has_checkpoint);
    put(rows, 9, j->interval_ms);
    put(rows, 10, sim_db_ms(m->sim));
    return true;
}

static bool next_posted(struct db_rows *rows)
{
    const struct model_job *j = model_job(rows->db->model, rows->args[0]);
    while (rows->at < j->transfer_count) {
        const struct model_transfer *t = &j->transfers[rows->at++];
        if (t->kind != TRANSFER_CHARGE)
            continue;
        put(rows, 0, t->attempt);
        put(rows, 1, t->month);
        put(rows, 2, t->gpums);
        put(rows, 3, t->raw_gpums);
        return true;
    }
    return false;
}

static bool next_month(struct db_rows *rows)
{
    const struct model *m = rows->db->model;
    while (rows->at < MODEL_MONTHS) {
        const struct model_month *month = &m->months[rows->at++];
        if (month->until_ms <= rows->args[0] || month->from_ms >= rows->args[1])
            continue;
        put(rows, 0, month->month);
        put(rows, 1, month->from_ms);
        put(rows, 2, month->until_ms);
        put(rows, 3, month->is_closed);
        return true;
    }
    return false;
}

static bool next_limit(struct db_rows *rows)
{
    if (rows->at++ > 0 || rows->db->model->sim->seed % 3)
        return false;
    put_text(rows, 0, "person"); /* the second of three may have no more at once */
    put(rows, 1, 2);
    put(rows, 2, 8);
    return true;
}

static bool next_single(struct db_rows *rows)
{
    const struct model_job *j = model_job(rows->db->model, rows->args[0]);
    if (rows->at++ > 0)
        return false;
    if (rows->id == SQL_RUNNER_SPEC)
        put_text(rows, 0, j->spec);
    else
        put(rows, 0, !strcmp(rows->text, "h100") ? 2500 : 1000);
    return true;
}

/* ---- quota/db/db.h */

struct db_value db_text(const char *text)
{
    return text ? (struct db_value){DB_TYPE_TEXT, 0, text, strlen(text)} : DB_NULL;
}

int db_select(struct db *db, enum sql id, struct db_args args, struct db_rows **out,
              struct err *e)
{
    int r = db_ask(db, e);
    if (r < 0)
        return r;
    struct db_rows *rows = xnew(struct db_rows);
    rows->db = db;
    rows->id = id;
    rows->text = "";
    for (size_t i = 0; i < args.count && i < COUNT(rows->args); i++) {
        rows->args[i] = args.values[i].i64;
        if (args.values[i].type == DB_TYPE_TEXT)
            rows->text = args.values[i].text;
    }
    job_state_find(rows->text, &rows->state);
    *out = rows;
    return 0;
}

int db_rows_next(struct db_rows *rows, struct err *e)
{
    (void)e;
    switch (rows->id) {
    case SQL_RUNNER_JOBS:
        return next_job(rows);
    case SQL_REQUESTS_OPEN:
        return next_request(rows);
    case SQL_RUNNER_BILL:
        return next_bill(rows);
    case SQL_RUNNER_POSTED:
        return next_posted(rows);
    case SQL_MONTHS:
        return next_month(rows);
    case SQL_RUNNER_LIMITS:
        return next_limit(rows);
    case SQL_RUNNER_SPEC:
    case SQL_RUNNER_WEIGHT:
        return next_single(rows);
    default:
        sim_wrong(rows->db->model->sim, "statement %d is not known here", rows->id);
        return 0;
    }
}

int db_exec(struct db *db, enum sql id, struct db_args args, uint64_t *out_changed,
            struct err *e)
{
    struct model *m = db->model;
    (void)out_changed;
    int r = db_ask(db, e);
    if (r < 0)
        return r;
    if (id == SQL_REQUEST_ANSWER) {
        struct model_request *q = &m->requests[args.values[2].i64 - 1];
        q->is_answered = true;
        sim_say(m->sim, "request %lld: %s: %s", (long long)q->id, args.values[0].text,
                args.values[1].text);
    }
    return db_answer(db, e);
}

int64_t db_rows_i64(const struct db_rows *rows, unsigned column)
{
    return rows->cells[column].is_null ? 0 : rows->cells[column].number;
}

const char *db_rows_text(const struct db_rows *rows, unsigned column)
{
    return rows->cells[column].is_null ? "" : rows->cells[column].text;
}

bool db_rows_is_null(const struct db_rows *rows, unsigned column)
{
    return rows->cells[column].is_null;
}

void db_rows_free(struct db_rows *rows)
{
    free(rows);
}
