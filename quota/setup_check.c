// SPDX-License-Identifier: Apache-2.0
/* Whether a JSON object is a set-up: every field known, of its kind and in its range. The first
 * fault is told with its place, like "projects.lattice.allocations[2]". Pure. */
#include <errno.h>
#include <string.h>

#include "quota/limit.h"
#include "quota/price_list.h"
#include "quota/project.h"
#include "quota/setup.h"
#include "quota/tenant.h"
#include "runner/base/jget.h"
#include "runner/base/parse.h"

enum { WHO_MAX = 140, ALLOCATIONS_MAX = 100000 };

static const int64_t GPUMS_MAX = INT64_C(1000000000000000000); /* far below what overflows */
static const int64_t TIME_MAX_MS = INT64_C(2678400000);      /* 31 days, the longest of a job */
static const int64_t MOMENT_MAX_MS = INT64_C(7289568000000); /* the end of 2200 */

/* What holds for each member of an object. */
typedef int member_fn(const char *key, const json_t *value, struct err *e);

static int each(const json_t *parent, const char *field, member_fn *check, struct err *e)
{
    json_t *object = json_object_get(parent, field), *value;
    const char *key;
    if (!object)
        return 0;
    if (!json_is_object(object))
        return err_set(e, -EINVAL, "%s: must be an object", field);
    json_object_foreach (object, key, value) {
        int r = check(key, value, e);
        if (r < 0)
            return err_wrap(e, -EINVAL, "%s.%.140s", field, key);
    }
    return 0;
}

static int each_of_list(const json_t *parent, const char *field, member_fn *check,
                        struct err *e)
{
    json_t *list = json_object_get(parent, field), *value;
    size_t i;
    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > ALLOCATIONS_MAX)
        return err_set(e, -EINVAL, "%s: must be a list of at most %d", field, ALLOCATIONS_MAX);
    json_array_foreach (list, i, value) {
        int r = check("", value, e);
        if (r < 0)
            return err_wrap(e, -EINVAL, "%s[%zu]", field, i);
    }
    return 0;
}

static int only(const json_t *o, const char *const *fields, struct err *e)
{
    if (!json_is_object(o))
        return err_set(e, -EINVAL, "must be an object");
    return jget_only(o, fields, e);
}

static int check_word(const json_t *o, const char *field, const char *const *words,
                      struct err *e)
{
    const char *word;
    int r = jget_text_or(o, field, 40, words[0], &word, e);
    for (size_t i = 0; r == 0 && words[i]; i++)
        if (!strcmp(words[i], word))
            return 0;
    return r < 0 ? r
                 : err_set(e, -EINVAL, "%s: '%s' is neither %s nor %s", field, word, words[0],
                           words[1]);
}

static const char *const states[] = {"open", "closed", NULL};

static int check_line(const json_t *o, const char *field, size_t max, struct err *e)
{
    const char *line;
    int r = jget_text_or(o, field, max, "", &line, e);
    return r < 0 ? r : change_check_text(field, line, max, e);
}

/* login@directory, or a number for one whose login several have had. */
static int check_who(const char *who, struct err *e)
{
    int64_t id;
    const char *at = strrchr(who, '@');
    size_t n = strlen(who);
    bool is_name = at && at != who && at[1];
    if (n > WHO_MAX || parse_has_control(who) ||
        (!is_name && parse_i64(who, 1, UINT32_MAX, &id) < 0))
        return err_set(e, -EINVAL, "write login@directory, like alice@north");
    return 0;
}

static int check_admin(const char *key, const json_t *value, struct err *e)
{
    (void)key;
    if (!json_is_string(value))
        return err_set(e, -EINVAL, "must be text, login@directory");
    return check_who(json_string_value(value), e);
}

static int check_tenant(const char *name, const json_t *t, struct err *e)
{
    static const char *const fields[] = {"title", "contact", "state", "admins", NULL};
    int r = change_check_name("tenant", name, e);
    if (r == 0)
        r = only(t, fields, e);
    if (r == 0)
        r = check_line(t, "title", TENANT_TITLE_MAX, e);
    if (r == 0)
        r = check_line(t, "contact", TENANT_CONTACT_MAX, e);
    if (r == 0)
        r = check_word(t, "state", states, e);
    return r < 0 ? r : each_of_list(t, "admins", check_admin, e);
}

static int check_member(const char *who, const json_t *role, struct err *e)
{
    const char *word = json_string_value(role);
    if (!word || (strcmp(word, "pi") && strcmp(word, "member")))
        return err_set(e, -EINVAL, "must be \"pi\" or \"member\"");
    return check_who(who, e);
}

static int check_share(const char *who, const json_t *gpums, struct err *e)
{
    if (!json_is_integer(gpums) || json_integer_value(gpums) < 1 ||
        json_integer_value(gpums) > GPUMS_MAX)
        return err_set(e, -EINVAL, "must be GPU-milliseconds, a whole number from 1 to %lld",
                       (long long)GPUMS_MAX);
    return check_who(who, e);
}

static int check_moment(const json_t *o, const char *field, struct err *e)
{
    const json_t *m = json_object_get(o, field);
    int64_t days;
    bool is_day = json_is_string(m) && parse_day(json_string_value(m), &days) == 0;
    bool is_ms = json_is_integer(m) && json_integer_value(m) >= 0 &&
                 json_integer_value(m) <= MOMENT_MAX_MS;
    if (!is_day && !is_ms)
        return err_set(e, -EINVAL,
                       "%s: must be a day like \"2026-11-01\", or milliseconds since 1970",
                       field);
    return 0;
}

static int check_allocation(const char *key, const json_t *a, struct err *e)
{
    static const char *const fields[] = {"from",          "until",  "state",
                                         "granted_gpums", "shares", NULL};
    int64_t gpums;
    (void)key;
    int r = only(a, fields, e);
    if (r == 0)
        r = check_moment(a, "from", e);
    if (r == 0)
        r = check_moment(a, "until", e);
    if (r == 0 && setup_moment_ms(json_object_get(a, "until")) <=
                      setup_moment_ms(json_object_get(a, "from")))
        r = err_set(e, -EINVAL, "until: must be later than from");
    if (r == 0)
        r = check_word(a, "state", states, e);
    if (r == 0)
        r = jget_i64(a, "granted_gpums", 0, GPUMS_MAX, &gpums, e);
    return r < 0 ? r : each(a, "shares", check_share, e);
}

static int check_project(const char *name, const json_t *p, struct err *e)
{
    static const char *const fields[] = {"tenant",  "title",       "state",
                                         "members", "allocations", NULL};
    const char *tenant;
    int r = change_check_name("project", name, e);
    if (r == 0)
        r = only(p, fields, e);
    if (r == 0)
        r = jget_text(p, "tenant", 64, &tenant, e);
    if (r == 0)
        r = change_check_name("tenant", tenant, e);
    if (r == 0)
        r = check_line(p, "title", PROJECT_TITLE_MAX, e);
    if (r == 0)
        r = check_word(p, "state", states, e);
    if (r == 0)
        r = each(p, "members", check_member, e);
    return r < 0 ? r : each_of_list(p, "allocations", check_allocation, e);
}

static int check_types(const json_t *l, struct err *e)
{
    const char *types;
    int r = jget_text_or(l, "types", LIMIT_TYPES_MAX, "", &types, e);
    for (const char *p = types; r == 0 && p && *types;
         p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        char type[PRICE_TYPE_MAX + 2];
        snprintf(type, sizeof(type), "%.*s", (int)strcspn(p, ","), p);
        r = price_list_check_type(type, e);
    }
    return r;
}

static int check_limit(const char *key, const json_t *l, struct err *e)
{
    static const char *const fields[] = {"gpus", "waiting", "time_limit_ms", "types", NULL};
    int64_t n;
    (void)key;
    int r = only(l, fields, e);
    if (r == 0)
        r = jget_i64_or(l, "gpus", 1, LIMIT_COUNT_MAX, 1, &n, e);
    if (r == 0)
        r = jget_i64_or(l, "waiting", 1, LIMIT_COUNT_MAX, 1, &n, e);
    if (r == 0)
        r = jget_i64_or(l, "time_limit_ms", 1, TIME_MAX_MS, 1, &n, e);
    return r < 0 ? r : check_types(l, e);
}

static int check_person_limit(const char *who, const json_t *l, struct err *e)
{
    int r = check_who(who, e);
    return r < 0 ? r : check_limit(who, l, e);
}

static int check_limits(const json_t *setup, struct err *e)
{
    static const char *const fields[] = {"everyone", "person", "project", "tenant", NULL};
    const json_t *limits = json_object_get(setup, "limits");
    if (!limits)
        return 0;
    int r = only(limits, fields, e);
    const json_t *everyone = r == 0 ? json_object_get(limits, "everyone") : NULL;
    if (everyone && (r = check_limit("", everyone, e)) < 0)
        err_wrap(e, r, "everyone");
    if (r == 0)
        r = each(limits, "person", check_person_limit, e);
    if (r == 0)
        r = each(limits, "project", check_limit, e);
    if (r == 0)
        r = each(limits, "tenant", check_limit, e);
    return r < 0 ? err_wrap(e, -EINVAL, "limits") : 0;
}

static int check_version(const char *key, const json_t *p, struct err *e)
{
    static const char *const fields[] = {"since", "weight_permille", NULL};
    int64_t weight;
    (void)key;
    int r = only(p, fields, e);
    if (r == 0)
        r = check_moment(p, "since", e);
    return r < 0 ? r : jget_i64(p, "weight_permille", 1, 100000, &weight, e);
}

static int check_price(const char *type, const json_t *versions, struct err *e)
{
    int r = price_list_check_type(type, e);
    size_t i;
    json_t *v;
    if (r == 0 && !json_is_array(versions))
        return err_set(e, -EINVAL, "must be a list of {since, weight_permille}");
    json_array_foreach (versions, i, v)
        if (r == 0 && (r = check_version("", v, e)) < 0)
            return err_wrap(e, r, "[%zu]", i);
    return r;
}

int setup_check(const json_t *setup, struct err *e)
{
    static const char *const fields[] = {"format", "site",   "tenants", "projects",
                                         "limits", "prices", NULL};
    int64_t format;
    int r = only(setup, fields, e);
    if (r == 0)
        r = jget_i64(setup, "format", SETUP_FORMAT, SETUP_FORMAT, &format, e);
    if (r == 0)
        r = each(setup, "tenants", check_tenant, e);
    if (r == 0)
        r = each(setup, "projects", check_project, e);
    if (r == 0)
        r = check_limits(setup, e);
    if (r == 0)
        r = each(setup, "prices", check_price, e);
    return r < 0 ? -EINVAL : 0;
}
