// SPDX-License-Identifier: Apache-2.0
/* A new job: its form, and the same form again with what is wrong, the number and the
 * remedy. The form carries a random key: sent twice, it makes one job. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portal/access.h"
#include "portal/form.h"
#include "portal/job_facts.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/place.h"
#include "portal/portal.h"
#include "portal/runner_link.h"
#include "portal/session.h"
#include "portal/shown.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"

static const char *const kinds[] = {"batch", "distributed", NULL};

enum {
    GPUS = 3,
    NODES = 4,
    TIME_LIMIT = 5,
    FIELDS = 12
}; /* places of those that the cluster limits */

static const struct form_field form_fields[FIELDS] = {
    {"key", "Key of the form", FORM_TEXT, .is_required = true, .min = 32, .max = 32},
    {"project", "Project", FORM_SLUG, .is_required = true, .max = 32},
    {"name", "Name", FORM_TEXT, .is_required = true, .min = 1, .max = SPEC_NAME_MAX},
    [GPUS] = {"gpus_per_node", "GPUs", FORM_INT, .is_required = true, .min = 1, .value = "1"},
    [NODES] = {"nodes", "Nodes", FORM_INT, .min = 1, .value = "1"},
    [TIME_LIMIT] = {"time_limit", "Time limit", FORM_DURATION, .is_required = true, .min = 1000,
                    .value = "1h"},
    {"script", "Command or script", FORM_LINES, .is_required = true, .min = 1,
     .max = SPEC_SCRIPT_MAX},
    {"kind", "Kind", FORM_CHOICE, .choices = kinds, .value = "batch"},
    {"gpu_type", "GPU type", FORM_TEXT, .min = 1, .max = 32, .value = "any"},
    {"memory", "Memory per node", FORM_SIZE, .max = INT64_C(1) << 46},
    {"checkpoint", "Can be suspended", FORM_BOOL},
    {"allocation", "Allocation", FORM_INT, .min = 1, .max = INT32_MAX},
};

/* The fields with the limits of this cluster; the arena's. */
static struct form_field *limited(struct request *r, const struct spec_limits *limits)
{
    struct form_field *fields = arena_alloc(r->arena, sizeof(form_fields));
    if (!fields)
        return NULL;
    memcpy(fields, form_fields, sizeof(form_fields));
    fields[GPUS].max = limits->gpus_per_node;
    fields[NODES].max = limits->nodes;
    fields[TIME_LIMIT].max = limits->time_limit_ms;
    return fields;
}

/* ---- the page */

static json_t *projects_json(struct request *r, const struct person *p, const char *chosen)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        int64_t free_gpums = person_free_gpums(p, m->project_id);
        if (!m->is_open)
            continue;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:b}", "name", m->project,
                                              "project_title", m->title, "free",
                                              shown_hours(r->arena, free_gpums), "free_gpums",
                                              (json_int_t)free_gpums, "selected",
                                              strcmp(m->project, chosen) == 0));
    }
    return list;
}

/* An allocation to choose, with what of it is free for him. */
static json_t *choice_json(struct arena *a, const struct balance *b, int64_t chosen)
{
    int64_t free_gpums = b->free_gpums;
    if (b->has_share && b->share_free_gpums < free_gpums)
        free_gpums = b->share_free_gpums;
    return json_pack("{s:I, s:s, s:s, s:I, s:b}", "allocation", (json_int_t)b->allocation_id,
                     "until", shown_date(a, b->until_ms - 1), "allocation_free",
                     shown_hours(a, free_gpums), "allocation_free_gpums",
                     (json_int_t)free_gpums, "selected", b->allocation_id == chosen);
}

/* The projects with several allocations that take jobs, by end of term: where there is one,
 * there is nothing to choose. */
static json_t *choices_json(struct request *r, const struct person *p, const char *text)
{
    json_t *list = json_array();
    int64_t chosen = 0;
    if (parse_i64(text, 1, INT32_MAX, &chosen) < 0)
        chosen = 0;
    for (size_t i = 0; i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        json_t *own = json_array();
        for (size_t k = 0; k < p->balance_count; k++)
            if (p->balances[k].project_id == m->project_id && p->balances[k].is_open)
                json_array_append_new(own, choice_json(r->arena, &p->balances[k], chosen));
        if (m->is_open && json_array_size(own) > 1)
            json_array_append_new(
                list, json_pack("{s:s, s:O}", "chosen_project", m->project, "choices", own));
        json_decref(own);
    }
    return list;
}

static json_t *types_json(struct request *r, const struct cluster *c, const char *chosen)
{
    json_t *list = json_array();
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:I, s:b}", "type", "any", "label", "any type",
                                    "weight", (json_int_t)cluster_weight(c, "any"), "selected",
                                    strcmp(chosen, "any") == 0));
    for (size_t i = 0; i < c->price_count; i++) {
        const struct gpu_price *p = &c->prices[i];
        const char *label = p->weight_permille == 1000
                                ? p->type
                                : arena_printf(r->arena, "%s (counts %s)", p->type,
                                               shown_weight(r->arena, p->weight_permille));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:b}", "type", p->type, "label",
                                              label ? label : p->type, "weight",
                                              (json_int_t)p->weight_permille, "selected",
                                              strcmp(chosen, p->type) == 0));
    }
    return list;
}

/* Is any of the fields that are folded away filled in, or wrong? Then they are shown. */
static bool is_advanced(const struct form_result *f)
{
    static const char *const names[] = {"nodes", "kind", "gpu_type", "memory", "checkpoint"};
    for (size_t i = 0; i < f->count; i++) {
        const struct form_value *v = &f->values[i];
        for (size_t k = 0; k < COUNT(names); k++)
            if (strcmp(v->field->name, names[k]) == 0 &&
                (v->problem || strcmp(v->text, v->field->value ? v->field->value : "") != 0))
                return true;
    }
    return false;
}

static int fill(struct worker *w, struct request *r, const struct form_result *f)
{
    const struct cluster *c;
    struct person *p;
    int code = f ? access_person(w, r, &p) : -ENOMEM;
    if (code == 0)
        code = worker_cluster(w, &c, &r->err);
    if (code < 0)
        return code;
    struct spec_limits limits = cluster_limits(c, w->portal->conf.time_limit_max_ms);
    json_t *page = page_new(r, "New job", "new");
    json_t *projects = projects_json(r, p, form_text(f, "project"));
    json_t *choices = choices_json(r, p, form_text(f, "allocation"));
    page_template(page, "pages/job_new");
    json_object_set_new(page, "form", form_json(f));
    json_object_set_new(page, "has_projects", json_boolean(json_array_size(projects) > 0));
    json_object_set_new(page, "projects", projects);
    json_object_set_new(page, "has_choices", json_boolean(json_array_size(choices) > 0));
    json_object_set_new(page, "choices_of", choices);
    json_object_set_new(page, "types", types_json(r, c, form_text(f, "gpu_type")));
    json_object_set_new(page, "gpus_max", json_integer((json_int_t)limits.gpus_per_node));
    json_object_set_new(page, "nodes_max", json_integer((json_int_t)limits.nodes));
    json_object_set_new(page, "is_cluster_known", json_boolean(c->nodes > 0));
    json_object_set_new(page, "time_max",
                        json_string(shown_duration(r->arena, limits.time_limit_ms)));
    json_object_set_new(page, "is_advanced", json_boolean(is_advanced(f)));
    json_object_set_new(page, "token", json_string(session_form_token(r, "POST /jobs")));
    return 0;
}

static const char *new_key(struct request *r)
{
    char key[LEDGER_KEY_LEN + 1];
    random_hex(key, LEDGER_KEY_LEN / 2);
    const char *copy = arena_dup(r->arena, key);
    return copy ? copy : "";
}

static void set_text(struct form_result *f, const char *name, const char *text)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].field->name, name) == 0)
            f->values[i].text = text;
}

static const char *number_text(struct request *r, int64_t n, const char *unit)
{
    const char *text = arena_printf(r->arena, "%lld%s", (long long)n, unit);
    return text ? text : "";
}

/* The values of an earlier job, for ?from=JOB. */
static void copy_spec(struct request *r, struct form_result *f, const struct spec *s)
{
    char limit[32];
    parse_duration_text(s->time_limit_ms, limit);
    const char *clock = strrchr(limit, ' ') ? NULL : arena_dup(r->arena, limit);
    set_text(f, "project", s->project);
    set_text(f, "name", s->name);
    set_text(f, "gpus_per_node", number_text(r, s->gpus_per_node, ""));
    set_text(f, "nodes", number_text(r, s->nodes, ""));
    set_text(f, "time_limit", clock ? clock : number_text(r, s->time_limit_ms / 1000, "s"));
    set_text(f, "kind", spec_kind_name(s->kind));
    set_text(f, "gpu_type", s->gpu_type);
    if (s->allocation)
        set_text(f, "allocation", number_text(r, s->allocation, ""));
    if (s->memory_bytes)
        set_text(f, "memory", number_text(r, s->memory_bytes, ""));
    set_text(f, "checkpoint", s->checkpoint ? "yes" : "");
    set_text(f, "script", s->script ? s->script : job_command_text(r->arena, s->command));
}

static void free_spec(void *spec)
{
    spec_free(spec);
}

/* Who may see the request of the job named by ?from= gets a form filled in with it. */
static int copy_job(struct worker *w, struct request *r, struct form_result *f,
                    const char *from)
{
    AUTO(cleanup_free) char *text = NULL;
    struct access_found found;
    struct spec *s = NULL;
    struct pair id = {"id", from};
    struct pairs params = r->params;
    r->params = (struct pairs){&id, 1};
    int code = access_job(w, r, ACCESS_FILES, "clone", &found);
    r->params = params;
    if (code == 0)
        code = jobs_spec(w->db, found.job->id, &text, &r->err);
    if (code == 0)
        code = spec_load(text, strlen(text), &s, &r->err);
    if (code < 0)
        return code;
    request_keep(r, free_spec, s);
    copy_spec(r, f, s);
    return 0;
}

int load_job_new(void *local, struct request *r)
{
    struct worker *w = local;
    const struct cluster *c;
    const char *from = request_query(r, "from"), *project = request_query(r, "project");
    int code = worker_cluster(w, &c, &r->err);
    if (code < 0)
        return code;
    struct spec_limits limits = cluster_limits(c, w->portal->conf.time_limit_max_ms);
    struct form_field *fields = limited(r, &limits);
    struct form_result *f = fields ? form_empty(r->arena, fields, FIELDS) : NULL;
    if (!f)
        return -ENOMEM;
    set_text(f, "key", new_key(r));
    if (project)
        set_text(f, "project", project);
    if (from)
        code = copy_job(w, r, f, from);
    return code < 0 ? code : fill(w, r, f);
}

/* ---- sent */

static json_t *asked_json(const struct form_result *f)
{
    json_t *asked = json_pack(
        "{s:s, s:I, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:b}", "project",
        form_text(f, "project"), "allocation", (json_int_t)form_number(f, "allocation"), "name",
        form_text(f, "name"), "gpus_per_node", (json_int_t)form_number(f, "gpus_per_node"),
        "nodes", (json_int_t)(form_given(f, "nodes") ? form_number(f, "nodes") : 1),
        "time_limit_ms", (json_int_t)form_number(f, "time_limit"), "script",
        form_text(f, "script"), "kind", kinds[form_number(f, "kind")], "gpu_type",
        form_text(f, "gpu_type"), "memory_bytes", (json_int_t)form_number(f, "memory"),
        "checkpoint", form_number(f, "checkpoint") != 0);
    return asked;
}

/* The request's field as the form calls it; NULL: none of the form's. */
static const char *form_name(const struct form_result *f, const char *field)
{
    if (strcmp(field, "time_limit_ms") == 0)
        return "time_limit";
    if (strcmp(field, "memory_bytes") == 0)
        return "memory";
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].field->name, field) == 0)
            return f->values[i].field->name;
    return NULL;
}

static int refill(struct worker *w, struct request *r, struct form_result *f,
                  const struct placed *placed)
{
    const struct refusal *why = &placed->refusal;
    if (placed->result.answer == PLACE_OTHER_CONTENT)
        set_text(f, "key", new_key(r));
    else
        form_complain(f, form_name(f, why->field), why->at_field ? why->at_field : why->detail);
    int code = fill(w, r, f);
    if (code < 0)
        return code;
    json_t *page = r->state;
    json_object_set_new(page, "refusal",
                        json_pack("{s:s, s:s}", "refused", why->detail, "remedy", why->remedy));
    json_object_set_new(page, "status", json_integer(why->status));
    if (placed->result.answer == PLACE_OTHER_CONTENT)
        json_object_set_new(page, "earlier_job", json_integer((json_int_t)placed->result.job));
    return 0;
}

int load_place(void *local, struct request *r)
{
    struct worker *w = local;
    const struct cluster *c;
    struct placed placed;
    int code = worker_cluster(w, &c, &r->err);
    if (code < 0)
        return code;
    struct spec_limits limits = cluster_limits(c, w->portal->conf.time_limit_max_ms);
    struct form_field *fields = limited(r, &limits);
    struct form_result *f = fields ? form_check(r->arena, fields, FIELDS, &r->form) : NULL;
    if (!f)
        return -ENOMEM;
    if (!place_is_key(form_text(f, "key"))) {
        form_complain(f, NULL, "The form was not whole. Look it over and send it again.");
        set_text(f, "key", new_key(r));
    }
    if (f->problems)
        return fill(w, r, f);
    AUTO(json_freep) json_t *asked = asked_json(f);
    code = place_job(w, r, asked, form_text(f, "key"), &placed);
    if (code < 0 || !placed.is_placed)
        return code < 0 ? code : refill(w, r, f, &placed);
    int64_t *job = arena_alloc(r->arena, sizeof(*job));
    if (!job)
        return -ENOMEM; /* the job exists; sent again, the form leads to it */
    *job = placed.result.job;
    r->state = job;
    return 1;
}

void show_placed(struct request *r, int status)
{
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    if (status == 0) {
        json_t *http = json_object_get(r->state, "status");
        page_show_as(r, http ? (int)json_integer_value(http) : 422);
        return;
    }
    runner_knock(portal_of(r)->runner);
    const char *path = arena_printf(r->arena, "/jobs/%lld", (long long)*(int64_t *)r->state);
    request_redirect(r, path ? path : "/jobs");
}
