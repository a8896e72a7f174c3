// SPDX-License-Identifier: Apache-2.0
/* Adds, changes and removes members, and answers requests to join. */
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
    int r = db_select(db, SQL_MEMBER_FIND, DB_ARGS(DB_I64(project_id), DB_I64(person_id)),
                      &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
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
            "project %s: person %lld is a member already; `quota member set` changes "
            "the role",
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

/* ---- requests to join */

struct join_change {
    const struct join_answer_ask *ask;
    const struct change_by *by;
    int64_t project_id, person_id;
    bool is_member; /* already: then there is nothing to add */
};

static int read_request(struct db *db, struct join_change *c, struct buf *before, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_JOIN_GET, DB_ARGS(DB_I64(c->ask->id)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT,
                       "request %lld: not found; `quota request list` shows those "
                       "that wait",
                       (long long)c->ask->id);
    if (strcmp(db_rows_text(rows, 2), "open"))
        return err_set(e, -EPERM, "request %lld is %s already", (long long)c->ask->id,
                       db_rows_text(rows, 2));
    c->person_id = db_rows_i64(rows, 1);
    c->project_id = db_rows_i64(rows, 3);
    if (c->ask->is_approved && !c->project_id)
        return err_set(e, -ENOENT,
                       "request %lld: there is no project %s; deny it, with the right name as "
                       "reason",
                       (long long)c->ask->id, db_rows_text(rows, 0));
    buf_printf(before, "%s asks to join %s", db_rows_text(rows, 4), db_rows_text(rows, 0));
    return 0;
}

static int join_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct join_change *c = arg;
    AUTO(buf_done) struct buf role = BUF_INIT(64);
    int r = read_request(db, c, before, e);
    if (r == 0 && c->project_id)
        r = read_role(db, c->project_id, c->person_id, &role, e);
    c->is_member = r == 1;
    return r < 0 ? r : 0;
}

static int join_apply(struct db *db, void *arg, struct err *e)
{
    struct join_change *c = arg;
    int r = db_exec(db, SQL_JOIN_ANSWER,
                    DB_ARGS(DB_STR(c->ask->is_approved ? "approved" : "denied"),
                            DB_STR(c->by->actor), DB_STR(c->by->reason), DB_I64(c->ask->id)),
                    NULL, e);
    if (r < 0 || !c->ask->is_approved || c->is_member)
        return r;
    return db_exec(db, SQL_MEMBER_ADD,
                   DB_ARGS(DB_I64(c->project_id), DB_I64(c->person_id), DB_STR(c->ask->role)),
                   NULL, e);
}

int join_answer(struct db *db, const struct change_by *by, const struct join_answer_ask *ask,
                enum change_answer *out, struct err *e)
{
    char object[64], after[64];
    struct join_change arg = {.ask = ask, .by = by};
    snprintf(object, sizeof(object), "join request %lld", (long long)ask->id);
    snprintf(after, sizeof(after), "%s %s", ask->is_approved ? "approved, role" : "denied",
             ask->is_approved ? ask->role : "");
    struct change c = {ask->is_approved ? "request approve" : "request deny",
                       object,
                       after,
                       join_read,
                       join_apply,
                       &arg};
    return change_run(db, by, &c, out, e);
}
