// SPDX-License-Identifier: Apache-2.0
/* A page is the newest of one or several sources, each in the order of an index. A source that
 * has nothing newer than the oldest of a full page costs one look into its index. */
#include "quota/job_page.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/xnew.h"

struct page {
    struct db *db;
    const struct jobs_filter *filter;
    struct buf states; /* "failed,lost" for FIND_IN_SET; "" for all */
    int64_t *ids;      /* newest first, no two alike */
    size_t count, limit;
};

static void put_states(unsigned states, struct buf *out)
{
    for (int s = JOB_QUEUED; s < JOB_STATES; s++)
        if (states & JOBS_STATE(s))
            buf_printf(out, "%s%s", out->len ? "," : "", job_state_name((enum job_state)s));
}

/* Jobs below this one are asked for … */
static int64_t before_of(const struct page *p)
{
    return p->filter->before_id ? p->filter->before_id : INT64_MAX;
}

/* … and above this one: older ones find no room any more. */
static int64_t after_of(const struct page *p)
{
    return p->count == p->limit ? p->ids[p->limit - 1] : 0;
}

static void insert(struct page *p, int64_t id)
{
    size_t at = p->count;
    while (at > 0 && p->ids[at - 1] < id)
        at--;
    if (at == p->limit || (at > 0 && p->ids[at - 1] == id))
        return;
    p->count += p->count < p->limit;
    memmove(&p->ids[at + 1], &p->ids[at], (p->count - at - 1) * sizeof(*p->ids));
    p->ids[at] = id;
}

static int take(struct page *p, enum sql id, struct db_args args, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(p->db, id, args, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        insert(p, db_rows_i64(rows, 0));
        r = 0;
    }
    return r;
}

#define BOUNDS DB_I64(before_of(p)), DB_I64(after_of(p))
#define STATES DB_STR(buf_text(&p->states)), DB_STR(buf_text(&p->states))
#define LIMIT DB_I64(p->limit)

/* Live jobs are few, and have an index of their own; 0: of anybody, of any project. */
static int take_live(struct page *p, int64_t person, int64_t project, struct err *e)
{
    int r = 0;
    for (int s = JOB_QUEUED; r == 0 && s < JOB_STATES; s++)
        if (p->filter->states & JOBS_STATE(s))
            r = take(p, SQL_JOBS_PAGE_LIVE,
                     DB_ARGS(DB_STR(job_state_name((enum job_state)s)), BOUNDS, DB_I64(person),
                             DB_I64(person), DB_I64(project), DB_I64(project), LIMIT),
                     e);
    return r;
}

static bool is_live_only(const struct page *p)
{
    return p->filter->states && !(p->filter->states & ~JOBS_LIVE);
}

static int take_all(struct page *p, struct err *e)
{
    if (is_live_only(p))
        return take_live(p, 0, 0, e);
    return take(p, SQL_JOBS_PAGE_ALL, DB_ARGS(BOUNDS, STATES, LIMIT), e);
}

/* A person's, of one project or all (0), of one tenant or all (0). */
static int take_person(struct page *p, int64_t person, struct err *e)
{
    int64_t project = p->filter->project_id, tenant = p->filter->tenant_id;
    if (is_live_only(p) && !tenant)
        return take_live(p, person, project, e);
    if (!project && !tenant && !p->filter->states)
        return take(p, SQL_JOBS_PAGE_OF_PERSON, DB_ARGS(DB_I64(person), BOUNDS, LIMIT), e);
    return take(p, SQL_JOBS_PAGE_PERSON,
                DB_ARGS(DB_I64(person), BOUNDS, DB_I64(project), DB_I64(project),
                        DB_I64(tenant), DB_I64(tenant), STATES, LIMIT),
                e);
}

/* A project's, of one person or all (0). */
static int take_project(struct page *p, int64_t project, struct err *e)
{
    int64_t person = p->filter->person_id;
    if (is_live_only(p))
        return take_live(p, person, project, e);
    if (!person && !p->filter->states)
        return take(p, SQL_JOBS_PAGE_OF_PROJECT, DB_ARGS(DB_I64(project), BOUNDS, LIMIT), e);
    return take(p, SQL_JOBS_PAGE_PROJECT,
                DB_ARGS(DB_I64(project), BOUNDS, DB_I64(person), DB_I64(person), STATES, LIMIT),
                e);
}

/* The projects of a tenant, or those that the viewer sees because of a role. */
static int read_projects(struct page *p, int64_t **out, size_t *out_count, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    const struct jobs_filter *f = p->filter;
    size_t count = 0;
    int r = f->viewer_id ? db_select(p->db, SQL_JOBS_PAGE_SEEN,
                                     DB_ARGS(DB_I64(f->viewer_id), DB_I64(f->tenant_id),
                                             DB_I64(f->tenant_id), DB_I64(f->viewer_id),
                                             DB_I64(f->tenant_id), DB_I64(f->tenant_id)),
                                     &rows, e)
                         : db_select(p->db, SQL_JOBS_PAGE_TENANT, DB_ARGS(DB_I64(f->tenant_id)),
                                     &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        int64_t project = db_rows_i64(rows, 0);
        r = 0;
        if (f->project_id && f->project_id != project)
            continue;
        *out = xgrow(*out, count + 1, sizeof(**out));
        (*out)[count++] = project;
    }
    *out_count = count;
    return r;
}

static int take_projects(struct page *p, struct err *e)
{
    AUTO(cleanup_free) int64_t *projects = NULL;
    size_t count = 0;
    int r = read_projects(p, &projects, &count, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = take_project(p, projects[i], e);
    return r;
}

static int take_sources(struct page *p, struct err *e)
{
    const struct jobs_filter *f = p->filter;
    bool is_own = f->person_id && f->person_id == f->viewer_id;
    if (is_own || (f->person_id && !f->viewer_id))
        return take_person(p, f->person_id, e);
    if (f->project_id && !f->viewer_id && !f->tenant_id)
        return take_project(p, f->project_id, e);
    if (!f->viewer_id && !f->tenant_id)
        return take_all(p, e);
    int r = take_projects(p, e);
    if (r == 0 && f->viewer_id && !f->person_id)
        r = take_person(p, f->viewer_id, e); /* own ones of projects that he left */
    return r;
}

int job_page_find(struct db *db, const struct jobs_filter *filter, size_t limit, int64_t *out,
                  size_t *out_count, struct err *e)
{
    struct page p = {
        .db = db, .filter = filter, .states = BUF_INIT(256), .ids = out, .limit = limit};
    put_states(filter->states, &p.states);
    int r = take_sources(&p, e);
    buf_done(&p.states);
    *out_count = p.count;
    return r;
}
