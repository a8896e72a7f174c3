// SPDX-License-Identifier: Apache-2.0
/* The home page: what I may still use, what my jobs do; and for those without a project,
 * what to do. */
#include "portal/access.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/requests.h"
#include "portal/shown.h"
#include "portal/worker.h"
#include "runner/base/now.h"

enum { JOBS_SHOWN = 10, REQUESTS_SHOWN = 5 };

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

/* What he asked for lately, and how many requests wait for his answer. */
static int put_requests(struct db *db, struct request *r, json_t *page, const struct person *p)
{
    AUTO(user_request_list_done) struct user_request_list list = {0};
    json_t *shown = json_array();
    int64_t waiting = 0;
    int code = user_request_list(db, &(struct user_request_filter){.person_id = p->id}, &list,
                                 &r->err);
    for (size_t i = 0; i < list.count && i < REQUESTS_SHOWN; i++)
        json_array_append_new(shown, requests_json(r, &list.rows[i], REQUESTS_SEE, NULL));
    json_object_set_new(page, "has_asked_for", json_boolean(list.count > 0));
    json_object_set_new(page, "asked_for", shown);
    if (code == 0)
        code = user_request_waiting(db, p->id, &waiting, &r->err);
    json_object_set_new(page, "has_waiting", json_boolean(waiting > 0));
    json_object_set_new(
        page, "waiting",
        waiting == 1 ? json_string("1 request waits for your answer")
                     : json_sprintf("%lld requests wait for your answer", (long long)waiting));
    return code;
}

int load_home(void *local, struct request *r)
{
    struct worker *w = local;
    struct person *p;
    json_t *page = page_new(r, "Home", "home");
    page_template(page, "pages/home");
    int code = access_person(w, r, &p);
    if (code == 0)
        code = put_jobs(w->db, r, page, p->id);
    if (code == 0)
        code = put_requests(w->db, r, page, p);
    if (code < 0)
        return code;
    put_balances(r, page, p);
    json_object_set_new(page, "join", requests_join_form(r));
    return 0;
}
