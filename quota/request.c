// SPDX-License-Identifier: Apache-2.0
/* Writes requests. */
#include "quota/request.h"

#include <errno.h>
#include <stdio.h>

#include "quota/jobs.h"

static const struct kind {
    const char *name, *verb, *after, *doing;
} kinds[] = {
    [REQUEST_CANCEL] = {"cancel", "job cancel", "asked to end", "being cancelled"},
    [REQUEST_RELEASE] = {"release", "hold release", "asked to end and release its hold",
                         "being released"},
    [REQUEST_RECONCILE] = {"reconcile", "job reconcile", "asked to be looked at again",
                           "being looked at"},
};

struct request {
    const struct request_ask *ask;
    const struct change_by *by;
};

static int check_open(struct db *db, const struct request_ask *ask, struct err *e)
{
    int64_t open = 0;
    int r = db_select_i64(db, SQL_REQUEST_OPEN,
                          DB_ARGS(DB_I64(ask->job), DB_STR(kinds[ask->kind].name)), &open, e);
    if (r == 0 && open > 0)
        return err_set(e, -EPERM, "job %lld is %s already; see `quota job show %lld`",
                       (long long)ask->job, kinds[ask->kind].doing, (long long)ask->job);
    return r;
}

static int check_state(const struct request_ask *ask, enum job_state state, struct err *e)
{
    if (job_state_is_final(state))
        return err_set(e, -EPERM, "job %lld has ended already: %s", (long long)ask->job,
                       job_state_name(state));
    if (ask->kind == REQUEST_RELEASE && state != JOB_QUEUED && state != JOB_SUSPENDED)
        return err_set(e, -EPERM,
                       "job %lld is %s and uses its hold; `quota job cancel %lld` ends it",
                       (long long)ask->job, job_state_name(state), (long long)ask->job);
    return 0;
}

static int read_job(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct request *c = arg;
    AUTO(job_row_freep) struct job_row *row = NULL;
    int r = jobs_get(db, c->ask->job, &row, e);
    if (r == 0)
        r = check_state(c->ask, row->state, e);
    if (r < 0)
        return r;
    buf_printf(before, "state %s", job_state_name(row->state));
    return check_open(db, c->ask, e);
}

static int add_request(struct db *db, void *arg, struct err *e)
{
    struct request *c = arg;
    return db_exec(db, SQL_REQUEST_ADD,
                   DB_ARGS(DB_STR(kinds[c->ask->kind].name), DB_I64(c->ask->job),
                           DB_STR(c->by->actor), DB_STR(c->by->reason),
                           DB_STR(c->ask->cause ? c->ask->cause : "")),
                   NULL, e);
}

int request_add(struct db *db, const struct change_by *by, const struct request_ask *ask,
                enum change_answer *out, struct err *e)
{
    const struct kind *kind = &kinds[ask->kind];
    bool has_cause = ask->cause && *ask->cause;
    char object[40], after[80];
    struct request arg = {ask, by};
    snprintf(object, sizeof(object), "job %lld", (long long)ask->job);
    snprintf(after, sizeof(after), "%s%s%s", kind->after, has_cause ? ", cause " : "",
             has_cause ? ask->cause : "");
    struct change c = {kind->verb, object, after, read_job, add_request, &arg};
    return change_run(db, by, &c, out, e);
}
