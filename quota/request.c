// SPDX-License-Identifier: Apache-2.0
/* Writes requests. */
#include "quota/request.h"

#include <errno.h>
#include <stdio.h>

#include "quota/jobs.h"

struct cancel {
    int64_t job;
    const struct change_by *by;
};

static int check_open(struct db *db, int64_t job, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REQUEST_OPEN, DB_ARGS(DB_I64(job), DB_STR("cancel")), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    if (db_rows_i64(rows, 0) > 0)
        return err_set(e, -EPERM,
                       "job %lld is being cancelled already; see `quota job show %lld`",
                       (long long)job, (long long)job);
    return 0;
}

static int read_job(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct cancel *c = arg;
    AUTO(job_row_freep) struct job_row *row = NULL;
    int r = jobs_get(db, c->job, &row, e);
    if (r < 0)
        return r;
    if (job_state_is_final(row->state))
        return err_set(e, -EPERM, "job %lld has ended already: %s", (long long)c->job,
                       job_state_name(row->state));
    buf_printf(before, "state %s", job_state_name(row->state));
    return check_open(db, c->job, e);
}

static int add_request(struct db *db, void *arg, struct err *e)
{
    struct cancel *c = arg;
    return db_exec(
        db, SQL_REQUEST_ADD,
        DB_ARGS(DB_STR("cancel"), DB_I64(c->job), DB_STR(c->by->actor), DB_STR(c->by->reason)),
        NULL, e);
}

int request_cancel(struct db *db, const struct change_by *by, int64_t job,
                   enum change_answer *out, struct err *e)
{
    char object[40];
    struct cancel arg = {job, by};
    snprintf(object, sizeof(object), "job %lld", (long long)job);
    struct change c = {"job cancel", object, "asked to end", read_job, add_request, &arg};
    return change_run(db, by, &c, out, e);
}
