// SPDX-License-Identifier: Apache-2.0
/* Turns the ledger's answers into rows and sentences. Amounts in sentences are rounded so that
 * what they propose is possible. */
#include "quota/cli/post.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/allocation.h"
#include "quota/jobs.h"
#include "quota/month.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"

enum { THOUSANDTH = 3600, REFERENCE_MAX = 120 };

static const struct column columns[] = {{"answer", COLUMN_TEXT}, {"object", COLUMN_TEXT},
                                        {"number", COLUMN_INT},  {"moved", COLUMN_GPUMS},
                                        {"left", COLUMN_GPUMS},  {"key", COLUMN_TEXT}};

/* An amount in hours as it can be typed: what is there, rounded down. */
struct hours {
    char text[AMOUNT_TEXT];
};

static struct hours floor_hours(int64_t gpums)
{
    struct hours h;
    amount_text(gpums - gpums % THOUSANDTH, AMOUNT_HOURS, h.text);
    return h;
}

static struct hours ceil_hours(int64_t gpums)
{
    return floor_hours(gpums + THOUSANDTH - 1);
}

int post_init(struct cli *c, struct posting_ask *ask, struct err *e)
{
    const char *reference = cli_value(c, "reference");
    ask->reference = reference ? reference : "";
    int r = cli_check_columns(c, columns, COUNT(columns), e);
    return r < 0 ? r : change_check_text("--reference", ask->reference, REFERENCE_MAX, e);
}

/* ---- refusals */

static int say_project_closed(struct cli *c, const char *project, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(c->db, SQL_PROJECT_FIND, DB_ARGS(DB_STR(project)), &rows, e);
    if (r < 0)
        return r;
    if (r == 1 && !strcmp(db_rows_text(rows, 2), "closed"))
        return err_set(e, -EPERM,
                       "project %s is closed; `quota project set %s --state open` opens it",
                       project, project);
    return err_set(e, -EPERM,
                   "the tenant of project %s is closed; `quota tenant set NAME --state open` "
                   "opens it",
                   project);
}

static int say_closed(struct cli *c, int64_t allocation, struct err *e)
{
    struct allocation_row row;
    char until[20];
    int r = allocation_get(c->db, allocation, &row, e);
    if (r < 0)
        return r;
    if (!row.is_open)
        return err_set(e, -EPERM,
                       "allocation %lld is closed; `quota allocation open %lld` opens it",
                       (long long)allocation, (long long)allocation);
    if (row.until_ms <= now_ms()) {
        now_text(row.until_ms, until);
        return err_set(
            e, -EPERM,
            "the term of allocation %lld was over at %s; `quota grant %s HOURS --from DAY "
            "--until DAY` opens another",
            (long long)allocation, until, row.project);
    }
    return say_project_closed(c, row.project, e);
}

/* Of two the one that is not there. */
static int refuse_unknown(struct cli *c, const struct posting_ask *ask, struct err *e)
{
    struct allocation_row row;
    int r = allocation_get(c->db, ask->allocation, &row, e);
    return r < 0 ? r : allocation_get(c->db, ask->to_allocation, &row, e);
}

static int refuse_closed(struct cli *c, posting_fn *run, const struct posting_ask *ask,
                         struct err *e)
{
    if (run == posting_open && ask->until_ms > now_ms())
        return say_project_closed(c, ask->project, e);
    if (run == posting_open)
        return err_set(e, -EPERM,
                       "--until %s: that term is over already, and what is granted in it would "
                       "expire at once",
                       cli_value(c, "until"));
    if (run == posting_transfer) {
        struct allocation_row from;
        int r = allocation_get(c->db, ask->allocation, &from, e);
        bool is_over = r == 0 && from.until_ms <= now_ms(); /* closed by hand it may give */
        return r < 0 ? r : say_closed(c, is_over ? ask->allocation : ask->to_allocation, e);
    }
    if (run == posting_extend) {
        AUTO(job_row_freep) struct job_row *job = NULL;
        int r = jobs_get(c->db, ask->job, &job, e);
        return r < 0 ? r : say_closed(c, job->allocation_id, e);
    }
    return say_closed(c, ask->allocation, e);
}

static int refuse_low_share(const struct posting_ask *ask, int64_t there, struct err *e)
{
    struct hours low = ceil_hours(there);
    long long from = ask->allocation, person = ask->person_id;
    return err_set(e, -EPERM,
                   "person %lld holds and has used %s GPU-hours of allocation %lld; a limit "
                   "may be that or more: `quota share set %lld %lld %s`",
                   person, low.text, from, from, person, low.text);
}

static int refuse_too_little(posting_fn *run, const struct posting_ask *ask, int64_t there,
                             struct err *e)
{
    struct hours has = floor_hours(there), asked = ceil_hours(ask->gpums);
    long long from = ask->allocation, to = ask->to_allocation, job = ask->job;
    if (run == posting_share)
        return refuse_low_share(ask, there, e);
    if (run == posting_extend)
        return err_set(
            e, -EPERM,
            "the allocation of job %lld (or the member's share in it) has %s GPU-hours free, "
            "less than so much more time would hold; ask for less, or `quota grant "
            "--allocation` more",
            job, has.text);
    if (run == posting_refund)
        return err_set(
            e, -EPERM,
            "job %lld has %s GPU-hours that can be refunded, %s asked; without HOURS all of it "
            "is refunded",
            job, has.text, asked.text);
    if (there < THOUSANDTH)
        return err_set(
            e, -EPERM,
            "allocation %lld has nothing free; what is held comes back when its jobs end",
            from);
    if (run == posting_adjust)
        return err_set(
            e, -EPERM,
            "allocation %lld has %s GPU-hours free; `quota adjust %lld -%s` takes what is "
            "there",
            from, has.text, from, has.text);
    if (run == posting_transfer)
        return err_set(e, -EPERM,
                       "allocation %lld has %s GPU-hours free, %s asked; `quota transfer %lld "
                       "%lld %s` moves what is there",
                       from, has.text, asked.text, from, to, has.text);
    return err_set(
        e, -EPERM,
        "allocation %lld has %s GPU-hours free, %s asked; `quota revoke --allocation %lld %s` "
        "takes what is there",
        from, has.text, asked.text, from, has.text);
}

static int refuse_nothing(posting_fn *run, const struct posting_ask *ask, struct err *e)
{
    if (run == posting_refund)
        return err_set(
            e, -EPERM,
            "job %lld has nothing that can be refunded: it was charged nothing, or all of it "
            "was refunded already",
            (long long)ask->job);
    if (run == posting_share)
        return err_set(e, -EPERM, "person %lld has no limit in allocation %lld",
                       (long long)ask->person_id, (long long)ask->allocation);
    return err_set(e, -EPERM, "allocation %lld has nothing free; there is nothing to do",
                   (long long)ask->allocation);
}

static int refuse_over(struct cli *c, posting_fn *run, const struct posting_ask *ask,
                       struct err *e)
{
    struct allocation_row row;
    char until[20];
    if (run == posting_extend)
        return err_set(e, -EPERM, "job %lld has ended already; place it again",
                       (long long)ask->job);
    int r = allocation_get(c->db, ask->allocation, &row, e);
    if (r < 0)
        return r;
    now_text(row.until_ms, until);
    return err_set(
        e, -EPERM,
        "the term of allocation %lld is not over before %s; `quota revoke --allocation %lld "
        "HOURS` takes GPU-time out of it now",
        (long long)ask->allocation, until, (long long)ask->allocation);
}

static int refuse_long(const struct posting_ask *ask, int64_t longest_ms, struct err *e)
{
    char longest[32];
    parse_duration_text(longest_ms, longest);
    return err_set(e, -EPERM,
                   "job %lld may have a time limit of %s at the longest, with what it has "
                   "already; see `quota limit list`",
                   (long long)ask->job, longest);
}

static int refuse_month(posting_fn *run, const struct posting_ask *ask, struct err *e)
{
    char month[MONTH_NAME_LEN];
    month_name(ask->month, month);
    if (run == posting_adjust)
        return err_set(
            e, -EPERM,
            "month %s is not closed: only a closed one is named; what is wrong in an open one "
            "is corrected without --month",
            month);
    return err_set(e, -EPERM,
                   "month %s: the job was not charged in it; leave out --month, or name the "
                   "month of a charge: `quota ledger list --job %lld`",
                   month, (long long)ask->job);
}

static int refuse(struct cli *c, posting_fn *run, const struct posting_ask *ask,
                  const struct posting_result *res, struct err *e)
{
    switch (res->answer) {
    case POSTING_OTHER_CONTENT:
        return err_set(e, -EEXIST,
                       "key %s was used for something else; take another key, or none", c->key);
    case POSTING_NO_ALLOCATION:
        return refuse_unknown(c, ask, e);
    case POSTING_NO_PROJECT:
        return err_set(e, -ENOENT, "project %s: not found; `quota project list` shows all",
                       ask->project);
    case POSTING_NO_JOB:
        return err_set(e, -ENOENT, "job %lld: not found%s", (long long)ask->job,
                       run == posting_adjust ? ", or it draws on another allocation" : "");
    case POSTING_NO_PERSON:
        return err_set(
            e, -ENOENT,
            "person %lld is no member of the project of allocation %lld; `quota member add` "
            "makes a member",
            (long long)ask->person_id, (long long)ask->allocation);
    case POSTING_CLOSED:
        return refuse_closed(c, run, ask, e);
    case POSTING_TOO_LITTLE:
        return refuse_too_little(run, ask, res->there_gpums, e);
    case POSTING_NOTHING:
        return refuse_nothing(run, ask, e);
    case POSTING_OVER:
        return refuse_over(c, run, ask, e);
    case POSTING_TOO_LONG:
        return refuse_long(ask, res->there_gpums, e);
    case POSTING_WRONG_MONTH:
        return refuse_month(run, ask, e);
    case POSTING_TOO_MUCH:
        return err_set(e, -EPERM, "the books hold at most %s GPU-hours more",
                       floor_hours(res->there_gpums).text);
    default:
        return err_set(e, -EIO, "the ledger gave an answer that is unknown here");
    }
}

/* ---- rows */

int post_begin(struct cli *c, struct err *e)
{
    return out_begin(&c->out, "", columns, COUNT(columns), e);
}

void post_end(struct cli *c)
{
    out_end(&c->out);
}

static void put_row(struct cli *c, const char *object, const struct posting_result *res)
{
    out_text(&c->out, res->answer == POSTING_SAME ? "done before"
                      : c->by.is_dry_run          ? "would be done"
                                                  : "done");
    out_text(&c->out, object);
    out_i64_or_null(&c->out, res->number);
    out_i64(&c->out, res->moved_gpums);
    if (res->answer == POSTING_SAME) /* others may have posted since */
        out_null(&c->out);
    else
        out_i64(&c->out, res->there_gpums);
    out_text(&c->out, c->by.key);
    out_row(&c->out);
}

static int post(struct cli *c, posting_fn *run, const struct posting_ask *ask,
                struct posting_result *out, struct err *e)
{
    int r = run(c->db, &c->by, ask, out, e);
    if (r < 0 || out->answer == POSTING_DONE || out->answer == POSTING_SAME)
        return r;
    return refuse(c, run, ask, out, e);
}

int post_row(struct cli *c, posting_fn *run, const struct posting_ask *ask, const char *object,
             struct err *e)
{
    struct posting_result res;
    int r = post(c, run, ask, &res, e);
    if (r == 0)
        put_row(c, object, &res);
    return r;
}

int post_one(struct cli *c, posting_fn *run, const struct posting_ask *ask, const char *object,
             struct err *e)
{
    struct posting_result res;
    int r = post(c, run, ask, &res, e);
    if (r == 0)
        r = post_begin(c, e);
    if (r < 0)
        return r;
    put_row(c, object, &res);
    post_end(c);
    return CLI_OK;
}
