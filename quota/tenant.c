// SPDX-License-Identifier: Apache-2.0
/* Adds and changes tenants. */
#include "quota/tenant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Reads a tenant as words into `before`. */
static int read_tenant(struct db *db, const char *name, struct buf *before, int64_t *out_id,
                       struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_TENANT_FIND, DB_ARGS(DB_STR(name)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "tenant %s: not found; `quota tenant list` shows all", name);
    *out_id = db_rows_i64(rows, 0);
    if (before)
        buf_printf(before, "title '%s' contact '%s' state %s", db_rows_text(rows, 1),
                   db_rows_text(rows, 2), db_rows_text(rows, 3));
    return 0;
}

int tenant_find(struct db *db, const char *name, int64_t *out_id, struct err *e)
{
    return read_tenant(db, name, NULL, out_id, e);
}

static int check_ask(const struct tenant_ask *ask, struct err *e)
{
    int r = change_check_name("tenant", ask->name, e);
    if (r == 0 && ask->title)
        r = change_check_text("title", ask->title, TENANT_TITLE_MAX, e);
    if (r == 0 && ask->contact)
        r = change_check_text("contact", ask->contact, TENANT_CONTACT_MAX, e);
    return r;
}

static void put_ask(const struct tenant_ask *ask, struct buf *out)
{
    if (ask->title)
        buf_printf(out, "title '%s' ", ask->title);
    if (ask->contact)
        buf_printf(out, "contact '%s' ", ask->contact);
    if (ask->state)
        buf_printf(out, "state %s ", ask->state);
}

static int run(struct db *db, const struct change_by *by, const struct tenant_ask *ask,
               struct change *c, enum change_answer *out, struct err *e)
{
    AUTO(buf_done) struct buf after = BUF_INIT(CHANGE_TEXT_MAX);
    char object[64];
    int r = check_ask(ask, e);
    if (r < 0)
        return r;
    put_ask(ask, &after);
    snprintf(object, sizeof(object), "tenant %s", ask->name);
    c->object = object;
    c->after = buf_text(&after);
    c->arg = (void *)ask;
    return change_run(db, by, c, out, e);
}

static int add_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    const struct tenant_ask *ask = arg;
    int64_t id;
    (void)before;
    int r = read_tenant(db, ask->name, NULL, &id, NULL);
    if (r == 0)
        return err_set(e, -EEXIST, "tenant %s is there already; `quota tenant set` changes it",
                       ask->name);
    return r == -ENOENT ? 0 : r;
}

static int add_apply(struct db *db, void *arg, struct err *e)
{
    const struct tenant_ask *ask = arg;
    return db_exec(db, SQL_TENANT_ADD,
                   DB_ARGS(DB_STR(ask->name), DB_STR(ask->title ? ask->title : ask->name),
                           DB_STR(ask->contact ? ask->contact : "")),
                   NULL, e);
}

int tenant_add(struct db *db, const struct change_by *by, const struct tenant_ask *ask,
               enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "tenant add", .read = add_read, .apply = add_apply};
    return run(db, by, ask, &c, out, e);
}

static int set_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    const struct tenant_ask *ask = arg;
    int64_t id;
    return read_tenant(db, ask->name, before, &id, e);
}

static int set_apply(struct db *db, void *arg, struct err *e)
{
    const struct tenant_ask *ask = arg;
    return db_exec(db, SQL_TENANT_SET,
                   DB_ARGS(DB_STR(ask->title), DB_STR(ask->contact), DB_STR(ask->state),
                           DB_STR(ask->name)),
                   NULL, e);
}

int tenant_set(struct db *db, const struct change_by *by, const struct tenant_ask *ask,
               enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "tenant set", .read = set_read, .apply = set_apply};
    return run(db, by, ask, &c, out, e);
}

/* ---- its administrators */

struct admin_change {
    const struct tenant_admin_ask *ask;
    int64_t tenant_id;
};

static int admin_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct admin_change *c = arg;
    int r = tenant_find(db, c->ask->tenant, &c->tenant_id, e);
    if (r < 0)
        return r;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    r = db_select_row(db, SQL_TENANT_ADMIN_FIND,
                      DB_ARGS(DB_I64(c->tenant_id), DB_I64(c->ask->person_id)), &rows, e);
    if (r < 0)
        return r;
    if (r == 1 && c->ask->is_admin)
        return err_set(e, -EEXIST, "tenant %s: the person administers it already",
                       c->ask->tenant);
    if (r == 0 && !c->ask->is_admin)
        return err_set(e, -ENOENT, "tenant %s: the person does not administer it",
                       c->ask->tenant);
    buf_put(before, r ? "administrator" : "no administrator");
    return 0;
}

static int admin_apply(struct db *db, void *arg, struct err *e)
{
    struct admin_change *c = arg;
    return db_exec(db, c->ask->is_admin ? SQL_TENANT_ADMIN_ADD : SQL_TENANT_ADMIN_REMOVE,
                   DB_ARGS(DB_I64(c->tenant_id), DB_I64(c->ask->person_id)), NULL, e);
}

int tenant_set_admin(struct db *db, const struct change_by *by,
                     const struct tenant_admin_ask *ask, enum change_answer *out, struct err *e)
{
    char object[80], after[80];
    struct admin_change arg = {.ask = ask};
    int r = change_check_name("tenant", ask->tenant, e);
    if (r < 0)
        return r;
    snprintf(object, sizeof(object), "tenant %s", ask->tenant);
    snprintf(after, sizeof(after), "person %lld: %s", (long long)ask->person_id,
             ask->is_admin ? "administrator" : "no administrator");
    struct change c = {ask->is_admin ? "tenant appoint" : "tenant dismiss",
                       object,
                       after,
                       admin_read,
                       admin_apply,
                       &arg};
    return change_run(db, by, &c, out, e);
}
