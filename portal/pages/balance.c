// SPDX-License-Identifier: Apache-2.0
/* What my projects, or the projects of a tenant that I administer, have left: held, used, free,
 * how long it lasts; and for those who head a project, who used it. */
#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "portal/shown_budget.h"
#include "portal/tenants.h"
#include "runner/base/now.h"

enum { PROJECTS_PER_PAGE = 20 };

/* ---- members, where the person may see them */

static bool may_run(const struct person *p, const struct budget_row *b)
{
    struct access_object project = {0, b->project_id, b->tenant_id};
    return access_may(p, ACCESS_REPORT, project) == ACCESS_YES;
}

/* One project as a whole, of which `b` is the first row. */
static int put_members(struct db *db, struct request *r, const struct person *p,
                       const struct budget_row *b, json_t *project)
{
    AUTO(budget_member_list_done) struct budget_member_list members = {0};
    size_t i;
    json_t *allocation;
    bool is_his = may_run(p, b);
    struct budget_filter filter = {
        .project_id = b->project_id, .person_id = is_his ? 0 : p->id, .now_ms = now_ms()};
    int code = b->allocation_id ? budget_members(db, &filter, &members, &r->err) : 0;
    json_array_foreach (json_object_get(project, "allocations"), i, allocation)
        shown_budget_put_members(r->arena, allocation, &members, p->id, is_his);
    return code;
}

/* The rows' projects are those of `projects`, in order. A whole tenant's members are not told
 * here: each project's page tells its own. */
static int put_people(struct db *db, struct request *r, const struct person *p,
                      const struct budget_list *l, json_t *projects)
{
    bool is_of_tenant = request_query(r, "tenant") != NULL;
    int code = 0;
    for (size_t i = 0, k = 0; code == 0 && i < l->count; i++) {
        const struct budget_row *b = &l->rows[i];
        if (i > 0 && b->project_id == l->rows[i - 1].project_id)
            continue;
        json_t *project = json_array_get(projects, k++);
        const struct membership *m = person_membership(p, b->project_id);
        json_object_set_new(project, "is_pi", json_boolean(m && m->is_pi));
        if (!is_of_tenant)
            code = put_members(db, r, p, b, project);
    }
    return code;
}

/* ---- the page */

/* The last project's name, for ?after=, when there may be more. */
static void put_more(struct request *r, json_t *page, const json_t *projects,
                     const struct tenant_row *t)
{
    size_t n = json_array_size(projects);
    if (!t || n < PROJECTS_PER_PAGE)
        return;
    const json_t *last = json_array_get(projects, n - 1);
    const char *path = arena_printf(r->arena, "/balance?tenant=%s&after=%s", t->name,
                                    json_string_value(json_object_get(last, "project")));
    json_object_set_new(page, "more_path", json_string(path ? path : "/balance"));
}

static int fill(struct db *db, struct request *r, const struct person *p,
                const struct tenant_row *t)
{
    AUTO(budget_list_done) struct budget_list list = {0};
    const char *after = request_query(r, "after");
    struct budget_filter filter = {.viewer_id = p->id,
                                   .person_id = t ? 0 : p->id,
                                   .tenant_id = t ? t->id : 0,
                                   .after = after ? after : "",
                                   .limit = PROJECTS_PER_PAGE,
                                   .now_ms = now_ms()};
    int code = budget_list(db, &filter, &list, &r->err);
    if (code < 0)
        return code;
    json_t *page = page_new(r, "Balance", "balance");
    json_t *projects = shown_budgets(r->arena, &list, filter.now_ms);
    page_template(page, "pages/balance");
    json_object_set_new(page, "projects", projects);
    json_object_set_new(page, "has_projects", json_boolean(json_array_size(projects) > 0));
    json_object_set_new(page, "as_of", json_string(shown_clock(r->arena, filter.now_ms)));
    put_more(r, page, projects, t);
    code = put_people(db, r, p, &list, projects);
    return code < 0 ? code : tenants_put(db, r, p, page, "/balance", t);
}

int load_balance(void *local, struct request *r)
{
    struct worker *w = local;
    struct person *p;
    struct tenant_row *t = NULL;
    const char *tenant = request_query(r, "tenant");
    int code = access_person(w, r, &p);
    if (code == 0 && tenant)
        code = tenants_find(w->db, r, p, tenant, &t);
    return code < 0 ? code : fill(w->db, r, p, t);
}
