// SPDX-License-Identifier: Apache-2.0
/* Adds, changes and removes members. */
#include "quota/member.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/project.h"

struct member_change {
    const struct member_ask *ask;
    int64_t project_id;
    bool must_be_new;
};

/* 1 and the role in `before` if he is a member, 0 if not. */
static int read_role(struct db *db, int64_t project_id, int64_t person_id, struct buf *before,
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_MEMBER_FIND, DB_ARGS(DB_I64(project_id), DB_I64(person_id)),
                          &rows, e);
    if (r == 1)
        buf_printf(before, "role %s", db_rows_text(rows, 0));
    return r;
}

static int read_member(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct member_change *c = arg;
    int r = project_find(db, c->ask->project, &c->project_id, NULL, e);
    if (r == 0)
        r = read_role(db, c->project_id, c->ask->person_id, before, e);
    if (r < 0)
        return r;
    if (r == 1 && c->must_be_new)
        return err_set(
            e, -EEXIST,
            "project %s: person %lld is a member already; `quota member set` changes the role",
            c->ask->project, (long long)c->ask->person_id);
    if (r == 0 && !c->must_be_new)
        return err_set(e, -ENOENT, "project %s: person %lld is no member", c->ask->project,
                       (long long)c->ask->person_id);
    return 0;
}

static int run(struct db *db, const struct change_by *by, const struct member_ask *ask,
               struct change *c, enum change_answer *out, struct err *e)
{
    struct member_change arg = {.ask = ask, .must_be_new = !strcmp(c->verb, "member add")};
    char object[80], after[80];
    int r = change_check_name("project", ask->project, e);
    if (r < 0)
        return r;
    snprintf(object, sizeof(object), "project %s", ask->project);
    snprintf(after, sizeof(after), "person %lld role %s", (long long)ask->person_id,
             ask->role ? ask->role : "none");
    c->object = object;
    c->after = after;
    c->read = read_member;
    c->arg = &arg;
    return change_run(db, by, c, out, e);
}

static int apply_add(struct db *db, void *arg, struct err *e)
{
    struct member_change *c = arg;
    return db_exec(
        db, SQL_MEMBER_ADD,
        DB_ARGS(DB_I64(c->project_id), DB_I64(c->ask->person_id), DB_STR(c->ask->role)), NULL,
        e);
}

static int apply_set(struct db *db, void *arg, struct err *e)
{
    struct member_change *c = arg;
    return db_exec(
        db, SQL_MEMBER_SET,
        DB_ARGS(DB_STR(c->ask->role), DB_I64(c->project_id), DB_I64(c->ask->person_id)), NULL,
        e);
}

static int apply_remove(struct db *db, void *arg, struct err *e)
{
    struct member_change *c = arg;
    return db_exec(db, SQL_MEMBER_REMOVE,
                   DB_ARGS(DB_I64(c->project_id), DB_I64(c->ask->person_id)), NULL, e);
}

int member_add(struct db *db, const struct change_by *by, const struct member_ask *ask,
               enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "member add", .apply = apply_add};
    return run(db, by, ask, &c, out, e);
}

int member_set(struct db *db, const struct change_by *by, const struct member_ask *ask,
               enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "member set", .apply = apply_set};
    return run(db, by, ask, &c, out, e);
}

int member_remove(struct db *db, const struct change_by *by, const struct member_ask *ask,
                  enum change_answer *out, struct err *e)
{
    struct change c = {.verb = "member remove", .apply = apply_remove};
    return run(db, by, ask, &c, out, e);
}
