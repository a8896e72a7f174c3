// SPDX-License-Identifier: Apache-2.0
/* One job: what it is, why it waits, what it holds and cost, its attempts, the end of its
 * log and its files. The row comes from the database; log and files are asked of runnerd
 * while the request waits, and a runnerd that does not answer only leaves a sentence in
 * their place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portal/job_facts.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/runner_link.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "runner/base/work.h"

/* The page, in the order it happens after load_job(). */
struct job_show {
    struct request *r;
    struct job_view *view;
    int log_fd;
    bool is_over;
    struct job_tail tail;
    int status;
};
static void on_log(int status, struct packet *packet, const struct err *why, void *arg);
static void run_tail(void *none, void *arg); /* disk */
static void on_tail(int status, void *arg);
static void on_list(int status, struct packet *packet, const struct err *why, void *arg);

/* ---- load */

static int put_attempts(struct db *db, struct request *r, struct job_view *v)
{
    AUTO(attempt_list_done) struct attempt_list attempts = {0};
    int code = jobs_attempts(db, v->id, &attempts, &r->err);
    if (code < 0)
        return code;
    if (attempts.count > 0)
        v->attempt = attempts.rows[attempts.count - 1].no;
    json_object_set_new(v->page, "has_attempts", json_boolean(attempts.count > 0));
    json_object_set_new(v->page, "attempts", job_attempts_json(r->arena, &attempts));
    return 0;
}

static int put_script(struct db *db, struct request *r, struct job_view *v)
{
    AUTO(cleanup_free) char *text = NULL;
    AUTO(spec_freep) struct spec *s = NULL;
    int code = jobs_spec(db, v->id, &text, &r->err);
    if (code == 0)
        code = spec_load(text, strlen(text), &s, &r->err);
    if (code < 0)
        return code;
    json_object_set_new(
        v->page, "script",
        json_string(s->script ? s->script : job_command_text(r->arena, s->command)));
    return 0;
}

/* Was a cancellation asked for that runnerd has not answered, or refused? */
static int put_request(struct db *db, struct request *r, struct job_view *v)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int code = db_select(db, SQL_REQUEST_LAST, DB_ARGS(DB_I64(v->id)), &rows, &r->err);
    if (code == 0)
        code = db_rows_next(rows, &r->err);
    if (code < 1)
        return code;
    const char *answer = db_rows_text(rows, 1);
    json_object_set_new(v->page, "is_cancelling",
                        json_boolean(!*answer && strcmp(db_rows_text(rows, 0), "cancel") == 0));
    if (strcmp(answer, "refused") == 0)
        json_object_set_new(v->page, "request_refused", json_string(db_rows_text(rows, 2)));
    return 0;
}

static void put_rights(struct request *r, struct job_view *v, const struct access_found *found)
{
    bool is_live = !job_state_is_final(found->job->state);
    const char *action = arena_printf(r->arena, "POST /jobs/%lld/cancel", (long long)v->id);
    v->may_files = access_also(found, ACCESS_FILES);
    json_object_set_new(v->page, "may_files", json_boolean(v->may_files));
    json_object_set_new(v->page, "may_cancel",
                        json_boolean(is_live && access_also(found, ACCESS_CHANGE)));
    json_object_set_new(v->page, "is_mine",
                        json_boolean(found->job->person_id == found->person->id));
    json_object_set_new(v->page, "cancel_token",
                        json_string(session_form_token(r, action ? action : "")));
    json_object_set_new(v->page, "is_live", json_boolean(is_live));
}

int load_job(void *local, struct request *r)
{
    struct worker *w = local;
    struct access_found found;
    struct job_view *v = arena_alloc(r->arena, sizeof(*v));
    int code = v ? access_job(w, r, ACCESS_ROW, "view", &found) : -ENOMEM;
    if (code < 0)
        return code;
    const char *title = arena_printf(r->arena, "Job %lld", (long long)found.job->id);
    *v = (struct job_view){.id = found.job->id,
                           .page = page_new(r, title ? title : "Job", "jobs")};
    r->state = v;
    page_template(v->page, "pages/job");
    json_object_set_new(v->page, "job", shown_job(r->arena, found.job));
    put_rights(r, v, &found);
    code = put_attempts(w->db, r, v);
    if (code == 0 && v->may_files)
        code = put_script(w->db, r, v);
    if (code == 0)
        code = put_request(w->db, r, v);
    return code;
}

/* ---- show */

static void render(struct job_show *s)
{
    struct request *r = s->r;
    r->state = s->view->page;
    page_show_as(r, 200);
}

static void drop_show(void *arg)
{
    struct job_show *s = arg;
    request_drop(s->r);
}

static void free_show(void *arg)
{
    struct job_show *s = arg;
    if (s->log_fd >= 0)
        close(s->log_fd);
    free(s->tail.text);
}

static void miss(struct job_show *s, const char *field, const char *text)
{
    json_object_set_new(s->view->page, field, json_string(text));
}

static void ask_files(struct job_show *s)
{
    runner_files_start(portal_of(s->r)->runner, s->r, s->view->id, files_list_json(".", ""),
                       on_list, s);
}

void show_job(struct request *r, int status)
{
    struct job_view *v = r->state;
    struct job_show *s = status == 0 ? arena_alloc(r->arena, sizeof(*s)) : NULL;
    if (!s) {
        request_fail(r, status ? status : -ENOMEM);
        return;
    }
    const json_t *job = json_object_get(v->page, "job");
    *s = (struct job_show){.r = r,
                           .view = v,
                           .log_fd = -1,
                           .is_over = json_is_true(json_object_get(job, "is_final"))};
    request_keep(r, free_show, s);
    if (!v->may_files) {
        render(s);
    } else if (v->attempt == 0) {
        miss(s, "log_missing", "The log begins when the job starts.");
        miss(s, "files_missing", "The job's folder is made when it starts.");
        render(s);
    } else {
        runner_log_start(portal_of(r)->runner, r, v->id, v->attempt, on_log, s);
    }
}

static void on_log(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct job_show *s = arg;
    (void)why;
    if (status == 0) {
        s->log_fd = packet_take_fd(packet);
        work_start(portal_of(s->r)->disk, run_tail, on_tail, drop_show, s);
        return;
    }
    miss(s, "log_missing", job_missing_text(status, true));
    if (status == -ENOENT) {
        ask_files(s);
        return;
    }
    miss(s, "files_missing", job_missing_text(status, false)); /* do not wait for it again */
    render(s);
}

static void run_tail(void *none, void *arg)
{
    struct job_show *s = arg;
    (void)none;
    s->status = job_tail_read(s->log_fd, s->is_over, &s->tail);
}

static void on_tail(int status, void *arg)
{
    struct job_show *s = arg;
    const struct job_tail *t = &s->tail;
    if (status < 0 || s->status < 0)
        miss(s, "log_missing", job_missing_text(-EIO, true));
    else
        json_object_set_new(s->view->page, "log",
                            json_pack("{s:I, s:I, s:b, s:s#, s:I}", "attempt",
                                      (json_int_t)s->view->attempt, "to", (json_int_t)t->to,
                                      "is_cut", t->from > 0, "text", t->text ? t->text : "",
                                      t->len, "left_out", (json_int_t)t->from));
    ask_files(s);
}

static void on_list(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct job_show *s = arg;
    struct err bad;
    (void)why;
    struct files_list *list = malloc(sizeof(*list));
    if (status == 0)
        status = list ? files_list_read(packet->body, list, &bad) : -ENOMEM;
    if (status == 0)
        json_object_set_new(s->view->page, "folder",
                            job_files_json(s->r->arena, s->view->id, "", list));
    else
        miss(s, "files_missing", job_missing_text(status, false));
    free(list);
    render(s);
}

/* ---- cancel */

int load_cancel(void *local, struct request *r)
{
    struct worker *w = local;
    struct access_found found;
    int code = access_job(w, r, ACCESS_CHANGE, "cancel", &found);
    if (code < 0 || job_state_is_final(found.job->state))
        return code;
    int64_t id = found.job->id;
    return db_exec(w->db, SQL_REQUEST_ASK,
                   DB_ARGS(DB_STR("cancel"), DB_I64(id), DB_STR(access_actor(r)),
                           DB_STR("asked for in the portal"), DB_I64(id), DB_STR("cancel")),
                   NULL, &r->err);
}

void show_cancelled(struct request *r, int status)
{
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    runner_knock(portal_of(r)->runner);
    const char *path = arena_printf(r->arena, "/jobs/%s", request_param(r, "id"));
    request_redirect(r, path ? path : "/jobs");
}
