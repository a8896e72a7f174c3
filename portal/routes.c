// SPDX-License-Identifier: Apache-2.0
/* The whole site as one table: method, path, who may, how the body is read, what the worker
 * loads, what the loop replies. Start reading here.
 *
 * The way of a submit: load_place() (pages/job_new.c) checks the form, place_job() (place.c)
 * checks the request by spec_parse() (runner/job/spec.c) and, with whatever else waits to be
 * placed, calls ledger_place() or ledger_place_many() (quota/ledger_place.c), whose one call of
 * a procedure (quota/db/migrations) writes the job, its hold and its first event; then
 * show_placed() knocks on runnerd and leads to the job's page. */
#include "portal/routes.h"

#include "portal/api/api.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/static_files.h"
#include "runner/base/cleanup.h"

static void show_static(struct request *r, int status)
{
    (void)status;
    static_files_show(r->site->files, r, request_param(r, "name"));
}

const struct route routes[] = {
    /* coming and going */
    ROUTE(GET, "/login", ROLE_ANYONE, ROUTE_SESSION, NULL, show_login),
    ROUTE(POST, "/login", ROLE_ANYONE, ROUTE_FORM, load_login_try, show_login_try),
    ROUTE(POST, "/logout", ROLE_PERSON, ROUTE_FORM, load_logout, show_logout),
    ROUTE(GET, "/static/:name", ROLE_ANYONE, 0, NULL, show_static),

    /* home */
    ROUTE(GET, "/", ROLE_PERSON, 0, load_home, page_show),

    /* GPU-hours: what is left, what was used */
    ROUTE(GET, "/balance", ROLE_PERSON, 0, load_balance, page_show),
    ROUTE(GET, "/statements", ROLE_PERSON, 0, load_statements, page_show),
    ROUTE(GET, "/statements/:month", ROLE_PERSON, 0, load_statement, page_show),
    ROUTE(GET, "/statements/:month/:file", ROLE_PERSON, 0, load_statement_file,
          show_statement_file),

    /* projects: their people, and what those ask for */
    ROUTE(GET, "/projects/:name", ROLE_PERSON, 0, load_project, page_show),
    ROUTE(GET, "/projects/:name/members/:person", ROLE_PERSON, 0, load_member, page_show),
    ROUTE(POST, "/projects/:name/members/:person/role", ROLE_PERSON, ROUTE_FORM,
          load_member_role, show_member_changed),
    ROUTE(POST, "/projects/:name/members/:person/limit", ROLE_PERSON, ROUTE_FORM,
          load_member_limit, show_member_changed),
    ROUTE(POST, "/projects/:name/members/:person/remove", ROLE_PERSON, ROUTE_FORM,
          load_member_remove, show_member_removed),
    ROUTE(GET, "/requests", ROLE_PERSON, 0, load_requests, page_show),
    ROUTE(POST, "/requests/join", ROLE_PERSON, ROUTE_FORM, load_ask_join, show_asked),
    ROUTE(POST, "/requests/project", ROLE_PERSON, ROUTE_FORM, load_ask_project, show_asked),
    ROUTE(POST, "/requests/hours", ROLE_PERSON, ROUTE_FORM, load_ask_hours, show_asked),
    ROUTE(GET, "/requests/:id", ROLE_PERSON, 0, load_request, page_show),
    ROUTE(POST, "/requests/:id/answer", ROLE_PERSON, ROUTE_FORM, load_request_answer,
          show_request_answered),
    ROUTE(POST, "/requests/:id/withdraw", ROLE_PERSON, ROUTE_FORM, load_request_withdraw,
          show_request_answered),

    /* jobs */
    ROUTE(GET, "/jobs", ROLE_PERSON, 0, load_jobs, page_show),
    ROUTE(GET, "/jobs/new", ROLE_PERSON, 0, load_job_new, page_show),
    ROUTE(POST, "/jobs", ROLE_PERSON, ROUTE_FORM, load_place, show_placed),
    ROUTE(GET, "/jobs/:id", ROLE_PERSON, 0, load_job, show_job),
    ROUTE(POST, "/jobs/:id/cancel", ROLE_PERSON, ROUTE_FORM, load_cancel, show_cancelled),
    ROUTE(GET, "/jobs/:id/log", ROLE_PERSON, 0, load_log, show_log),
    ROUTE(GET, "/jobs/:id/events", ROLE_PERSON, 0, load_log, show_events),
    ROUTE(GET, "/jobs/:id/files", ROLE_PERSON, 0, load_files, show_files),
    ROUTE(GET, "/jobs/:id/files/*path", ROLE_PERSON, 0, load_files, show_file),

    /* the API */
    ROUTE(GET, "/api/v1/session", ROLE_PERSON, ROUTE_API, api_load_session, api_show),
    ROUTE(GET, "/api/v1/projects", ROLE_PERSON, ROUTE_API, api_load_projects, api_show),
    ROUTE(GET, "/api/v1/balance", ROLE_PERSON, ROUTE_API, api_load_balance, api_show),
    ROUTE(GET, "/api/v1/jobs", ROLE_PERSON, ROUTE_API, api_load_jobs, api_show),
    ROUTE(POST, "/api/v1/jobs", ROLE_PERSON, ROUTE_API, api_load_place, api_show_placed),
    ROUTE(GET, "/api/v1/jobs/:id", ROLE_PERSON, ROUTE_API, api_load_job, api_show),
    ROUTE(POST, "/api/v1/jobs/:id/cancel", ROLE_PERSON, ROUTE_API, api_load_cancel,
          api_show_cancelled),
};

const size_t routes_count = COUNT(routes);
