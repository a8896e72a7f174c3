// SPDX-License-Identifier: Apache-2.0
/* Reads requests, and answers one as an administrator: the audit row, the request's answer
 * and what follows from it are one transaction. */
#include "quota/user_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/project.h"
#include "runner/base/xnew.h"

/* ---- lists */

static void done_one(struct user_request *q)
{
    char *texts[] = {q->login, q->directory, q->name,  q->kind,        q->project,
                     q->title, q->note,      q->state, q->answered_by, q->answer};
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
}

void user_request_list_done(struct user_request_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        done_one(&l->rows[i]);
    free(l->rows);
    *l = (struct user_request_list){0};
}

static char *dup_text(const struct db_rows *rows, unsigned column)
{
    return xdup(db_rows_text(rows, column));
}

static void read_one(const struct db_rows *rows, struct user_request_list *l)
{
    l->rows = xgrow(l->rows, l->count + 1, sizeof(*l->rows));
    l->rows[l->count++] = (struct user_request){
        .id = db_rows_i64(rows, 0),
        .kind = dup_text(rows, 1),
        .person_id = db_rows_i64(rows, 2),
        .tenant_id = db_rows_i64(rows, 3),
        .login = dup_text(rows, 4),
        .directory = dup_text(rows, 5),
        .name = dup_text(rows, 6),
        .project = dup_text(rows, 7),
        .project_id = db_rows_i64(rows, 8),
        .project_tenant_id = db_rows_i64(rows, 9),
        .title = dup_text(rows, 10),
        .gpums = db_rows_i64(rows, 11),
        .note = dup_text(rows, 12),
        .at_ms = db_rows_i64(rows, 13),
        .state = dup_text(rows, 14),
        .answered_by = dup_text(rows, 15),
        .answered_ms = db_rows_i64(rows, 16),
        .answer = dup_text(rows, 17),
    };
}

static int read_all(struct db *db, enum sql id, struct db_args args,
                    struct user_request_list *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    *out = (struct user_request_list){0};
    int r = db_select(db, id, args, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        read_one(rows, out);
        r = 0;
    }
    if (r < 0)
        user_request_list_done(out);
    return r;
}

int user_request_list(struct db *db, const struct user_request_filter *f,
                      struct user_request_list *out, struct err *e)
{
    struct db_value who = DB_I64(f->answerer_id);
    if (f->project)
        return read_all(db, SQL_USER_REQUESTS_OF_PROJECT, DB_ARGS(DB_STR(f->project)), out, e);
    if (f->answerer_id)
        return read_all(db, SQL_USER_REQUESTS_TO_ANSWER, DB_ARGS(who, who, who, who), out, e);
    if (f->person_id)
        return read_all(db, SQL_USER_REQUESTS_OF_PERSON,
                        DB_ARGS(DB_I64(f->person_id), DB_I64(f->is_open_only)), out, e);
    return read_all(db, f->is_open_only ? SQL_USER_REQUESTS_OPEN : SQL_USER_REQUESTS_ALL,
                    DB_NO_ARGS, out, e);
}

int user_request_get(struct db *db, int64_t id, struct user_request_list *out, struct err *e)
{
    int r = read_all(db, SQL_USER_REQUEST_GET, DB_ARGS(DB_I64(id)), out, e);
    if (r == 0 && out->count == 0)
        r = err_set(e, -ENOENT, "request %lld: not found", (long long)id);
    return r;
}

int user_request_waiting(struct db *db, int64_t person_id, int64_t *out_count, struct err *e)
{
    return db_select_i64(db, SQL_USER_REQUESTS_WAITING,
                         DB_ARGS(DB_I64(person_id), DB_I64(person_id)), out_count, e);
}

/* ---- an administrator's answer */

struct answer_change {
    const struct user_request_ask *ask;
    const struct change_by *by;
    struct user_request_list list; /* of the one */
    bool is_member;                /* already: then there is nothing to add */
};

static int check_active(struct db *db, const struct user_request *q, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_PEOPLE_STATE, DB_ARGS(DB_I64(q->person_id)), &rows, e);
    if (r > 0 && strcmp(db_rows_text(rows, 0), "active"))
        r = err_set(e, -EPERM, "request %lld: person %lld is %s; deny it", (long long)q->id,
                    (long long)q->person_id, db_rows_text(rows, 0));
    return r < 0 ? r : 0;
}

static int check_approval(struct db *db, const struct user_request *q, struct err *e)
{
    bool is_new = !strcmp(q->kind, "project");
    int r = check_active(db, q, e);
    if (r < 0)
        return r;
    if (is_new && change_check_name("project", q->project, NULL) < 0)
        return err_set(
            e, -EPERM,
            "request %lld: no project can be named '%s'; deny it, and say which name "
            "to take",
            (long long)q->id, q->project);
    if (is_new && q->project_id)
        return err_set(e, -EEXIST,
                       "request %lld: there is a project %s already; deny it, and say which "
                       "name to take",
                       (long long)q->id, q->project);
    if (!is_new && !q->project_id)
        return err_set(e, -ENOENT,
                       "request %lld: there is no project %s; deny it, with the right name as "
                       "reason",
                       (long long)q->id, q->project);
    return 0;
}

static int find_member(struct db *db, struct answer_change *c, struct err *e)
{
    const struct user_request *q = &c->list.rows[0];
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_MEMBER_FIND,
                          DB_ARGS(DB_I64(q->project_id), DB_I64(q->person_id)), &rows, e);
    c->is_member = r == 1;
    return r < 0 ? r : 0;
}

static int answer_read(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct answer_change *c = arg;
    user_request_list_done(&c->list); /* of a try before this one */
    int r = user_request_get(db, c->ask->id, &c->list, e);
    if (r == -ENOENT)
        return err_set(e, r,
                       "request %lld: not found; `quota request list` shows those that wait",
                       (long long)c->ask->id);
    if (r < 0)
        return r;
    const struct user_request *q = &c->list.rows[0];
    if (strcmp(q->state, "open"))
        return err_set(e, -EPERM, "request %lld is %s already", (long long)q->id, q->state);
    buf_printf(before, "person %lld asks: %s %s", (long long)q->person_id, q->kind, q->project);
    r = c->ask->is_approved ? check_approval(db, q, e) : 0;
    return r < 0 ? r : find_member(db, c, e);
}

static int open_project(struct db *db, const struct user_request *q, int64_t *out_id,
                        struct err *e)
{
    int r = db_exec(db, SQL_PROJECT_ADD,
                    DB_ARGS(DB_I64(q->tenant_id), DB_STR(q->project),
                            DB_STR(*q->title ? q->title : q->project)),
                    NULL, e);
    return r < 0 ? r : project_find(db, q->project, out_id, NULL, e);
}

static int answer_apply(struct db *db, void *arg, struct err *e)
{
    struct answer_change *c = arg;
    const struct user_request *q = &c->list.rows[0];
    const char *role = c->ask->role ? c->ask->role : "member";
    int64_t project_id = q->project_id;
    bool is_new = !strcmp(q->kind, "project");
    int r = db_exec(db, SQL_USER_REQUEST_DECIDE,
                    DB_ARGS(DB_STR(c->ask->is_approved ? "approved" : "denied"),
                            DB_STR(c->by->actor), DB_STR(c->by->reason), DB_I64(q->id)),
                    NULL, e);
    if (r < 0 || !c->ask->is_approved || c->is_member || !strcmp(q->kind, "hours"))
        return r;
    if (is_new)
        r = open_project(db, q, &project_id, e);
    if (r < 0)
        return r;
    return db_exec(
        db, SQL_MEMBER_ADD,
        DB_ARGS(DB_I64(project_id), DB_I64(q->person_id), DB_STR(is_new ? "pi" : role)), NULL,
        e);
}

int user_request_answer(struct db *db, const struct change_by *by,
                        const struct user_request_ask *ask, enum change_answer *out,
                        struct err *e)
{
    char object[64], after[64];
    struct answer_change arg = {.ask = ask, .by = by};
    snprintf(object, sizeof(object), "request %lld", (long long)ask->id);
    snprintf(after, sizeof(after), "%s%s%s", ask->is_approved ? "approved" : "denied",
             ask->is_approved && ask->role ? ", role " : "",
             ask->is_approved && ask->role ? ask->role : "");
    struct change c = {ask->is_approved ? "request approve" : "request deny",
                       object,
                       after,
                       answer_read,
                       answer_apply,
                       &arg};
    int r = change_run(db, by, &c, out, e);
    user_request_list_done(&arg.list);
    return r;
}
