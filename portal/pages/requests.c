// SPDX-License-Identifier: Apache-2.0
/* What I ask for, what others ask of me, and the answers: a list with the forms to ask, and
 * one page for each request, where it is answered or taken back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "portal/access.h"
#include "portal/deed.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/requests.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "quota/amount.h"
#include "runner/base/now.h"

/* ---- the forms to ask */

#define PROJECT_NAME                                                                           \
    {                                                                                          \
        "project", "Project", FORM_SLUG, .is_required = true, .max = 32                        \
    }
#define NOTE                                                                                   \
    {                                                                                          \
        "note", "Note", FORM_TEXT, .max = USER_REQUEST_NOTE_MAX                                \
    }

static const struct form_field join_fields[] = {DEED_KEY, PROJECT_NAME, NOTE};
static const struct form_field project_fields[] = {
    DEED_KEY,
    PROJECT_NAME,
    {"title", "Title", FORM_TEXT, .is_required = true, .min = 1, .max = 120},
    {"hours", "GPU-hours", FORM_TEXT, .max = 20},
    {"note", "Why", FORM_TEXT, .is_required = true, .min = 3, .max = USER_REQUEST_NOTE_MAX},
};
static const struct form_field hours_fields[] = {
    DEED_KEY,
    PROJECT_NAME,
    {"hours", "GPU-hours", FORM_TEXT, .is_required = true, .max = 20},
    {"note", "Why", FORM_TEXT, .is_required = true, .min = 3, .max = USER_REQUEST_NOTE_MAX},
};

/* What may be asked: its kind, the path its form is sent to, its fields. */
static const struct asking {
    const char *kind, *path;
    const struct form_field *fields;
    size_t count;
} askings[] = {
    {"join", "/requests/join", join_fields, COUNT(join_fields)},
    {"project", "/requests/project", project_fields, COUNT(project_fields)},
    {"hours", "/requests/hours", hours_fields, COUNT(hours_fields)},
};

json_t *requests_join_form(struct request *r)
{
    struct form_result *f = deed_form(r, join_fields, COUNT(join_fields));
    return f ? deed_json(r, f, askings[0].path) : json_null();
}

/* The projects that he heads, for choosing one. */
static json_t *leads_json(const struct person *p, const char *chosen)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        if (m->is_pi)
            json_array_append_new(list, json_pack("{s:s, s:b}", "led", m->project, "selected",
                                                  strcmp(m->project, chosen) == 0));
    }
    return list;
}

/* The one that was sent and refused is `sent`; the others are empty. A link from elsewhere says
 * which one to open (?ask=hours), and for which project (&project=climate). */
static void put_forms(struct request *r, json_t *page, const struct person *p,
                      const struct asking *sent, struct form_result *refused)
{
    const char *ask = request_query(r, "ask"), *project = request_query(r, "project");
    for (size_t i = 0; i < COUNT(askings); i++) {
        const struct asking *a = &askings[i];
        struct form_result *f = a == sent ? refused : deed_form(r, a->fields, a->count);
        bool is_asked = !sent && ask && strcmp(ask, a->kind) == 0;
        if (!f)
            continue;
        if (is_asked && project)
            deed_set(f, "project", project);
        json_t *j = deed_json(r, f, a->path), *leads = leads_json(p, form_text(f, "project"));
        json_object_set_new(j, "is_open", json_boolean(is_asked || f->problems > 0));
        json_object_set_new(j, "has_leads", json_boolean(json_array_size(leads) > 0));
        json_object_set_new(j, "leads", leads);
        json_object_set_new(page, a->kind, j);
    }
}

/* ---- the list */

static int put_mine(struct db *db, struct request *r, json_t *page, const struct person *p)
{
    AUTO(user_request_list_done) struct user_request_list list = {0};
    int code = user_request_list(db, &(struct user_request_filter){.person_id = p->id}, &list,
                                 &r->err);
    requests_put_cap(page, "mine_cap", &list);
    json_object_set_new(page, "has_mine", json_boolean(list.count > 0));
    json_object_set_new(page, "mine", requests_list_json(r, p, &list, true));
    json_object_set_new(page, "answered_mine", requests_list_json(r, p, &list, false));
    return code;
}

/* Those that he answers here, and those that he sees alone. */
static void put_by_answer(json_t *page, json_t *all)
{
    json_t *others = json_array(), *seen = json_array(), *one;
    size_t i;
    json_array_foreach (all, i, one) {
        bool is_his = json_is_true(json_object_get(one, "is_answerable"));
        json_array_append(is_his ? others : seen, one);
    }
    json_object_set_new(page, "has_others", json_boolean(json_array_size(others) > 0));
    json_object_set_new(page, "others", others);
    json_object_set_new(page, "has_seen", json_boolean(json_array_size(seen) > 0));
    json_object_set_new(page, "seen", seen);
    json_decref(all);
}

static int put_others(struct db *db, struct request *r, json_t *page, const struct person *p)
{
    AUTO(user_request_list_done) struct user_request_list list = {0};
    const char *of = request_query(r, "of");
    struct user_request_filter filter = {.answerer_id = p->id};
    int code = 0;
    if (p->is_admin && of && strcmp(of, "site") == 0) {
        filter = (struct user_request_filter){.is_open_only = true};
        code = access_audit(db, r, "view", "requests of", "the site");
    }
    if (code == 0)
        code = user_request_list(db, &filter, &list, &r->err);
    requests_put_cap(page, "others_cap", &list);
    put_by_answer(page, requests_list_json(r, p, &list, true));
    json_object_set_new(page, "is_admin", json_boolean(p->is_admin));
    return code;
}

static int fill(struct worker *w, struct request *r, const struct asking *sent,
                struct form_result *refused)
{
    struct person *p;
    json_t *page = page_new(r, "Requests", "requests");
    int code = access_person(w, r, &p);
    page_template(page, "pages/requests");
    if (code == 0)
        code = put_mine(w->db, r, page, p);
    if (code == 0)
        code = put_others(w->db, r, page, p);
    if (code < 0)
        return code;
    put_forms(r, page, p, sent, refused);
    json_object_set_new(page, "has_asked", json_boolean(request_query(r, "asked") != NULL));
    return 0;
}

int load_requests(void *local, struct request *r)
{
    return fill(local, r, NULL, NULL);
}

/* ---- asked */

/* "" is 0 where the form lets it be. */
static int64_t read_hours(struct request *r, struct form_result *f)
{
    struct err why;
    int64_t gpums = 0;
    const char *text = form_text(f, "hours");
    if (!*text || amount_parse(text, &gpums, &why) == 0)
        return gpums;
    const char *problem = arena_printf(r->arena, "GPU-hours: %s", why.text);
    form_complain(f, "hours", problem ? problem : "GPU-hours: not a number");
    return 0;
}

/* Where the refusal of a wish is shown. */
static const char *field_of(enum act_answer a)
{
    return a == ACT_TOO_MANY || a == ACT_OTHER_CONTENT || a == ACT_NOT_THERE ? NULL : "project";
}

static int refused(struct worker *w, struct request *r, const struct asking *a,
                   struct form_result *f, int status)
{
    int code = fill(w, r, a, f);
    if (code == 0)
        json_object_set_new(r->state, "status", json_integer(status));
    return code;
}

static int ask(struct worker *w, struct request *r, const struct asking *a)
{
    struct act_result result;
    int code = 0;
    struct form_result *f = deed_check(r, a->fields, a->count);
    bool has_hours = a->fields != join_fields;
    int64_t gpums = f && has_hours ? read_hours(r, f) : 0;
    if (!f)
        return -ENOMEM;
    if (f->problems)
        return refused(w, r, a, f, 422);
    struct act_wish wish = {.kind = a->kind,
                            .project = form_text(f, "project"),
                            .title = a->fields == project_fields ? form_text(f, "title") : "",
                            .gpums = gpums,
                            .note = form_text(f, "note")};
    struct act_by by = deed_by(r, f, "");
    struct db *db = worker_db(w, &code, &r->err);
    if (db)
        code = act_ask(db, &by, &wish, &result, &r->err);
    if (code < 0)
        return code;
    int status = deed_refuse(r, f, field_of(result.answer), &result);
    return status ? refused(w, r, a, f, status) : 0;
}

int load_ask_join(void *local, struct request *r)
{
    return ask(local, r, &askings[0]);
}

int load_ask_project(void *local, struct request *r)
{
    return ask(local, r, &askings[1]);
}

int load_ask_hours(void *local, struct request *r)
{
    return ask(local, r, &askings[2]);
}

/* The page again if there is one, with its status; otherwise on to `path`. */
static void show_or_go(struct request *r, int status, const char *path)
{
    if (status < 0)
        request_fail(r, status);
    else if (r->state)
        page_show_as(r, (int)json_integer_value(json_object_get(r->state, "status")));
    else
        request_redirect(r, path ? path : "/requests");
}

/* The same answer whether there is such a project or not. */
void show_asked(struct request *r, int status)
{
    show_or_go(r, status, "/requests?asked=1");
}

/* ---- one request */

struct found {
    const struct user_request *q;
    struct person *person;
    enum requests_may may;
};

static void drop_list(void *list)
{
    user_request_list_done(list);
}

static int find(struct worker *w, struct request *r, struct found *out)
{
    int64_t id;
    struct user_request_list *list = arena_alloc(r->arena, sizeof(*list));
    int code = list ? request_param_i64(r, "id", &id) : -ENOMEM;
    if (code == 0)
        code = access_person(w, r, &out->person);
    if (code == 0)
        code = user_request_get(w->db, id, list, &r->err);
    if (code < 0)
        return code;
    request_keep(r, drop_list, list);
    out->q = &list->rows[0];
    out->may = requests_may(out->person, out->q);
    if (out->may == REQUESTS_NOTHING)
        return err_set(&r->err, -ENOENT, "request %lld: not found", (long long)id);
    return 0;
}

/* What an administrator sees of others is noted, also when it is shown again with a refusal. */
static int note_look(struct db *db, struct request *r, const struct found *f)
{
    char number[24];
    if (f->may != REQUESTS_SEE_AS_ADMIN && f->may != REQUESTS_ANSWER_AS_ADMIN)
        return 0;
    snprintf(number, sizeof(number), "%lld", (long long)f->q->id);
    return access_audit(db, r, "view", "request", number);
}

static int show_one(struct worker *w, struct request *r, const struct found *f,
                    const struct form_result *form, int status)
{
    int code = note_look(w->db, r, f);
    if (code < 0)
        return code;
    json_t *page = page_new(r, "Request", "requests");
    const char *done = request_query(r, "done");
    page_template(page, "pages/request");
    json_object_set_new(page, "request", requests_json(r, f->q, f->may, form));
    json_object_set_new(page, "is_done", json_boolean(done != NULL));
    json_object_set_new(page, "problem",
                        json_string(form && form->problem ? form->problem : ""));
    json_object_set_new(page, "status", json_integer(status));
    if (f->q->project_id && person_membership(f->person, f->q->project_id))
        json_object_set_new(page, "project_path_name", json_string(f->q->project));
    return form ? 0 : -ENOMEM;
}

int load_request(void *local, struct request *r)
{
    struct worker *w = local;
    struct found f;
    int code = find(w, r, &f);
    return code < 0 ? code : show_one(w, r, &f, requests_form(r), 200);
}

int load_request_answer(void *local, struct request *r)
{
    struct worker *w = local;
    struct found found;
    struct act_result result;
    struct form_result *f = requests_check(r);
    int code = f ? find(w, r, &found) : -ENOMEM;
    if (code < 0)
        return code;
    if (f->problems)
        return show_one(w, r, &found, f, 422);
    struct act_by by = deed_by(r, f, NULL);
    code = act_answer(w->db, &by, found.q->id, form_number(f, "answer") == REQUESTS_APPROVE,
                      &result, &r->err);
    if (code == 0 && result.answer == ACT_NOT_THERE)
        code = err_set(&r->err, -ENOENT, "request %lld: not found", (long long)found.q->id);
    if (code < 0)
        return code;
    int status = deed_refuse(r, f, NULL, &result);
    return status ? show_one(w, r, &found, f, status) : 0;
}

int load_request_withdraw(void *local, struct request *r)
{
    static const struct form_field fields[] = {DEED_KEY};
    struct worker *w = local;
    struct found found;
    struct act_result result;
    struct form_result *f = deed_check(r, fields, COUNT(fields));
    int code = f ? find(w, r, &found) : -ENOMEM;
    if (code < 0)
        return code;
    if (f->problems)
        return show_one(w, r, &found, f, 422);
    struct act_by by = deed_by(r, f, "");
    code = act_withdraw(w->db, &by, found.q->id, &result, &r->err);
    if (code == 0 && result.answer == ACT_NOT_THERE)
        code = err_set(&r->err, -ENOENT, "request %lld: not found", (long long)found.q->id);
    if (code < 0)
        return code;
    int status = deed_refuse(r, f, NULL, &result);
    return status ? show_one(w, r, &found, f, status) : 0;
}

void show_request_answered(struct request *r, int status)
{
    const char *path = arena_printf(r->arena, "/requests/%s?done=1", request_param(r, "id"));
    show_or_go(r, status, path);
}
