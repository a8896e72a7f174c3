// SPDX-License-Identifier: Apache-2.0
/* The part of an import that is about GPU-time: allocations, shares, limits, prices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/allocation.h"
#include "quota/limit.h"
#include "quota/posting.h"
#include "quota/price_list.h"
#include "quota/project.h"
#include "quota/setup_internal.h"
#include "quota/tenant.h"

/* ---- allocations and shares */

static int done_posting(struct setup_import *im, int r, const struct posting_result *res)
{
    static const enum change_answer answers[] = {[POSTING_DONE] = CHANGE_DONE,
                                                 [POSTING_SAME] = CHANGE_SAME,
                                                 [POSTING_OTHER_CONTENT] =
                                                     CHANGE_OTHER_CONTENT};
    if (r == 0 && res->answer >= COUNT(answers))
        r = err_set(im->e, -EPERM, "the ledger refuses it: %s",
                    res->answer == POSTING_CLOSED       ? "closed, or its term is over"
                    : res->answer == POSTING_TOO_LITTLE ? "more is held and used already"
                    : res->answer == POSTING_NO_PERSON  ? "not a member"
                                                        : "see the verb that does it alone");
    enum change_answer answer = r < 0 ? CHANGE_DONE : answers[res->answer];
    return setup_done(im, r, &answer);
}

static bool has_term(const json_t *a, const json_t *b)
{
    return setup_moment_ms(json_object_get(a, "from")) ==
               setup_moment_ms(json_object_get(b, "from")) &&
           setup_moment_ms(json_object_get(a, "until")) ==
               setup_moment_ms(json_object_get(b, "until"));
}

/* The one of `have` with the term of want[i]: the third with it matches the third. */
static const json_t *find_twin(const json_t *want, size_t i, const json_t *have)
{
    const json_t *a = json_array_get(want, i);
    size_t before = 0;
    for (size_t k = 0; k < i; k++)
        before += has_term(json_array_get(want, k), a);
    for (size_t k = 0; k < json_array_size(have); k++)
        if (has_term(json_array_get(have, k), a) && before-- == 0)
            return json_array_get(have, k);
    return NULL;
}

static const char *moment_text(const json_t *m, char out[24])
{
    if (json_is_string(m))
        return json_string_value(m);
    snprintf(out, 24, "%lld ms", (long long)json_integer_value(m));
    return out;
}

/* Opens one; *out_number 0: it was not. The `nth` of the project in the file. */
static int open_allocation(struct setup_import *im, const char *project, const json_t *want,
                           size_t nth, int64_t *out_number)
{
    char object[SETUP_OBJECT_MAX], from[24], until[24];
    const json_t *first = json_object_get(want, "from"), *last = json_object_get(want, "until");
    struct posting_result res = {0};
    struct posting_ask ask = {
        .project = project,
        .from_ms = setup_moment_ms(first),
        .until_ms = setup_moment_ms(last),
        .gpums = json_integer_value(json_object_get(want, "granted_gpums")),
        .reference = "",
    };
    setup_object(object, "project", project);
    int r = setup_step(im, object, "grant %lld gpums from %s until %s (allocation %zu)",
                       (long long)ask.gpums, moment_text(first, from), moment_text(last, until),
                       nth + 1);
    bool is_over = ask.until_ms <= im->now_ms;
    if (r == 0 && (ask.gpums == 0 || is_over))
        setup_skip(im, is_over
                           ? "its term is over"
                           : "nothing is granted in it; `quota grant` opens one with GPU-time");
    if (r < 0 || ask.gpums == 0 || is_over ||
        setup_only_told(im, !setup_at(im->have, "projects", project)))
        return r;
    r = posting_open(im->db, &im->step_by, &ask, &res, im->e);
    *out_number = r == 0 && res.answer <= POSTING_SAME ? res.number : 0;
    return done_posting(im, r, &res);
}

static int import_share(struct setup_import *im, int64_t allocation, const char *who,
                        int64_t gpums)
{
    char object[SETUP_OBJECT_MAX];
    struct posting_result res = {0};
    struct posting_ask ask = {.allocation = allocation, .gpums = gpums, .reference = ""};
    snprintf(object, sizeof(object), "allocation %lld", (long long)allocation);
    int r = setup_step(im, object, "share of %s: %lld gpums", who, (long long)gpums);
    if (r == 0)
        r = setup_person(im, who, &ask.person_id);
    if (r < 0 || !ask.person_id || setup_only_told(im, !allocation))
        return r;
    return done_posting(im, posting_share(im->db, &im->step_by, &ask, &res, im->e), &res);
}

static int set_allocation(struct setup_import *im, int64_t number, bool is_open)
{
    char object[SETUP_OBJECT_MAX];
    enum change_answer answer = CHANGE_DONE;
    snprintf(object, sizeof(object), "allocation %lld", (long long)number);
    int r = setup_step(im, object, is_open ? "open" : "close");
    if (r < 0 || setup_only_told(im, !number))
        return r;
    return setup_done(
        im, allocation_set_open(im->db, &im->step_by, number, is_open, &answer, im->e),
        &answer);
}

static int tell_granted(struct setup_import *im, int64_t number, int64_t want, int64_t have)
{
    char object[SETUP_OBJECT_MAX];
    snprintf(object, sizeof(object), "allocation %lld", (long long)number);
    int r = setup_step(im, object, "granted %lld gpums, here %lld", (long long)want,
                       (long long)have);
    if (r == 0)
        setup_skip(
            im, "GPU-time is granted only in new allocations; `quota grant` and `quota revoke` "
                "change it");
    return r;
}

int setup_allocation(struct setup_import *im, const char *project, const json_t *list, size_t i)
{
    const json_t *want = json_array_get(list, i);
    const json_t *have = find_twin(
        list, i, json_object_get(setup_at(im->have, "projects", project), "allocations"));
    int64_t number = json_integer_value(json_object_get(have, "number"));
    int64_t gpums = json_integer_value(json_object_get(want, "granted_gpums"));
    int64_t gpums_now = json_integer_value(json_object_get(have, "granted_gpums"));
    bool was_closed = have && setup_is_closed(have), is_told = have || im->by->is_dry_run;
    const char *who;
    json_t *share;
    int r = have ? 0 : open_allocation(im, project, want, i, &number);
    if (r == 0 && have && gpums != gpums_now)
        r = tell_granted(im, number, gpums, gpums_now);
    json_object_foreach (json_object_get(want, "shares"), who, share) {
        const json_t *now = json_object_get(json_object_get(have, "shares"), who);
        if (r == 0 && (is_told || number) && !json_equal(share, now))
            r = import_share(im, number, who, json_integer_value(share));
    }
    if (r == 0 && (is_told || number) && setup_is_closed(want) != was_closed &&
        json_object_get(want, "state"))
        r = set_allocation(im, number, was_closed);
    return r;
}

/* ---- limits */

static int find_scope(struct setup_import *im, struct limit_ask *ask, const char *name)
{
    switch (ask->scope) {
    case LIMIT_PERSON:
        return setup_person(im, name, &ask->id);
    case LIMIT_PROJECT:
        ask->name = name;
        return project_find(im->db, name, &ask->id, NULL, im->e);
    case LIMIT_TENANT:
        ask->name = name;
        return tenant_find(im->db, name, &ask->id, im->e);
    default:
        return 0;
    }
}

static int import_limit(struct setup_import *im, enum limit_scope scope, const char *name,
                        const json_t *want)
{
    const char *word = limit_scope_name(scope);
    const json_t *have = setup_at(im->have, "limits", word);
    AUTO(cleanup_free) char *words = NULL;
    char object[SETUP_OBJECT_MAX];
    enum change_answer answer = CHANGE_DONE;
    struct limit_ask ask = {
        .scope = scope,
        .fields = LIMIT_GPUS | LIMIT_WAITING | LIMIT_TIME | LIMIT_TYPES,
        .to = {json_integer_value(json_object_get(want, "gpus")),
               json_integer_value(json_object_get(want, "waiting")),
               json_integer_value(json_object_get(want, "time_limit_ms")),
               setup_text(want, "types", "")},
    };
    if (*name)
        have = json_object_get(have, name);
    if (have && json_equal(have, want))
        return 0;
    words = json_dumps(want, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(object, sizeof(object), "limit %s%s%.120s", word, *name ? " " : "", name);
    int r = setup_step(im, object, "%s", words ? words : "");
    if (r < 0 || setup_only_told(
                     im, (scope == LIMIT_PROJECT && !setup_at(im->have, "projects", name)) ||
                             (scope == LIMIT_TENANT && !setup_at(im->have, "tenants", name))))
        return r;
    r = find_scope(im, &ask, name);
    if (r == 0 && scope != LIMIT_EVERYONE && !ask.id)
        return 0;
    if (r == 0)
        r = limit_set(im->db, &im->step_by, &ask, &answer, im->e);
    return setup_done(im, r, &answer);
}

int setup_limits(struct setup_import *im)
{
    const json_t *limits = json_object_get(im->want, "limits");
    const json_t *everyone = json_object_get(limits, "everyone");
    const char *name;
    json_t *l;
    int r = everyone ? import_limit(im, LIMIT_EVERYONE, "", everyone) : 0;
    for (enum limit_scope s = LIMIT_PERSON; r == 0 && s <= LIMIT_TENANT; s++) {
        json_object_foreach (json_object_get(limits, limit_scope_name(s)), name, l)
            if (r == 0)
                r = import_limit(im, s, name, l);
    }
    return r;
}

/* ---- prices: the one that counts now, and those to come */

static const json_t *price_now(const json_t *versions, int64_t now_ms)
{
    const json_t *best = NULL;
    size_t i;
    json_t *v;
    json_array_foreach (versions, i, v) {
        int64_t since = setup_moment_ms(json_object_get(v, "since"));
        if (since <= now_ms &&
            (!best || since >= setup_moment_ms(json_object_get(best, "since"))))
            best = v;
    }
    return best;
}

static int64_t weight_of(const json_t *version)
{
    return json_integer_value(json_object_get(version, "weight_permille"));
}

static int set_price(struct setup_import *im, const char *type, int64_t weight,
                     const json_t *since)
{
    char object[SETUP_OBJECT_MAX], when[24];
    enum change_answer answer = CHANGE_DONE;
    struct price_ask ask = {type, weight, since ? setup_moment_ms(since) : 0};
    setup_object(object, "price", type);
    int r = setup_step(im, object, "weight %lld per mille since %s", (long long)weight,
                       since ? moment_text(since, when) : "now");
    return r < 0 ? r
                 : setup_done(im, price_list_set(im->db, &im->step_by, &ask, &answer, im->e),
                              &answer);
}

static bool has_version(const json_t *versions, const json_t *v)
{
    size_t i;
    json_t *h;
    json_array_foreach (versions, i, h)
        if (weight_of(h) == weight_of(v) && setup_moment_ms(json_object_get(h, "since")) ==
                                                setup_moment_ms(json_object_get(v, "since")))
            return true;
    return false;
}

static int import_price(struct setup_import *im, const char *type, const json_t *want)
{
    const json_t *have = setup_at(im->have, "prices", type);
    const json_t *now = price_now(want, im->now_ms);
    size_t i;
    json_t *v;
    int r = 0;
    if (now && weight_of(now) != weight_of(price_now(have, im->now_ms)))
        r = set_price(im, type, weight_of(now), NULL);
    json_array_foreach (want, i, v) {
        const json_t *since = json_object_get(v, "since");
        if (r == 0 && setup_moment_ms(since) > im->now_ms && !has_version(have, v))
            r = set_price(im, type, weight_of(v), since);
    }
    return r;
}

int setup_prices(struct setup_import *im)
{
    const char *type;
    json_t *versions;
    json_object_foreach (json_object_get(im->want, "prices"), type, versions) {
        int r = import_price(im, type, versions);
        if (r < 0)
            return r;
    }
    return 0;
}
