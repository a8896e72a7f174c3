// SPDX-License-Identifier: Apache-2.0
/* Makes a site like a set-up: compares what shall be with what is, and calls the module of
 * each thing that differs, in the order in which one needs the other; what closes comes
 * last.
 *
 * Each change has a key made of its content and of the last audit row of its object, so that
 * two who import the same at once change it once, and a change that is undone can be made
 * again. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "quota/member.h"
#include "quota/people.h"
#include "quota/project.h"
#include "quota/setup_internal.h"
#include "quota/tenant.h"
#include "runner/base/digest.h"
#include "runner/base/jget.h"

enum { KEY_DIGITS = 40 };

json_t *setup_at(const json_t *o, const char *section, const char *name)
{
    return json_object_get(json_object_get(o, section), name);
}

/* A text field, or what holds when it is left out. */
const char *setup_text(const json_t *o, const char *field, const char *other)
{
    const char *s = json_string_value(json_object_get(o, field));
    return s ? s : other;
}

bool setup_is_closed(const json_t *o)
{
    return !strcmp(setup_text(o, "state", "open"), "closed");
}

/* ---- steps */

static void report(struct setup_import *im, const char *answer, const char *note)
{
    const struct setup_change c = {answer, im->object, im->change, note};
    im->on_change(&c, im->arg);
}

static int last_change(struct setup_import *im, int64_t *out_id)
{
    return db_select_i64(im->db, SQL_SETUP_LAST, DB_ARGS(DB_STR(im->object)), out_id, im->e);
}

/* A key that was given makes the same keys again, whatever happened between. */
static int make_key(struct setup_import *im)
{
    AUTO(buf_done) struct buf b = BUF_INIT(SETUP_OBJECT_MAX + SETUP_TEXT_MAX + 200);
    char hex[DIGEST_HEX];
    int64_t last = 0;
    int r = im->by->key ? 0 : last_change(im, &last);
    if (r < 0)
        return r;
    buf_printf(&b, "%s\n%s\n%s\n%lld", im->by->key ? im->by->key : "", im->object, im->change,
               (long long)last);
    digest_sha256_hex(b.data, b.len, hex);
    snprintf(im->key, sizeof(im->key), "import-%.*s", KEY_DIGITS, hex);
    return 0;
}

/* A step begins: what is changed, and to what. */
int setup_step(struct setup_import *im, const char *object, const char *change, ...)
{
    va_list args;
    va_start(args, change);
    vsnprintf(im->change, sizeof(im->change), change, args);
    va_end(args);
    snprintf(im->object, sizeof(im->object), "%s", object);
    im->step_by = *im->by;
    im->step_by.key = im->key;
    return make_key(im);
}

void setup_object(char out[SETUP_OBJECT_MAX], const char *kind, const char *name)
{
    snprintf(out, SETUP_OBJECT_MAX, "%s %s", kind, name);
}

void setup_skip(struct setup_import *im, const char *note)
{
    im->refused++;
    report(im, "skipped", note);
}

/* And ends: a refusal is told and the others go on; the database's errors end it all. */
int setup_done(struct setup_import *im, int r, const enum change_answer *answer)
{
    if (r == -ENOENT || r == -EPERM || r == -EEXIST || r == -EINVAL) {
        im->refused++;
        report(im, "refused", im->e->text);
        return 0;
    }
    if (r < 0)
        return r;
    if (*answer == CHANGE_OTHER_CONTENT) {
        im->refused++;
        report(im, "refused", "its key was used for something else");
    } else {
        report(im,
               *answer == CHANGE_SAME   ? "done before"
               : im->step_by.is_dry_run ? "would be done"
                                        : "done",
               "");
    }
    return 0;
}

/* In a dry run what depends on what would be made first cannot be tried. */
bool setup_only_told(struct setup_import *im, bool needs_new)
{
    if (!im->by->is_dry_run || !needs_new)
        return false;
    report(im, "would be done", "");
    return true;
}

/* The number of a person, or 0: then the step is told as skipped. */
int setup_person(struct setup_import *im, const char *who, int64_t *out_id)
{
    int r = people_find(im->db, who, out_id, im->e);
    if (r == 0)
        return 0;
    *out_id = 0;
    if (r != -ENOENT && r != -EPERM)
        return r;
    setup_skip(im, r == -ENOENT ? "never logged in here: import again after the first login"
                                : "several people had this login: use `quota` with the number");
    return 0;
}

/* ---- tenants */

static int import_tenant(struct setup_import *im, const char *name, const json_t *want)
{
    const json_t *have = setup_at(im->have, "tenants", name);
    char object[SETUP_OBJECT_MAX];
    const char *title = setup_text(want, "title", NULL),
               *contact = setup_text(want, "contact", NULL);
    struct tenant_ask ask = {.name = name, .title = title, .contact = contact};
    enum change_answer answer = CHANGE_DONE;
    setup_object(object, "tenant", name);
    if (!have) {
        int r = setup_step(im, object, "add, title '%s' contact '%s'", title ? title : name,
                           contact ? contact : "");
        return r < 0 ? r
                     : setup_done(im, tenant_add(im->db, &im->step_by, &ask, &answer, im->e),
                                  &answer);
    }
    if (title && !strcmp(title, setup_text(have, "title", "")))
        ask.title = NULL;
    if (contact && !strcmp(contact, setup_text(have, "contact", "")))
        ask.contact = NULL;
    if (!setup_is_closed(want) && setup_is_closed(have) && json_object_get(want, "state"))
        ask.state = "open";
    if (!ask.title && !ask.contact && !ask.state)
        return 0;
    int r = setup_step(im, object, "set%s%s%s%s%s%s", ask.title ? " title " : "",
                       ask.title ? ask.title : "", ask.contact ? " contact " : "",
                       ask.contact ? ask.contact : "", ask.state ? " state " : "",
                       ask.state ? ask.state : "");
    return r < 0 ? r
                 : setup_done(im, tenant_set(im->db, &im->step_by, &ask, &answer, im->e),
                              &answer);
}

static bool list_has(const json_t *list, const char *word)
{
    size_t i;
    json_t *s;
    json_array_foreach (list, i, s)
        if (!strcmp(json_string_value(s), word))
            return true;
    return false;
}

static int import_admin(struct setup_import *im, const char *tenant, const char *who)
{
    char object[SETUP_OBJECT_MAX];
    struct tenant_admin_ask ask = {.tenant = tenant, .is_admin = true};
    enum change_answer answer = CHANGE_DONE;
    setup_object(object, "tenant", tenant);
    int r = setup_step(im, object, "appoint %s", who);
    if (r == 0)
        r = setup_person(im, who, &ask.person_id);
    if (r < 0 || !ask.person_id || setup_only_told(im, !setup_at(im->have, "tenants", tenant)))
        return r;
    return setup_done(im, tenant_set_admin(im->db, &im->step_by, &ask, &answer, im->e),
                      &answer);
}

static int import_tenants(struct setup_import *im)
{
    const char *name;
    json_t *t, *who;
    size_t i;
    int r = 0;
    json_object_foreach (json_object_get(im->want, "tenants"), name, t) {
        const json_t *have = json_object_get(setup_at(im->have, "tenants", name), "admins");
        r = import_tenant(im, name, t);
        json_array_foreach (json_object_get(t, "admins"), i, who)
            if (r == 0 && !list_has(have, json_string_value(who)))
                r = import_admin(im, name, json_string_value(who));
        if (r < 0)
            return r;
    }
    return r;
}

/* ---- projects and members */

static int import_project(struct setup_import *im, const char *name, const json_t *want)
{
    const json_t *have = setup_at(im->have, "projects", name);
    char object[SETUP_OBJECT_MAX];
    const char *tenant = setup_text(want, "tenant", ""),
               *title = setup_text(want, "title", NULL);
    struct project_ask ask = {.name = name, .title = title};
    enum change_answer answer = CHANGE_DONE;
    setup_object(object, "project", name);
    if (!have) {
        ask.tenant = tenant;
        int r =
            setup_step(im, object, "add, tenant %s title '%s'", tenant, title ? title : name);
        if (r < 0 || setup_only_told(im, !setup_at(im->have, "tenants", tenant)))
            return r;
        return setup_done(im, project_add(im->db, &im->step_by, &ask, &answer, im->e), &answer);
    }
    if (strcmp(tenant, setup_text(have, "tenant", ""))) {
        int r = setup_step(im, object, "move to tenant %s", tenant);
        if (r == 0)
            setup_skip(im, "a project never moves to another tenant");
        return r;
    }
    if (title && !strcmp(title, setup_text(have, "title", "")))
        ask.title = NULL;
    if (!setup_is_closed(want) && setup_is_closed(have) && json_object_get(want, "state"))
        ask.state = "open";
    if (!ask.title && !ask.state)
        return 0;
    int r = setup_step(im, object, "set%s%s%s%s", ask.title ? " title " : "",
                       ask.title ? ask.title : "", ask.state ? " state " : "",
                       ask.state ? ask.state : "");
    return r < 0 ? r
                 : setup_done(im, project_set(im->db, &im->step_by, &ask, &answer, im->e),
                              &answer);
}

static int import_member(struct setup_import *im, const char *project, const char *who,
                         const char *role)
{
    const json_t *members = json_object_get(setup_at(im->have, "projects", project), "members");
    const char *now = json_string_value(json_object_get(members, who));
    struct member_ask ask = {.project = project, .role = role};
    enum change_answer answer = CHANGE_DONE;
    char object[SETUP_OBJECT_MAX];
    if (now && !strcmp(now, role))
        return 0;
    setup_object(object, "project", project);
    int r = setup_step(im, object, "%s %s as %s", now ? "make" : "add", who, role);
    if (r == 0)
        r = setup_person(im, who, &ask.person_id);
    if (r < 0 || !ask.person_id || setup_only_told(im, !members))
        return r;
    r = (now ? member_set : member_add)(im->db, &im->step_by, &ask, &answer, im->e);
    return setup_done(im, r, &answer);
}

static int import_projects(struct setup_import *im)
{
    const char *name, *who;
    json_t *p, *role;
    json_object_foreach (json_object_get(im->want, "projects"), name, p) {
        const json_t *list = json_object_get(p, "allocations");
        int r = import_project(im, name, p);
        json_object_foreach (json_object_get(p, "members"), who, role)
            if (r == 0)
                r = import_member(im, name, who, json_string_value(role));
        for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
            r = setup_allocation(im, name, list, i);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- what closes, and the site itself */

static int close_one(struct setup_import *im, const char *section, const char *kind,
                     const char *name)
{
    char object[SETUP_OBJECT_MAX];
    enum change_answer answer = CHANGE_DONE;
    bool is_tenant = !strcmp(kind, "tenant");
    setup_object(object, kind, name);
    int r = setup_step(im, object, "close");
    if (r < 0 || setup_only_told(im, !setup_at(im->have, section, name)))
        return r;
    r = is_tenant
            ? tenant_set(im->db, &im->step_by,
                         &(struct tenant_ask){.name = name, .state = "closed"}, &answer, im->e)
            : project_set(im->db, &im->step_by,
                          &(struct project_ask){.name = name, .state = "closed"}, &answer,
                          im->e);
    return setup_done(im, r, &answer);
}

static int import_closed(struct setup_import *im, const char *section, const char *kind)
{
    const char *name;
    json_t *o;
    json_object_foreach (json_object_get(im->want, section), name, o) {
        if (!setup_is_closed(o) || setup_is_closed(setup_at(im->have, section, name)))
            continue;
        int r = close_one(im, section, kind, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static int tell_site(struct setup_import *im)
{
    static const char *const fields[] = {"name", "zone"};
    for (size_t i = 0; i < COUNT(fields); i++) {
        const char *want = json_string_value(setup_at(im->want, "site", fields[i]));
        const char *have = json_string_value(setup_at(im->have, "site", fields[i]));
        if (!want || !strcmp(want, have))
            continue;
        int r = setup_step(im, "site", "%s %s, here %s", fields[i], want, have);
        if (r < 0)
            return r;
        setup_skip(im, "set by `quota db init`, for good");
    }
    return 0;
}

int setup_apply(struct db *db, const struct change_by *by, const json_t *want,
                setup_fn *on_change, void *arg, size_t *out_refused, struct err *e)
{
    AUTO(json_freep) json_t *have = NULL;
    struct err why = {""};
    struct setup_import im = {
        .db = db, .by = by, .want = want, .on_change = on_change, .arg = arg, .e = &why};
    int r = setup_read(db, true, &have, &why);
    im.have = have;
    static int (*const steps[])(struct setup_import *) = {
        tell_site, import_tenants, setup_prices, import_projects, setup_limits};
    if (r == 0)
        r = db_select_i64(db, SQL_NOW, DB_NO_ARGS, &im.now_ms, &why);
    for (size_t i = 0; r == 0 && i < COUNT(steps); i++)
        r = steps[i](&im);
    if (r == 0)
        r = import_closed(&im, "projects", "project");
    if (r == 0)
        r = import_closed(&im, "tenants", "tenant");
    *out_refused = im.refused;
    return r < 0 ? err_set(e, r, "%s", why.text) : 0;
}
