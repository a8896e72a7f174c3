// SPDX-License-Identifier: Apache-2.0
/* The list of jobs: mine, or those of my projects; by state; newest first, page by page. */
#include <stdio.h>
#include <string.h>

#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "portal/worker.h"
#include "quota/jobs.h"
#include "runner/base/parse.h"

enum { JOBS_PER_PAGE = 50 };

/* What may be asked for by ?state=. */
static const struct {
    const char *name, *label;
    unsigned states;
} filters[] = {
    {"", "All", 0},
    {"live", "Not finished", JOBS_LIVE},
    {"running", "Running", JOBS_STATE(JOB_RUNNING)},
    {"queued", "Waiting", JOBS_STATE(JOB_QUEUED)},
    {"completed", "Completed", JOBS_STATE(JOB_COMPLETED)},
    {"ended-badly", "Failed",
     JOBS_STATE(JOB_FAILED) | JOBS_STATE(JOB_TIMED_OUT) | JOBS_STATE(JOB_LOST)},
    {"cancelled", "Cancelled", JOBS_STATE(JOB_CANCELLED)},
};

static size_t chosen_filter(const struct request *r)
{
    const char *state = request_query(r, "state");
    for (size_t i = 0; state && i < COUNT(filters); i++)
        if (strcmp(filters[i].name, state) == 0)
            return i;
    return 0;
}

/* "/jobs?state=live&of=projects", with what is asked for and no more. */
static const char *list_path(const struct request *r, const char *state, bool is_of_projects)
{
    const char *path = arena_printf(r->arena, "/jobs?%s%s%s", *state ? "state=" : "", state,
                                    is_of_projects ? "&of=projects" : "");
    return path ? path : "/jobs";
}

static json_t *filters_json(const struct request *r, size_t chosen, bool is_of_projects)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(filters); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:b}", "label", filters[i].label, "path",
                                        list_path(r, filters[i].name, is_of_projects),
                                        "selected", i == chosen));
    return list;
}

static void put_rows(struct request *r, json_t *page, const struct job_list *jobs,
                     const char *here)
{
    json_t *list = json_array();
    for (size_t i = 0; i < jobs->count; i++)
        json_array_append_new(list, shown_job(r->arena, &jobs->rows[i]));
    json_object_set_new(page, "has_jobs", json_boolean(jobs->count > 0));
    json_object_set_new(page, "jobs", list);
    if (!jobs->has_more)
        return;
    const char *older = arena_printf(r->arena, "%s&before=%lld", here,
                                     (long long)jobs->rows[jobs->count - 1].id);
    json_object_set_new(page, "older_path", json_string(older ? older : "/jobs"));
}

int load_jobs(void *local, struct request *r)
{
    AUTO(job_list_done) struct job_list jobs = {0};
    const char *of = request_query(r, "of"), *before = request_query(r, "before");
    bool is_of_projects = of && strcmp(of, "projects") == 0;
    size_t chosen = chosen_filter(r);
    int64_t me = session_of(r)->person_id, before_id = 0;
    int code = 0;
    struct db *db = worker_db(local, &code, &r->err);
    if (!db)
        return code;
    if (before && parse_i64(before, 1, INT64_MAX, &before_id) < 0)
        before_id = 0;
    struct jobs_filter filter = {.person_id = is_of_projects ? 0 : me,
                                 .viewer_id = me,
                                 .states = filters[chosen].states,
                                 .before_id = before_id,
                                 .limit = JOBS_PER_PAGE};
    code = jobs_list(db, &filter, &jobs, &r->err);
    if (code < 0)
        return code;
    json_t *page = page_new(r, "Jobs", "jobs");
    const char *name = filters[chosen].name;
    page_template(page, "pages/jobs");
    put_rows(r, page, &jobs, list_path(r, name, is_of_projects));
    json_object_set_new(page, "filters", filters_json(r, chosen, is_of_projects));
    json_object_set_new(page, "is_of_projects", json_boolean(is_of_projects));
    json_object_set_new(page, "is_filtered", json_boolean(chosen > 0));
    json_object_set_new(page, "is_later", json_boolean(before_id > 0));
    json_object_set_new(page, "mine_path", json_string(list_path(r, name, false)));
    json_object_set_new(page, "projects_path", json_string(list_path(r, name, true)));
    return 0;
}
