// SPDX-License-Identifier: Apache-2.0
/* Loads the job and the person, asks access_may(), and audits. */
#include "portal/access.h"

#include <errno.h>
#include <stdio.h>

#include "portal/session.h"
#include "runner/base/random.h"

static void free_job(void *job)
{
    job_row_free(job);
}

static void free_person(void *person)
{
    person_free(person);
}

const char *access_actor(const struct request *r)
{
    const struct session *s = session_of(r);
    const char *actor = arena_printf(r->arena, "%.30s/%.32s", s->directory, s->login);
    return actor ? actor : "?";
}

const char *access_origin(const struct request *r)
{
    const char *origin = arena_printf(r->arena, "portal %s", r->address);
    return origin ? origin : "portal";
}

int access_person(struct worker *w, struct request *r, struct person **out)
{
    int code = 0;
    struct db *db = worker_db(w, &code, &r->err);
    if (db)
        code = person_load(db, session_of(r)->person_id, out, &r->err);
    if (db && code == 0)
        request_keep(r, free_person, *out);
    return code;
}

static struct access_object object_of(const struct job_row *j)
{
    return (struct access_object){j->person_id, j->project_id, j->tenant_id};
}

bool access_also(const struct access_found *f, enum access_what what)
{
    return access_may(f->person, what, object_of(f->job)) != ACCESS_NO;
}

int access_still(struct db *db, int64_t person, int64_t job, enum access_what what)
{
    AUTO(job_row_freep) struct job_row *row = NULL;
    AUTO(person_freep) struct person *who = NULL;
    int code = jobs_get(db, job, &row, NULL);
    if (code == 0)
        code = person_load(db, person, &who, NULL);
    if (code < 0)
        return code == -ENOENT ? 0 : code;
    return access_may(who, what, object_of(row)) != ACCESS_NO;
}

static int note(struct db *db, struct request *r, const char *verb, const char *object,
                const char *reason)
{
    char key[33];
    random_hex(key, 16);
    return db_exec(db, SQL_AUDIT_NOTE,
                   DB_ARGS(DB_STR(access_actor(r)), DB_STR(access_origin(r)), DB_STR(verb),
                           DB_STR(object), DB_STR(reason), DB_STR(key)),
                   NULL, &r->err);
}

int access_audit(struct db *db, struct request *r, const char *verb, const char *kind,
                 const char *name)
{
    char object[80];
    snprintf(object, sizeof(object), "%s %s", kind, name);
    return note(db, r, verb, object, "as administrator");
}

int access_job(struct worker *w, struct request *r, enum access_what what, const char *verb,
               struct access_found *out)
{
    int64_t id;
    int code = request_param_i64(r, "id", &id);
    struct db *db = code == 0 ? worker_db(w, &code, &r->err) : NULL;
    if (!db)
        return code;
    code = jobs_get(db, id, &out->job, &r->err);
    if (code < 0)
        return code;
    request_keep(r, free_job, out->job);
    code = access_person(w, r, &out->person);
    if (code < 0)
        return code;
    enum access may = access_may(out->person, what, object_of(out->job));
    if (may == ACCESS_NO)
        return err_set(&r->err, -ENOENT, "job %lld: not found", (long long)id);
    char object[40];
    snprintf(object, sizeof(object), "job %lld", (long long)id);
    if (may == ACCESS_AUDITED)
        return note(db, r, verb, object, "as administrator");
    return what == ACCESS_CHANGE ? note(db, r, verb, object, "asked for in the portal") : 0;
}

static const char *kept(struct request *r, const struct db_rows *rows, unsigned column)
{
    const char *text = arena_dup(r->arena, db_rows_text(rows, column));
    return text ? text : "";
}

static int read_project(struct db *db, struct request *r, const char *name,
                        struct access_project *out)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int code = db_select(db, SQL_PROJECT_GET, DB_ARGS(DB_STR(name)), &rows, &r->err);
    if (code == 0)
        code = db_rows_next(rows, &r->err);
    if (code <= 0)
        return code < 0 ? code : -ENOENT;
    *out = (struct access_project){
        .id = db_rows_i64(rows, 0),
        .tenant_id = db_rows_i64(rows, 1),
        .name = kept(r, rows, 2),
        .title = kept(r, rows, 3),
        .tenant = kept(r, rows, 4),
        .tenant_title = kept(r, rows, 5),
        .is_open = db_rows_i64(rows, 6) != 0,
    };
    return 0;
}

int access_project(struct worker *w, struct request *r, const char *name, const char *verb,
                   struct access_project *out)
{
    struct person *person;
    int code = access_person(w, r, &person);
    *out = (struct access_project){0};
    if (code == 0)
        code = read_project(w->db, r, name, out);
    if (code < 0 && code != -ENOENT)
        return code;
    struct access_object object = {0, out->id, out->tenant_id};
    enum access may = code < 0 ? ACCESS_NO : access_may(person, ACCESS_ROW, object);
    if (may == ACCESS_NO)
        return err_set(&r->err, -ENOENT, "project %.40s: not found", name);
    out->person = person;
    out->may_run = access_may(person, ACCESS_REPORT, object) != ACCESS_NO;
    return may == ACCESS_AUDITED ? access_audit(w->db, r, verb, "project", out->name) : 0;
}
