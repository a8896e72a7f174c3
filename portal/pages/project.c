// SPDX-License-Identifier: Apache-2.0
/* One project: what it has left, who is in it, what is asked of it; and one page for each
 * member, where those who may run the project change his role, his limits, or end his
 * membership. Others in the project see its balance and whom to ask. */
#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/deed.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/requests.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "portal/shown_budget.h"
#include "quota/amount.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"

/* What both pages are made of. */
struct view {
    struct worker *w;
    struct access_project project;
    struct budget_list budgets;
    struct budget_member_list members;
    int64_t now_ms;
};

static void drop_view(void *arg)
{
    struct view *v = arg;
    budget_list_done(&v->budgets);
    budget_member_list_done(&v->members);
}

static int load_view(struct worker *w, struct request *r, const char *verb, struct view **out)
{
    struct view *v = arena_alloc(r->arena, sizeof(*v));
    if (!v)
        return -ENOMEM;
    *v = (struct view){.w = w, .now_ms = now_ms()};
    int code = access_project(w, r, request_param(r, "name"), verb, &v->project);
    if (code < 0)
        return code;
    request_keep(r, drop_view, v);
    code = budget_list(w->db,
                       &(struct budget_filter){.viewer_id = v->project.person->id,
                                               .project_id = v->project.id,
                                               .now_ms = v->now_ms},
                       &v->budgets, &r->err);
    if (code == 0)
        code = budget_members(
            w->db,
            &(struct budget_filter){.project_id = v->project.id,
                                    .person_id = v->project.may_run ? 0 : v->project.person->id,
                                    .now_ms = v->now_ms},
            &v->members, &r->err);
    *out = v;
    return code;
}

static void put_project(const struct view *v, json_t *page)
{
    const struct access_project *p = &v->project;
    const struct membership *m = person_membership(p->person, p->id);
    json_object_set_new(page, "is_member", json_boolean(m != NULL));
    json_object_set_new(page, "is_pi", json_boolean(m && m->is_pi));
    json_object_set_new(page, "project", json_string(p->name));
    json_object_set_new(page, "project_title", json_string(p->title));
    json_object_set_new(page, "tenant_title", json_string(p->tenant_title));
    json_object_set_new(page, "is_project_open", json_boolean(p->is_open));
    json_object_set_new(page, "may_run", json_boolean(p->may_run));
}

/* ---- the project */

static void put_allocations(const struct view *v, struct request *r, json_t *page)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->budgets.count; i++) {
        const struct budget_row *b = &v->budgets.rows[i];
        if (!b->allocation_id)
            continue;
        json_t *j = shown_budget(r->arena, b, v->now_ms);
        shown_budget_put_members(r->arena, j, &v->members, v->project.person->id,
                                 v->project.may_run);
        json_array_append_new(list, j);
    }
    json_object_set_new(page, "has_allocations", json_boolean(json_array_size(list) > 0));
    json_object_set_new(page, "allocations", list);
}

static int put_requests(const struct view *v, struct request *r, json_t *page)
{
    AUTO(user_request_list_done) struct user_request_list list = {0};
    int code = user_request_list(
        v->w->db, &(struct user_request_filter){.project = v->project.name}, &list, &r->err);
    json_t *open = requests_list_json(r, v->project.person, &list, true);
    json_t *past = requests_list_json(r, v->project.person, &list, false);
    requests_put_cap(page, "requests_cap", &list);
    json_object_set_new(page, "has_open", json_boolean(json_array_size(open) > 0));
    json_object_set_new(page, "open", open);
    json_object_set_new(page, "has_past", json_boolean(json_array_size(past) > 0));
    json_object_set_new(page, "past", past);
    return code;
}

int load_project(void *local, struct request *r)
{
    struct view *v;
    const char *done = request_query(r, "done");
    int code = load_view(local, r, "view", &v);
    if (code < 0)
        return code;
    json_t *page = page_new(r, v->project.name, "balance");
    page_template(page, "pages/project");
    put_project(v, page);
    put_allocations(v, r, page);
    json_object_set_new(page, "people", shown_budget_members(r->arena, &v->members, 0));
    json_object_set_new(page, "as_of", json_string(shown_clock(r->arena, v->now_ms)));
    json_object_set_new(page, "is_removed", json_boolean(done && strcmp(done, "removed") == 0));
    json_object_set_new(page, "is_changed", json_boolean(done && strcmp(done, "changed") == 0));
    return v->project.may_run ? put_requests(v, r, page) : 0;
}

/* ---- one member, and what is changed of him */

static const char *const roles[] = {"member", "pi"};
static const char *const role_words[] = {"member", "PI", NULL};
static const struct form_field role_fields[] = {
    DEED_KEY,
    {"role", "Role", FORM_CHOICE, .is_required = true, .choices = role_words},
    DEED_REASON,
};
static const struct form_field limit_fields[] = {
    DEED_KEY,
    {"allocation", "Allocation", FORM_INT, .is_required = true, .min = 1, .max = UINT32_MAX},
    {"hours", "Limit in GPU-hours", FORM_TEXT, .max = 20},
    DEED_REASON,
};
static const struct form_field remove_fields[] = {DEED_KEY, DEED_REASON};

enum deed { DEED_NONE, DEED_ROLE, DEED_LIMIT, DEED_REMOVE };

/* The page of a member, with the one form that was sent and refused, if any. */
struct member_page {
    const struct view *v;
    int64_t person_id;
    const struct budget_member *member; /* his row of the membership; NULL: he has none */
    enum deed deed;
    struct form_result *sent;
};

/* The path of one of the member's forms, or of his page: `what` "". */
static const char *member_path(struct request *r, const struct member_page *m, const char *what)
{
    const char *path = arena_printf(r->arena, "/projects/%s/members/%lld%s", m->v->project.name,
                                    (long long)m->person_id, what);
    return path ? path : "/";
}

static const struct budget_member *find_member(const struct view *v, int64_t allocation_id,
                                               int64_t person_id)
{
    for (size_t i = 0; i < v->members.count; i++)
        if (v->members.rows[i].allocation_id == allocation_id &&
            v->members.rows[i].person_id == person_id)
            return &v->members.rows[i];
    return NULL;
}

static json_t *form_of(struct request *r, const struct member_page *m, enum deed deed,
                       const struct form_field *fields, size_t count, const char *what)
{
    struct form_result *f = m->deed == deed ? m->sent : deed_form(r, fields, count);
    if (f && m->deed != deed && deed == DEED_ROLE)
        deed_set(f, "role", role_words[strcmp(m->member->role, roles[1]) == 0]);
    return f ? deed_json(r, f, member_path(r, m, what)) : json_null();
}

/* The limit of the allocation as it is now, or as it was typed. */
static struct form_result *limit_form(struct request *r, const struct member_page *m,
                                      int64_t allocation, const struct budget_member *row)
{
    char hours[AMOUNT_TEXT];
    if (m->deed == DEED_LIMIT && form_number(m->sent, "allocation") == allocation)
        return m->sent;
    struct form_result *f = deed_form(r, limit_fields, COUNT(limit_fields));
    const char *number = arena_printf(r->arena, "%lld", (long long)allocation);
    if (!f || !number)
        return NULL;
    deed_set(f, "allocation", number);
    if (row && row->has_limit) {
        amount_text(row->spent_gpums + row->rest_gpums, AMOUNT_HOURS, hours);
        const char *text = arena_dup(r->arena, hours);
        deed_set(f, "hours", text ? text : "");
    }
    return f;
}

static json_t *limit_json(struct request *r, const struct budget_member *m)
{
    return json_pack("{s:s, s:s, s:s}", "limit_hours",
                     shown_hours(r->arena, m->spent_gpums + m->rest_gpums), "limit_spent",
                     shown_hours(r->arena, m->spent_gpums), "limit_rest",
                     shown_hours(r->arena, m->rest_gpums));
}

/* A refused form whose allocation is not shown any more must say why all the same. */
static void put_lost_problem(const struct member_page *m, bool is_shown, json_t *page)
{
    const char *problem = m->sent ? m->sent->problem : NULL;
    for (size_t i = 0; m->sent && !problem && i < m->sent->count; i++)
        problem = m->sent->values[i].problem;
    if (m->deed == DEED_LIMIT && !is_shown)
        json_object_set_new(page, "lost_problem", json_string(problem ? problem : ""));
}

static void put_limits(struct request *r, const struct member_page *m, json_t *page)
{
    json_t *list = json_array();
    bool is_sent_shown = false;
    for (size_t i = 0; i < m->v->budgets.count; i++) {
        const struct budget_row *b = &m->v->budgets.rows[i];
        const struct budget_member *row = find_member(m->v, b->allocation_id, m->person_id);
        if (!b->allocation_id || b->until_ms <= m->v->now_ms)
            continue;
        json_t *j = shown_budget(r->arena, b, m->v->now_ms);
        struct form_result *f = limit_form(r, m, b->allocation_id, row);
        json_object_set_new(j, "his_used",
                            json_string(shown_hours(r->arena, row ? row->used_gpums : 0)));
        json_object_set_new(j, "his_held",
                            json_string(shown_hours(r->arena, row ? row->held_gpums : 0)));
        if (row && row->has_limit)
            json_object_set_new(j, "his_limit", limit_json(r, row));
        is_sent_shown |= f && f == m->sent;
        if (f)
            json_object_set_new(j, "form", deed_json(r, f, member_path(r, m, "/limit")));
        json_array_append_new(list, j);
    }
    json_object_set_new(page, "has_limits", json_boolean(json_array_size(list) > 0));
    json_object_set_new(page, "limits", list);
    put_lost_problem(m, is_sent_shown, page);
}

static int show_member(struct request *r, const struct member_page *m, int status)
{
    const struct budget_member *row = m->member;
    const char *done = request_query(r, "done");
    if (!row)
        return err_set(&r->err, -ENOENT, "There is no such member.");
    json_t *page = page_new(r, row->name, "balance");
    page_template(page, "pages/member");
    put_project(m->v, page);
    json_object_set_new(page, "member",
                        json_pack("{s:s, s:s, s:s, s:b, s:s}", "name", row->name, "login",
                                  row->login, "directory", row->directory, "is_pi",
                                  strcmp(row->role, "pi") == 0, "since",
                                  shown_date(r->arena, row->since_ms)));
    json_object_set_new(page, "role_form",
                        form_of(r, m, DEED_ROLE, role_fields, COUNT(role_fields), "/role"));
    json_object_set_new(
        page, "remove_form",
        form_of(r, m, DEED_REMOVE, remove_fields, COUNT(remove_fields), "/remove"));
    put_limits(r, m, page);
    json_object_set_new(page, "is_done", json_boolean(done != NULL && m->deed == DEED_NONE));
    json_object_set_new(page, "is_refused", json_boolean(m->deed != DEED_NONE));
    json_object_set_new(page, "status", json_integer(status));
    return 0;
}

/* The view and the member of ":person", for who may run the project; the member may be NULL: a
 * form sent twice may find him removed. */
static int load_member_page(void *local, struct request *r, struct member_page *out)
{
    struct view *v;
    int64_t person_id;
    int code = load_view(local, r, "view", &v);
    if (code == 0)
        code = request_param_i64(r, "person", &person_id);
    if (code < 0)
        return code;
    *out = (struct member_page){
        .v = v, .person_id = person_id, .member = find_member(v, 0, person_id)};
    return v->project.may_run ? 0 : err_set(&r->err, -ENOENT, "There is no such member.");
}

int load_member(void *local, struct request *r)
{
    struct member_page m;
    int code = load_member_page(local, r, &m);
    return code < 0 ? code : show_member(r, &m, 200);
}

/* A refusal: the page again, with what was typed and what is wrong with it. */
static int conclude(struct request *r, struct member_page *m, const char *field,
                    const struct act_result *result)
{
    if (result->answer == ACT_NOT_THERE)
        return err_set(&r->err, -ENOENT, "There is no such member.");
    int status = deed_refuse(r, m->sent, field, result);
    return status ? show_member(r, m, status) : 0;
}

/* Reads the form of a deed. 1: go on; 0: the page says what is wrong; or an error. */
static int begin(void *local, struct request *r, enum deed deed,
                 const struct form_field *fields, size_t count, struct member_page *out)
{
    int code = load_member_page(local, r, out);
    if (code < 0)
        return code;
    out->deed = deed;
    out->sent = deed_check(r, fields, count);
    if (!out->sent)
        return -ENOMEM;
    return out->sent->problems ? show_member(r, out, 422) : 1;
}

static int set_role(void *local, struct request *r, struct member_page *m, const char *role)
{
    struct worker *w = local;
    struct act_result result;
    struct act_by by = deed_by(r, m->sent, NULL);
    struct act_member ask = {
        .project = m->v->project.name, .person_id = m->person_id, .role = role};
    int code = act_member_set(w->db, &by, &ask, &result, &r->err);
    return code < 0 ? code : conclude(r, m, NULL, &result);
}

int load_member_role(void *local, struct request *r)
{
    struct member_page m;
    int code = begin(local, r, DEED_ROLE, role_fields, COUNT(role_fields), &m);
    return code <= 0 ? code : set_role(local, r, &m, roles[form_number(m.sent, "role")]);
}

int load_member_remove(void *local, struct request *r)
{
    struct member_page m;
    int code = begin(local, r, DEED_REMOVE, remove_fields, COUNT(remove_fields), &m);
    return code <= 0 ? code : set_role(local, r, &m, "none");
}

/* "" is no limit, "0" is nothing at all. */
static int read_limit(struct request *r, struct form_result *f, int64_t *out_gpums)
{
    const char *text = form_text(f, "hours");
    *out_gpums = *text ? 0 : -1;
    if (!*text || strcmp(text, "0") == 0 || amount_parse(text, out_gpums, NULL) == 0)
        return 0;
    const char *problem = arena_printf(r->arena,
                                       "Limit: \"%.20s\" is no amount of GPU-hours; write it "
                                       "like 118.5 or 0, or leave it empty for no limit",
                                       text);
    form_complain(f, "hours", problem ? problem : "Limit: not a number");
    return -EINVAL;
}

int load_member_limit(void *local, struct request *r)
{
    struct worker *w = local;
    struct member_page m;
    struct act_result result;
    int64_t gpums;
    int code = begin(local, r, DEED_LIMIT, limit_fields, COUNT(limit_fields), &m);
    if (code <= 0)
        return code;
    if (read_limit(r, m.sent, &gpums) < 0)
        return show_member(r, &m, 422);
    struct act_by by = deed_by(r, m.sent, NULL);
    struct act_member ask = {.project = m.v->project.name,
                             .person_id = m.person_id,
                             .allocation = form_number(m.sent, "allocation"),
                             .gpums = gpums};
    code = act_member_share(w->db, &by, &ask, &result, &r->err);
    return code < 0 ? code : conclude(r, &m, "hours", &result);
}

static void show_changed(struct request *r, int status, const char *path)
{
    if (status < 0)
        request_fail(r, status);
    else if (r->state)
        page_show_as(r, (int)json_integer_value(json_object_get(r->state, "status")));
    else
        request_redirect(r, path ? path : "/");
}

/* What one changes of oneself may end one's right to see the page it was changed on. */
static bool is_of_me(const struct request *r)
{
    const char *me = arena_printf(r->arena, "%lld", (long long)session_of(r)->person_id);
    return me && strcmp(me, request_param(r, "person")) == 0;
}

void show_member_changed(struct request *r, int status)
{
    const char *name = request_param(r, "name"), *person = request_param(r, "person");
    const char *path =
        is_of_me(r) ? arena_printf(r->arena, "/projects/%s?done=changed", name)
                    : arena_printf(r->arena, "/projects/%s/members/%s?done=1", name, person);
    show_changed(r, status, path);
}

void show_member_removed(struct request *r, int status)
{
    const char *path =
        arena_printf(r->arena, "/projects/%s?done=removed", request_param(r, "name"));
    show_changed(r, status, is_of_me(r) ? "/balance" : path);
}
