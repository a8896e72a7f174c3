// SPDX-License-Identifier: Apache-2.0
/* Adds and changes projects. */
#include "quota/project.h"

#include <errno.h>
#include <stdio.h>

#include "quota/tenant.h"

struct project_change {
    const struct project_ask *ask;
    int64_t tenant_id;
};

int project_find(struct db *db, const char *name, int64_t *out_id, struct buf *before,
                 struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_PROJECT_FIND, DB_ARGS(DB_STR(name)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "project %s: not found; `quota project list` shows all",
                       name);
    *out_id = db_rows_i64(rows, 0);
    if (before)
        buf_printf(before, "title '%s' state %s", db_rows_text(rows, 1), db_rows_text(rows, 2));
    return 0;
}

static int run(struct db *db, const struct change_by *by, const struct project_ask *ask,
               struct change *c, enum change_answer *out, struct err *e)
{
    AUTO(buf_done) struct buf after = BUF_INIT(CHANGE_TEXT_MAX);
    struct project_change arg = {.ask = ask};
    char object[64];
    int r = change_check_name("project", ask->name, e);
    if (r == 0 && ask->title)
        r = change_check_text("title", ask->title, PROJECT_TITLE_MAX, e);
    if (r < 0)
        return r;
    if (ask->tenant)
        buf_printf(&after, "tenant %s ", ask->tenant);
    if (ask->title)
        buf_printf(&after, "title '%s' ", ask->title);
    if (ask->state)
        buf_printf(&after, "state %s ", ask->state);
    snprintf(object, sizeof(object), "project %s", ask->name);
    c->object = object;
    c->after = buf_text(&after);
    c->arg = &arg;
    return change_run(db, by, c, out, e);
}

static int add_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct project_change *c = arg;
    int64_t id;
    (void)before;
    int r = project_find(db, c->ask->name, &id, NULL, NULL);
    if (r == 0)
        return err_set(e, -EEXIST, "project %s is there already; names are unique in the site",
                       c->ask->name);
    return r == -ENOENT ? tenant_find(db, c->ask->tenant, &c->tenant_id, e) : r;
}

static int add_apply(struct db *db, void *arg, struct err *e)
{
    struct project_change *c = arg;
    return db_exec(db, SQL_PROJECT_ADD,
                   DB_ARGS(DB_I64(c->tenant_id), DB_STR(c->ask->name),
                           DB_STR(c->ask->title ? c->ask->title : c->ask->name)),
                   NULL, e);
}

int project_add(struct db *db, const struct change_by *by, const struct project_ask *ask,
                enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "project add", .read = add_read, .apply = add_apply};
    return run(db, by, ask, &c, out, e);
}

static int set_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct project_change *c = arg;
    int64_t id;
    return project_find(db, c->ask->name, &id, before, e);
}

static int set_apply(struct db *db, void *arg, struct err *e)
{
    struct project_change *c = arg;
    return db_exec(db, SQL_PROJECT_SET,
                   DB_ARGS(DB_STR(c->ask->title), DB_STR(c->ask->state), DB_STR(c->ask->name)),
                   NULL, e);
}

int project_set(struct db *db, const struct change_by *by, const struct project_ask *ask,
                enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "project set", .read = set_read, .apply = set_apply};
    return run(db, by, ask, &c, out, e);
}
