// SPDX-License-Identifier: Apache-2.0
/* Reads the set-up of the site out of its tables, in one snapshot, into one JSON object. */
#include "quota/setup.h"

#include <stdio.h>
#include <time.h>

#include "runner/base/jget.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"

enum { DAY_MS = 86400000 };

/* Takes one row into the object that is being made. */
typedef void take_fn(json_t *setup, const struct db_rows *rows, void *arg);

static json_t *text(const struct db_rows *rows, unsigned column)
{
    json_t *s = json_string(db_rows_text(rows, column));
    return s ? s : json_string("?"); /* not UTF-8: it came past our checks */
}

static json_t *object_at(json_t *parent, const char *key)
{
    json_t *o = json_object_get(parent, key);
    if (!o)
        json_object_set_new(parent, key, o = json_object());
    return o;
}

/* A day where it begins at that moment, otherwise milliseconds. */
static json_t *moment(int64_t at_ms)
{
    char day[16];
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    struct tm midnight = {
        .tm_year = local.tm_year, .tm_mon = local.tm_mon, .tm_mday = local.tm_mday};
    if (now_day_start_ms((int64_t)timegm(&midnight) * 1000 / DAY_MS) != at_ms)
        return json_integer(at_ms);
    strftime(day, sizeof(day), "%Y-%m-%d", &local);
    return json_string(day);
}

int64_t setup_moment_ms(const json_t *m)
{
    int64_t days = 0;
    if (json_is_integer(m))
        return json_integer_value(m);
    return parse_day(json_string_value(m), &days) < 0 ? 0 : now_day_start_ms(days);
}

static void take_site(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *site = object_at(setup, "site");
    json_object_set_new(site, "name", text(rows, 0));
    json_object_set_new(site, "zone", text(rows, 1));
}

static void take_tenant(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *t = object_at(object_at(setup, "tenants"), db_rows_text(rows, 0));
    json_object_set_new(t, "title", text(rows, 1));
    json_object_set_new(t, "contact", text(rows, 2));
    json_object_set_new(t, "state", text(rows, 3));
    json_object_set_new(t, "admins", json_array());
}

static void take_admin(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *t = object_at(object_at(setup, "tenants"), db_rows_text(rows, 0));
    json_array_append_new(json_object_get(t, "admins"), text(rows, 1));
}

static void take_project(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *p = object_at(object_at(setup, "projects"), db_rows_text(rows, 0));
    json_object_set_new(p, "tenant", text(rows, 1));
    json_object_set_new(p, "title", text(rows, 2));
    json_object_set_new(p, "state", text(rows, 3));
    json_object_set_new(p, "members", json_object());
    json_object_set_new(p, "allocations", json_array());
}

static void take_member(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *p = object_at(object_at(setup, "projects"), db_rows_text(rows, 0));
    json_object_set_new(json_object_get(p, "members"), db_rows_text(rows, 1), text(rows, 2));
}

/* arg: the allocations by number, for the shares that follow. */
static void take_allocation(json_t *setup, const struct db_rows *rows, void *arg)
{
    char number[24];
    json_t *by_number = arg, *a = json_object();
    json_t *p = object_at(object_at(setup, "projects"), db_rows_text(rows, 1));
    snprintf(number, sizeof(number), "%lld", (long long)db_rows_i64(rows, 0));
    json_object_set_new(a, "number", json_integer(db_rows_i64(rows, 0)));
    json_object_set_new(a, "from", moment(db_rows_i64(rows, 2)));
    json_object_set_new(a, "until", moment(db_rows_i64(rows, 3)));
    json_object_set_new(a, "state", text(rows, 4));
    json_object_set_new(a, "granted_gpums", json_integer(db_rows_i64(rows, 5)));
    json_object_set_new(a, "shares", json_object());
    json_array_append_new(json_object_get(p, "allocations"), a);
    json_object_set(by_number, number, a);
}

static void take_share(json_t *setup, const struct db_rows *rows, void *arg)
{
    char number[24];
    (void)setup;
    snprintf(number, sizeof(number), "%lld", (long long)db_rows_i64(rows, 0));
    json_t *a = json_object_get(arg, number);
    json_object_set_new(json_object_get(a, "shares"), db_rows_text(rows, 1),
                        json_integer(db_rows_i64(rows, 2)));
}

static void take_limit(json_t *setup, const struct db_rows *rows, void *arg)
{
    static const char *const names[] = {"gpus", "waiting", "time_limit_ms"};
    const char *scope = db_rows_text(rows, 0), *name = db_rows_text(rows, 1);
    (void)arg;
    json_t *l = object_at(object_at(setup, "limits"), scope);
    if (*name)
        l = object_at(l, name);
    for (unsigned i = 0; i < COUNT(names); i++)
        if (!db_rows_is_null(rows, i + 2))
            json_object_set_new(l, names[i], json_integer(db_rows_i64(rows, i + 2)));
    if (!db_rows_is_null(rows, 5))
        json_object_set_new(l, "types", text(rows, 5));
}

static void take_price(json_t *setup, const struct db_rows *rows, void *arg)
{
    (void)arg;
    json_t *prices = object_at(setup, "prices"), *p = json_object();
    json_t *list = json_object_get(prices, db_rows_text(rows, 0));
    if (!list)
        json_object_set_new(prices, db_rows_text(rows, 0), list = json_array());
    json_object_set_new(p, "since", moment(db_rows_i64(rows, 1)));
    json_object_set_new(p, "weight_permille", json_integer(db_rows_i64(rows, 2)));
    json_array_append_new(list, p);
}

/* In the order in which one needs what came before. */
static const struct part {
    enum sql id;
    take_fn *take;
} parts[] = {
    {SQL_SITE_GET, take_site},        {SQL_SETUP_TENANTS, take_tenant},
    {SQL_SETUP_ADMINS, take_admin},   {SQL_SETUP_PROJECTS, take_project},
    {SQL_SETUP_MEMBERS, take_member}, {SQL_SETUP_ALLOCATIONS, take_allocation},
    {SQL_SETUP_SHARES, take_share},   {SQL_SETUP_LIMITS, take_limit},
    {SQL_SETUP_PRICES, take_price},
};

static int read_part(struct db *db, const struct part *part, json_t *setup, json_t *by_number,
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, part->id, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0)
        part->take(setup, rows, by_number);
    return r;
}

static void remove_numbers(json_t *by_number)
{
    const char *number;
    json_t *a;
    json_object_foreach (by_number, number, a)
        json_object_del(a, "number");
}

int setup_read(struct db *db, bool with_numbers, json_t **out, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    AUTO(json_freep) json_t *by_number = json_object();
    AUTO(json_freep) json_t *setup = json_object();
    static const char *const sections[] = {"tenants", "projects", "limits", "prices"};
    json_object_set_new(setup, "format", json_integer(SETUP_FORMAT));
    for (size_t i = 0; i < COUNT(sections); i++)
        object_at(setup, sections[i]);
    int r = db_tx_snapshot(db, &tx, e);
    for (size_t i = 0; r == 0 && i < COUNT(parts); i++)
        r = read_part(db, &parts[i], setup, by_number, e);
    if (r < 0)
        return r;
    if (!with_numbers)
        remove_numbers(by_number);
    *out = TAKE(setup);
    return 0;
}
