// SPDX-License-Identifier: Apache-2.0
/* Reads a row of limits, merges into it what is asked, and writes it. */
#include "quota/limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/price_list.h"

static const char *const scopes[] = {[LIMIT_EVERYONE] = "everyone",
                                     [LIMIT_PERSON] = "person",
                                     [LIMIT_PROJECT] = "project",
                                     [LIMIT_TENANT] = "tenant"};

const char *limit_scope_name(enum limit_scope s)
{
    return scopes[s];
}

struct limit_change {
    const struct limit_ask *ask;
    bool must_be_there;
    struct limits now; /* what stands, then what shall stand */
    char types[LIMIT_TYPES_MAX + 1];
};

static void put_number(struct buf *b, const char *name, int64_t n)
{
    if (n)
        buf_printf(b, "%s %lld ", name, (long long)n);
    else
        buf_printf(b, "%s none ", name);
}

static void put_words(struct buf *b, const struct limits *l, unsigned fields)
{
    if (fields & LIMIT_GPUS)
        put_number(b, "gpus", l->gpus);
    if (fields & LIMIT_WAITING)
        put_number(b, "waiting", l->waiting);
    if (fields & LIMIT_TIME)
        put_number(b, "time_limit_ms", l->time_limit_ms);
    if (fields & LIMIT_TYPES)
        buf_printf(b, "types %s ", *l->gpu_types ? l->gpu_types : "all");
}

/* One of a list of types, and that it has a price, now or later. */
static int check_type(struct db *db, const char *type, struct err *e)
{
    int64_t prices = 0;
    int r = price_list_check_type(type, e);
    if (r == 0)
        r = db_select_i64(db, SQL_PRICE_KNOWN, DB_ARGS(DB_STR(type)), &prices, e);
    if (r == 0 && prices == 0)
        return err_set(e, -ENOENT, "GPU type %s has no price; `quota price list` shows all",
                       type);
    return r;
}

static int check_types(struct db *db, const char *types, struct err *e)
{
    int r = 0;
    if (strlen(types) > LIMIT_TYPES_MAX)
        return err_set(e, -EINVAL, "--types: at most %d characters", LIMIT_TYPES_MAX);
    for (const char *p = types; r == 0 && p && *types;
         p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        char type[PRICE_TYPE_MAX + 2]; /* one more than allowed, so that it is refused */
        snprintf(type, sizeof(type), "%.*s", (int)strcspn(p, ","), p);
        r = check_type(db, type, e);
    }
    return r;
}

static int read_row(struct db *db, struct limit_change *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_LIMIT_GET,
                          DB_ARGS(DB_STR(scopes[c->ask->scope]), DB_I64(c->ask->id)), &rows, e);
    if (r <= 0)
        return r;
    snprintf(c->types, sizeof(c->types), "%s", db_rows_text(rows, 3));
    c->now = (struct limits){db_rows_i64(rows, 0), db_rows_i64(rows, 1), db_rows_i64(rows, 2),
                             c->types};
    return 1;
}

static int read_limits(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct limit_change *c = arg;
    c->now = (struct limits){.gpu_types = ""};
    int r = read_row(db, c, e);
    if (r < 0)
        return r;
    if (r == 0 && c->must_be_there)
        return err_set(
            e, -ENOENT, "%s%s%s has no limits of its own; `quota limit list` shows all",
            scopes[c->ask->scope], c->ask->name ? " " : "", c->ask->name ? c->ask->name : "");
    if (r == 1)
        put_words(before, &c->now, LIMIT_GPUS | LIMIT_WAITING | LIMIT_TIME | LIMIT_TYPES);
    else
        buf_put(before, "none");
    return c->ask->fields & LIMIT_TYPES ? check_types(db, c->ask->to.gpu_types, e) : 0;
}

static int apply_limits(struct db *db, void *arg, struct err *e)
{
    struct limit_change *c = arg;
    const struct limits *to = &c->ask->to;
    unsigned fields = c->ask->fields;
    int64_t gpus = fields & LIMIT_GPUS ? to->gpus : c->now.gpus;
    int64_t waiting = fields & LIMIT_WAITING ? to->waiting : c->now.waiting;
    int64_t time_ms = fields & LIMIT_TIME ? to->time_limit_ms : c->now.time_limit_ms;
    const char *types = fields & LIMIT_TYPES ? to->gpu_types : c->now.gpu_types;
    return db_exec(db, SQL_LIMIT_SET,
                   DB_ARGS(DB_STR(scopes[c->ask->scope]), DB_I64(c->ask->id),
                           DB_I64_OR_NULL(gpus), DB_I64_OR_NULL(waiting),
                           DB_I64_OR_NULL(time_ms), DB_STR(*types ? types : NULL)),
                   NULL, e);
}

static int remove_limits(struct db *db, void *arg, struct err *e)
{
    struct limit_change *c = arg;
    return db_exec(db, SQL_LIMIT_CLEAR,
                   DB_ARGS(DB_STR(scopes[c->ask->scope]), DB_I64(c->ask->id)), NULL, e);
}

static int run(struct db *db, const struct change_by *by, struct limit_change *arg,
               struct change *c, enum change_answer *out, struct err *e)
{
    char object[96];
    const struct limit_ask *ask = arg->ask;
    if (ask->scope == LIMIT_EVERYONE)
        snprintf(object, sizeof(object), "limit everyone");
    else if (ask->name)
        snprintf(object, sizeof(object), "limit %s %s", scopes[ask->scope], ask->name);
    else
        snprintf(object, sizeof(object), "limit %s %lld", scopes[ask->scope],
                 (long long)ask->id);
    c->object = object;
    c->read = read_limits;
    c->arg = arg;
    return change_run(db, by, c, out, e);
}

int limit_set(struct db *db, const struct change_by *by, const struct limit_ask *ask,
              enum change_answer *out, struct err *e)
{
    AUTO(buf_done) struct buf after = BUF_INIT(CHANGE_TEXT_MAX);
    struct limit_change arg = {.ask = ask};
    put_words(&after, &ask->to, ask->fields);
    struct change c = {.verb = "limit set", .after = buf_text(&after), .apply = apply_limits};
    return run(db, by, &arg, &c, out, e);
}

int limit_clear(struct db *db, const struct change_by *by, const struct limit_ask *ask,
                enum change_answer *out, struct err *e)
{
    struct limit_change arg = {.ask = ask, .must_be_there = true};
    struct change c = {.verb = "limit clear", .after = "none", .apply = remove_limits};
    return run(db, by, &arg, &c, out, e);
}
