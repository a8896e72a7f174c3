// SPDX-License-Identifier: Apache-2.0
/* One sentence for each kind of request, and the forms to answer it. */
#include "portal/requests.h"

#include <string.h>

#include "portal/deed.h"
#include "portal/session.h"
#include "portal/shown.h"

static const char *const answers[] = {"approve", "deny", NULL};
static const struct form_field answer_fields[] = {
    DEED_KEY,
    {"answer", "Answer", FORM_CHOICE, .is_required = true, .choices = answers},
    DEED_REASON,
};

struct form_result *requests_form(struct request *r)
{
    return deed_form(r, answer_fields, COUNT(answer_fields));
}

struct form_result *requests_check(struct request *r)
{
    return deed_check(r, answer_fields, COUNT(answer_fields));
}

/* Whose word decides: of a request for a project that is not there, nobody's. */
static struct access_object object_of(const struct user_request *q)
{
    if (strcmp(q->kind, "project") == 0)
        return (struct access_object){0, 0, q->tenant_id};
    return (struct access_object){0, q->project_id, q->project_tenant_id};
}

enum requests_may requests_may(const struct person *p, const struct user_request *q)
{
    bool is_open = strcmp(q->state, "open") == 0;
    bool is_answered_here = strcmp(q->kind, "hours") != 0;
    struct access_object object = object_of(q);
    if (q->person_id == p->id && is_open)
        return REQUESTS_WITHDRAW;
    if (q->person_id == p->id)
        return REQUESTS_SEE;
    enum access may = access_may(p, ACCESS_REPORT, object);
    if (may == ACCESS_NO)
        return REQUESTS_NOTHING;
    bool is_there = object.project_id || object.tenant_id;
    if (is_open && is_answered_here && is_there)
        return may == ACCESS_AUDITED ? REQUESTS_ANSWER_AS_ADMIN : REQUESTS_ANSWER;
    return may == ACCESS_AUDITED ? REQUESTS_SEE_AS_ADMIN : REQUESTS_SEE;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* "to join climate" */
static const char *what_text(struct arena *a, const struct user_request *q)
{
    const char *hours = shown_hours(a, q->gpums);
    if (strcmp(q->kind, "join") == 0)
        return or_empty(arena_printf(a, "to join the project %s", q->project));
    if (strcmp(q->kind, "hours") == 0)
        return or_empty(arena_printf(a, "%s more GPU-hours for %s", hours, q->project));
    return or_empty(q->gpums ? arena_printf(a, "a new project %s (%s) with %s GPU-hours",
                                            q->project, q->title, hours)
                             : arena_printf(a, "a new project %s (%s)", q->project, q->title));
}

static const char *state_text(const struct user_request *q)
{
    if (strcmp(q->state, "open") == 0)
        return strcmp(q->kind, "hours") == 0 ? "waits for the site's administrators"
                                             : "not answered yet";
    return q->state;
}

static const char *tone(const struct user_request *q)
{
    return strcmp(q->state, "open") == 0       ? "wait"
           : strcmp(q->state, "approved") == 0 ? "good"
           : strcmp(q->state, "denied") == 0   ? "bad"
                                               : "off";
}

json_t *requests_json(struct request *r, const struct user_request *q, enum requests_may may,
                      const struct form_result *form)
{
    bool is_withdrawing = may == REQUESTS_WITHDRAW;
    bool is_answering = may == REQUESTS_ANSWER || may == REQUESTS_ANSWER_AS_ADMIN;
    const char *path = arena_printf(r->arena, "/requests/%lld/%s", (long long)q->id,
                                    is_withdrawing ? "withdraw" : "answer");
    json_t *j =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "request_id",
                  (json_int_t)q->id, "asker", q->name, "asker_login", q->login, "directory",
                  q->directory, "what", what_text(r->arena, q), "note", q->note, "asked",
                  shown_time(r->arena, q->at_ms), "request_state", state_text(q), "tone",
                  tone(q), "answered_by", q->answered_by, "answer", q->answer, "answered",
                  shown_time(r->arena, q->answered_ms));
    bool is_hours = strcmp(q->kind, "hours") == 0 && strcmp(q->state, "open") == 0;
    json_object_set_new(j, "is_by_command", json_boolean(is_hours && session_of(r)->is_admin));
    json_object_set_new(j, "is_mine", json_boolean(q->person_id == session_of(r)->person_id));
    json_object_set_new(j, "is_withdrawable", json_boolean(is_withdrawing));
    json_object_set_new(j, "is_answerable", json_boolean(is_answering));
    if (form && (is_withdrawing || is_answering))
        json_object_set_new(j, "form", deed_json(r, form, or_empty(path)));
    return j;
}

json_t *requests_list_json(struct request *r, const struct person *p,
                           const struct user_request_list *l, bool is_open)
{
    json_t *list = json_array();
    for (size_t i = 0; i < l->count; i++) {
        const struct user_request *q = &l->rows[i];
        if ((strcmp(q->state, "open") == 0) != is_open)
            continue;
        json_array_append_new(list, requests_json(r, q, requests_may(p, q), requests_form(r)));
    }
    return list;
}

void requests_put_cap(json_t *page, const char *name, const struct user_request_list *l)
{
    if (l->count >= USER_REQUESTS_MAX)
        json_object_set_new(page, name, json_pack("{s:i}", "newest", USER_REQUESTS_MAX));
}
