// SPDX-License-Identifier: Apache-2.0
/* The home page: what I may still use, what my jobs do; and for those without a project,
 * what to do. */
#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/form.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "portal/worker.h"
#include "runner/base/now.h"

enum { JOBS_SHOWN = 10 };

static const struct form_field join_fields[] = {
    {"project", "Project", FORM_SLUG, .is_required = true, .max = 32},
    {"note", "Note", FORM_TEXT, .max = 500},
};

static void put_balances(struct request *r, json_t *page, const struct person *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->balance_count; i++)
        json_array_append_new(list, shown_balance(r->arena, &p->balances[i]));
    json_object_set_new(page, "has_balances", json_boolean(p->balance_count > 0));
    json_object_set_new(page, "balances", list);
    json_object_set_new(page, "has_projects", json_boolean(p->membership_count > 0));
    json_object_set_new(page, "as_of", json_string(shown_time(r->arena, now_ms())));
}

static int put_jobs(struct db *db, struct request *r, json_t *page, int64_t person)
{
    AUTO(job_list_done) struct job_list jobs = {0};
    int code = jobs_list(db, &(struct jobs_filter){.person_id = person, .limit = JOBS_SHOWN},
                         &jobs, &r->err);
    json_t *list = json_array();
    for (size_t i = 0; i < jobs.count; i++)
        json_array_append_new(list, shown_job(r->arena, &jobs.rows[i]));
    json_object_set_new(page, "has_jobs", json_boolean(jobs.count > 0));
    json_object_set_new(page, "has_more", json_boolean(jobs.has_more));
    json_object_set_new(page, "jobs", list);
    return code;
}

static int put_joins(struct db *db, struct request *r, json_t *page, int64_t person)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    json_t *list = json_array();
    int code = db_select(db, SQL_JOINS_MINE, DB_ARGS(DB_I64(person)), &rows, &r->err);
    json_object_set_new(page, "joins", list);
    while (code == 0 && (code = db_rows_next(rows, &r->err)) > 0) {
        const char *state = db_rows_text(rows, 1);
        const char *words = strcmp(state, "open") == 0       ? "not answered yet"
                            : strcmp(state, "approved") == 0 ? "approved"
                                                             : "denied";
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "join_project",
                                              db_rows_text(rows, 0), "join_state", words,
                                              "answer", db_rows_text(rows, 2), "at_time",
                                              shown_time(r->arena, db_rows_i64(rows, 3))));
        code = 0;
    }
    json_object_set_new(page, "has_joins", json_boolean(json_array_size(list) > 0));
    return code;
}

/* `form` is the one to join a project, with its problems. */
static int fill(struct worker *w, struct request *r, const struct form_result *form)
{
    struct person *p;
    json_t *page = page_new(r, "Home", "home");
    int code = access_person(w, r, &p);
    if (code == 0)
        code = put_jobs(w->db, r, page, p->id);
    if (code == 0)
        code = put_joins(w->db, r, page, p->id);
    if (code < 0 || !form)
        return code < 0 ? code : -ENOMEM;
    put_balances(r, page, p);
    page_template(page, "pages/home");
    json_object_set_new(page, "join", form_json(form));
    json_object_set_new(page, "join_token", json_string(session_form_token(r, "POST /join")));
    json_object_set_new(page, "is_join_open", json_boolean(form->problems > 0));
    json_object_set_new(page, "has_asked", json_boolean(request_query(r, "asked") != NULL));
    return 0;
}

int load_home(void *local, struct request *r)
{
    return fill(local, r, form_empty(r->arena, join_fields, COUNT(join_fields)));
}

int load_join(void *local, struct request *r)
{
    struct worker *w = local;
    int code = 0;
    struct form_result *f = form_check(r->arena, join_fields, COUNT(join_fields), &r->form);
    if (!f)
        return -ENOMEM;
    if (f->problems)
        return fill(w, r, f);
    int64_t me = session_of(r)->person_id;
    const char *project = form_text(f, "project");
    struct db *db = worker_db(w, &code, &r->err);
    if (!db)
        return code;
    return db_exec(db, SQL_JOIN_ADD,
                   DB_ARGS(DB_STR(project), DB_I64(me), DB_STR(form_text(f, "note")),
                           DB_I64(me), DB_STR(project), DB_I64(me)),
                   NULL, &r->err);
}

/* The same answer whether there is such a project or not. */
void show_joined(struct request *r, int status)
{
    if (status < 0)
        request_fail(r, status);
    else if (r->state)
        page_show_as(r, 422);
    else
        request_redirect(r, "/?asked=1");
}
