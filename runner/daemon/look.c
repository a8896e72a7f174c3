// SPDX-License-Identifier: Apache-2.0
/* Reads rows into copies. Blocks; runs on a worker. */
#include "runner/daemon/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static int priority_of(const char *name)
{
    return !strcmp(name, "urgent") ? 2 : !strcmp(name, "normal") ? 1 : 0;
}

static void read_attempt(const struct db_rows *rows, struct live_attempt *a)
{
    a->id = db_rows_i64(rows, 18);
    a->no = db_rows_i64(rows, 19);
    copy(a->token, sizeof(a->token), db_rows_text(rows, 20));
    exec_place_read(db_rows_text(rows, 21), &a->place);
    a->gpus = db_rows_i64(rows, 22);
    a->weight_permille = db_rows_i64(rows, 23);
    a->started_ms = db_rows_i64(rows, 24);
    copy(a->cause, sizeof(a->cause), db_rows_text(rows, 26));
    a->exit_code = db_rows_is_null(rows, 27) ? -1 : (int)db_rows_i64(rows, 27);
    a->signal_no = (int)db_rows_i64(rows, 28);
    copy(a->executor, sizeof(a->executor), db_rows_text(rows, 33));
    a->created_ms = db_rows_i64(rows, 34);
}

/* The columns of RUNNER_JOBS. */
static struct live *read_job(const struct db_rows *rows)
{
    struct live *j = xnew(struct live);
    j->id = db_rows_i64(rows, 0);
    j->seq = db_rows_i64(rows, 1);
    job_state_find(db_rows_text(rows, 2), &j->state);
    j->nodes = db_rows_i64(rows, 3);
    j->gpus_per_node = db_rows_i64(rows, 4);
    copy(j->gpu_type, sizeof(j->gpu_type), db_rows_text(rows, 5));
    j->priority = priority_of(db_rows_text(rows, 6));
    j->cpus = db_rows_i64(rows, 7);
    j->memory_bytes = db_rows_i64(rows, 8);
    j->time_limit_ms = db_rows_i64(rows, 9);
    j->weight_permille = db_rows_i64(rows, 10);
    copy(j->project, sizeof(j->project), db_rows_text(rows, 11));
    copy(j->account.name, sizeof(j->account.name), db_rows_text(rows, 12));
    j->account.uid = db_rows_i64(rows, 13);
    j->account.gid = db_rows_i64(rows, 14);
    copy(j->account.gids, sizeof(j->account.gids), db_rows_text(rows, 15));
    j->spent_ms = db_rows_i64(rows, 16);
    j->refusals = (int)db_rows_i64(rows, 17);
    j->person_id = db_rows_i64(rows, 29);
    j->project_id = db_rows_i64(rows, 30);
    j->tenant_id = db_rows_i64(rows, 31);
    copy(j->tenant, sizeof(j->tenant), db_rows_text(rows, 32));
    if (!db_rows_is_null(rows, 18) && job_state_has_attempt(j->state))
        read_attempt(rows, &j->attempt);
    return j;
}

static int read_jobs(struct db *db, struct look *look, enum job_state state, int64_t after)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_JOBS,
                      DB_ARGS(DB_STR(job_state_name(state)), DB_I64(after)), &rows, &look->why);
    while (r >= 0 && (r = db_rows_next(rows, &look->why)) > 0) {
        struct live *j = read_job(rows);
        j->next = look->jobs;
        look->jobs = j;
    }
    return r < 0 ? r : 0;
}

/* All jobs of a state with a larger number, page after page. */
static int read_all(struct db *db, struct look *look, enum job_state state, int64_t after)
{
    for (;;) {
        const struct live *before = look->jobs;
        int64_t last = after;
        int r = read_jobs(db, look, state, after);
        if (r < 0)
            return r;
        for (const struct live *j = look->jobs; j != before; j = j->next)
            last = j->id > last ? j->id : last;
        if (last == after)
            return 0;
        after = last;
    }
}

static struct look_request read_request(const struct db_rows *rows)
{
    enum job_state state = JOB_NONE;
    struct look_request r = {.id = db_rows_i64(rows, 0), .job = db_rows_i64(rows, 2)};
    job_state_find(db_rows_text(rows, 3), &state);
    r.kind = wish_kind_find(db_rows_text(rows, 1));
    r.is_over = job_state_is_final(state);
    r.time_limit_ms = db_rows_i64(rows, 4);
    copy(r.cause, sizeof(r.cause), db_rows_text(rows, 5));
    copy(r.reason, sizeof(r.reason), db_rows_text(rows, 6));
    return r;
}

static int read_request_page(struct db *db, struct look *look, int64_t after)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REQUESTS_OPEN, DB_ARGS(DB_I64(after)), &rows, &look->why);
    while (r >= 0 && (r = db_rows_next(rows, &look->why)) > 0) {
        size_t n = look->request_count++;
        look->requests = xgrow(look->requests, n + 1, sizeof(*look->requests));
        look->requests[n] = read_request(rows);
    }
    return r < 0 ? r : 0;
}

/* All that are open, page after page: those about jobs that were left alone stay open, however
 * many they are, and hide none that came later. */
static int read_requests(struct db *db, struct look *look)
{
    for (;;) {
        size_t before = look->request_count;
        int64_t last = before ? look->requests[before - 1].id : 0;
        int r = read_request_page(db, look, last);
        if (r < 0 || look->request_count == before)
            return r;
    }
}

static int read_rules(struct db *db, struct look *look)
{
    static const char *const scopes[] = {"everyone", "person", "project", "tenant"};
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_LIMITS, DB_NO_ARGS, &rows, &look->why);
    while (r >= 0 && (r = db_rows_next(rows, &look->why)) > 0) {
        size_t n = look->rule_count++, scope = 0;
        while (scope + 1 < COUNT(scopes) && strcmp(scopes[scope], db_rows_text(rows, 0)))
            scope++;
        look->rules = xgrow(look->rules, n + 1, sizeof(*look->rules));
        look->rules[n] = (struct cap_rule){(enum cap_scope)scope, db_rows_i64(rows, 1),
                                           db_rows_i64(rows, 2)};
    }
    return r < 0 ? r : 0;
}

static int write_node(struct db *db, struct look *look, const struct exec_node *n)
{
    return db_exec(db, SQL_NODE_SEEN,
                   DB_ARGS(DB_STR(n->name), DB_STR(look->executor), DB_STR(n->gpu_type),
                           DB_I64(n->gpus), DB_I64(n->cpus), DB_I64(n->memory_bytes),
                           DB_STR(n->enforced)),
                   NULL, &look->why);
}

static int write_back(struct db *db, struct look *look)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < look->wait_count; i++)
        r = db_exec(db, SQL_RUNNER_WAITS,
                    DB_ARGS(DB_STR(look->waits[i].reason), DB_I64(look->waits[i].job)), NULL,
                    &look->why);
    for (size_t i = 0; r == 0 && i < look->answer_count; i++)
        r = db_exec(db, SQL_REQUEST_ANSWER,
                    DB_ARGS(DB_STR(look->answers[i].is_done ? "done" : "refused"),
                            DB_STR(look->answers[i].note), DB_I64(look->answers[i].request)),
                    NULL, &look->why);
    for (size_t i = 0; r == 0 && i < look->node_count; i++)
        r = write_node(db, look, &look->nodes[i]);
    return r;
}

static int look_once(struct db *db, struct look *look)
{
    static const enum job_state with_attempt[] = {JOB_STARTING, JOB_RUNNING, JOB_SUSPENDING,
                                                  JOB_SUSPENDED, JOB_COMPLETING};
    int r = ledger_lease(db, look->holder, look->epoch, look->ttl_ms, &look->lease, &look->why);
    if (r < 0 || !look->lease.is_held || look->epoch == 0)
        return r;
    r = write_back(db, look);
    if (r == 0)
        r = read_requests(db, look); /* first: whom they are about is then among the jobs */
    if (r == 0)
        r = read_rules(db, look);
    for (size_t i = 0; r == 0 && look->is_first && i < COUNT(with_attempt); i++)
        r = read_all(db, look, with_attempt[i], 0);
    return r < 0 ? r : read_all(db, look, JOB_QUEUED, look->is_first ? 0 : look->after);
}

void look_run(struct db *db, struct look *look)
{
    look->status = look_once(db, look);
}

void look_free(struct look *look)
{
    if (!look)
        return;
    for (struct live *j = look->jobs, *next; j; j = next) {
        next = j->next;
        live_free(j);
    }
    free(look->nodes);
    free(look->requests);
    free(look->rules);
    free(look);
}

int look_account(struct db *db, int64_t job, int64_t person, struct live_account *out,
                 struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_RUNNER_ACCOUNT, DB_ARGS(DB_I64(job), DB_I64(person)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r <= 0)
        return r < 0 ? r : err_set(e, -ENOENT, "no account owns that");
    copy(out->name, sizeof(out->name), db_rows_text(rows, 0));
    out->uid = db_rows_i64(rows, 1);
    out->gid = db_rows_i64(rows, 2);
    copy(out->gids, sizeof(out->gids), db_rows_text(rows, 3));
    return 0;
}
