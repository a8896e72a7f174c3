// SPDX-License-Identifier: Apache-2.0
/* Jobs: placed, listed, shown, cancelled. Placing is one hop to a worker and two statements:
 * the session, and the ledger's procedure. */
#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/api/api.h"
#include "portal/error_page.h"
#include "portal/place.h"
#include "portal/portal.h"
#include "portal/runner_link.h"
#include "portal/session.h"
#include "runner/base/fault_point.h"
#include "runner/base/jget.h"
#include "runner/base/parse.h"

enum { JOBS_PER_PAGE = 100 };

/* ---- reading */

static json_t *job_json(const struct job_row *j)
{
    json_t *o =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:s, s:s}", "id",
                  (json_int_t)j->id, "name", j->name, "project", j->project, "owner", j->login,
                  "directory", j->directory, "kind", j->kind, "nodes", (json_int_t)j->nodes,
                  "gpus_per_node", (json_int_t)j->gpus_per_node, "gpu_type", j->gpu_type,
                  "time_limit_ms", (json_int_t)j->time_limit_ms, "state",
                  job_state_name(j->state), "waits_for", j->waits_for);
    json_t *more = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "outcome", j->outcome, "hold_gpums",
        (json_int_t)j->hold_gpums, "held_gpums", (json_int_t)job_row_held_gpums(j),
        "charged_gpums", (json_int_t)(j->charged_gpums - j->refunded_gpums), "refunded_gpums",
        (json_int_t)j->refunded_gpums, "placed_ms", (json_int_t)j->placed_ms, "started_ms",
        (json_int_t)j->started_ms, "ended_ms", (json_int_t)j->ended_ms, "exit_code",
        (json_int_t)j->exit_code);
    json_object_update(o, more);
    json_decref(more);
    return o;
}

int api_load_jobs(void *local, struct request *r)
{
    AUTO(job_list_done) struct job_list jobs = {0};
    const char *before = request_query(r, "before"), *state = request_query(r, "state");
    struct jobs_filter filter = {.person_id = session_of(r)->person_id, .limit = JOBS_PER_PAGE};
    enum job_state s;
    int code = 0;
    if (before && parse_i64(before, 1, INT64_MAX, &filter.before_id) < 0)
        return err_set(&r->err, -EINVAL, "before: must be the number of a job");
    if (state && !job_state_find(state, &s))
        return err_set(&r->err, -EINVAL, "state: no such state");
    if (state)
        filter.states = JOBS_STATE(s);
    struct db *db = worker_db(local, &code, &r->err);
    if (db)
        code = jobs_list(db, &filter, &jobs, &r->err);
    if (code < 0)
        return code;
    json_t *list = json_array();
    for (size_t i = 0; i < jobs.count; i++)
        json_array_append_new(list, job_json(&jobs.rows[i]));
    api_reply(r, json_pack("{s:o, s:b}", "jobs", list, "has_more", jobs.has_more));
    return 0;
}

static int put_attempts(struct db *db, struct request *r, int64_t job, json_t *out)
{
    AUTO(attempt_list_done) struct attempt_list attempts = {0};
    int code = jobs_attempts(db, job, &attempts, &r->err);
    json_t *list = json_array();
    for (size_t i = 0; i < attempts.count; i++) {
        const struct attempt_row *t = &attempts.rows[i];
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I}", "no",
                      (json_int_t)t->no, "executor", t->executor, "gpus", (json_int_t)t->gpus,
                      "started_ms", (json_int_t)t->started_ms, "ended_ms",
                      (json_int_t)t->ended_ms, "run_ms", (json_int_t)t->run_ms, "charge_gpums",
                      (json_int_t)t->charge_gpums, "cause", t->cause, "exit_code",
                      (json_int_t)t->exit_code, "signal", (json_int_t)t->signal_no));
    }
    json_object_set_new(out, "attempts", list);
    const char *executor = attempts.count ? attempts.rows[attempts.count - 1].executor : "";
    json_object_set_new(out, "executor", json_string(executor));
    return code;
}

int api_load_job(void *local, struct request *r)
{
    struct worker *w = local;
    struct access_found found;
    int code = access_job(w, r, ACCESS_ROW, "view", &found);
    if (code < 0)
        return code;
    json_t *job = api_reply(r, job_json(found.job));
    return put_attempts(w->db, r, found.job->id, job);
}

/* ---- placing */

struct api_place {
    struct placed placed;
};

static void refuse_key(struct api_place *p)
{
    p->placed.refusal = (struct refusal){
        "bad-field",
        "key",
        "key: must be 32 lower-case hexadecimal digits, new for each job",
        "Make 16 random bytes for each job, and repeat them when you repeat the request.",
        422,
        NULL};
}

int api_load_place(void *local, struct request *r)
{
    struct api_place *p = arena_alloc(r->arena, sizeof(*p));
    struct err why;
    const char *text;
    int code = p ? api_check_token(r) : -ENOMEM;
    if (code < 0)
        return code;
    r->state = p;
    if (jget_text(r->json, "key", LEDGER_KEY_LEN, &text, &why) < 0 || !place_is_key(text)) {
        refuse_key(p);
        return 0;
    }
    const char *key = arena_dup(r->arena, text);
    json_object_del(r->json, "key");
    return key ? place_job(local, r, r->json, key, &p->placed) : -ENOMEM;
}

static json_t *refusal_json(const struct placed *p)
{
    const struct refusal *why = &p->refusal;
    json_t *j = error_problem(why->status, NULL, why->detail);
    json_object_set_new(j, "type", json_string(why->type));
    json_object_set_new(j, "remedy", json_string(why->remedy));
    if (*why->field)
        json_object_set_new(j, "field", json_string(why->field));
    if (strcmp(why->type, "no-budget") == 0) {
        json_object_set_new(j, "hold_gpums", json_integer((json_int_t)p->result.hold_gpums));
        json_object_set_new(j, "free_gpums", json_integer((json_int_t)p->result.free_gpums));
    }
    if (strcmp(why->type, "other-content") == 0)
        json_object_set_new(j, "job", json_integer((json_int_t)p->result.job));
    return j;
}

void api_show_placed(struct request *r, int status)
{
    const struct api_place *p = r->state;
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    if (!p->placed.is_placed) {
        request_json(r, p->placed.refusal.status, refusal_json(&p->placed));
        return;
    }
    const struct place_result *done = &p->placed.result;
    bool is_new = done->answer == PLACE_DONE;
    const char *path = arena_printf(r->arena, "/api/v1/jobs/%lld", (long long)done->job);
    if (is_new)
        runner_knock(portal_of(r)->runner);
    if (path)
        request_set_header(r, "Location", path);
    request_json(r, is_new ? 201 : 200,
                 json_pack("{s:I, s:I, s:I, s:b}", "id", (json_int_t)done->job, "hold_gpums",
                           (json_int_t)done->hold_gpums, "allocation",
                           (json_int_t)done->allocation, "is_new", is_new));
}

/* ---- cancelling */

int api_load_cancel(void *local, struct request *r)
{
    struct worker *w = local;
    struct access_found found;
    int code = api_check_token(r);
    if (code == 0)
        code = access_job(w, r, ACCESS_CHANGE, "cancel", &found);
    if (code < 0)
        return code;
    api_reply(r, json_pack("{s:I, s:s}", "id", (json_int_t)found.job->id, "state",
                           job_state_name(found.job->state)));
    if (job_state_is_final(found.job->state))
        return err_set(&r->err, -EEXIST, "The job is over: %s.",
                       job_state_name(found.job->state));
    int64_t id = found.job->id;
    FP("cancel.asking");
    code = db_exec(w->db, SQL_REQUEST_ASK,
                   DB_ARGS(DB_STR("cancel"), DB_I64(id), DB_STR(access_actor(r)),
                           DB_STR("asked for by the API"), DB_I64(id), DB_STR("cancel")),
                   NULL, &r->err);
    FP("cancel.answered");
    return code;
}

void api_show_cancelled(struct request *r, int status)
{
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    runner_knock(portal_of(r)->runner);
    request_json(r, 202, json_incref(r->state));
}
