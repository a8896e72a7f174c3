// SPDX-License-Identifier: Apache-2.0
/* `quota job reconcile`: jobs whose books, events and executor do not agree. What is wrong
 * is found by one statement; only runnerd, which alone moves jobs, mends it, and is asked to
 * by --apply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/cli/job_ask.h"
#include "quota/request.h"
#include "runner/base/xnew.h"
#include "runner/job/job.h"

enum {
    AGE_MS = 60000, /* what lasts longer is no hand-over between two looks of runnerd */
    KEY_MAX = CHANGE_KEY_MAX - 20, /* each job's number is put behind it */
};

static const struct column columns[] = {
    {"job", COLUMN_INT},       {"state", COLUMN_TEXT},     {"project", COLUMN_TEXT},
    {"person", COLUMN_TEXT},   {"attempt", COLUMN_INT},    {"problem", COLUMN_TEXT},
    {"since", COLUMN_TIME},    {"run", COLUMN_SPAN},       {"held", COLUMN_GPUMS},
    {"charged", COLUMN_GPUMS}, {"proposed", COLUMN_GPUMS}, {"answer", COLUMN_TEXT},
};

const struct command_option job_reconcile_options[JOB_RECONCILE_OPTIONS] = {
    {"apply", NULL, "ask runnerd to settle them; needs --reason", false},
    {"reason", "TEXT", "with --apply: why; it is kept in the audit", false},
    {"key", "KEY", "with --apply: repeating with the same key changes nothing", false},
    {"dry-run", NULL, "with --apply: do everything but keep nothing", false},
    {"yes", NULL, "with --apply: do not ask", false},
};

/* One row of the list. */
struct finding {
    int64_t job, attempt, since_ms, run_ms, held_gpums, charged_gpums, proposed_gpums;
    char *state, *project, *person, *problem;
    bool is_final;
};

struct findings {
    struct finding *rows;
    size_t count;
};

static void findings_done(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->rows[i].state);
        free(f->rows[i].project);
        free(f->rows[i].person);
        free(f->rows[i].problem);
    }
    free(f->rows);
}

static struct finding read_finding(const struct db_rows *rows)
{
    enum job_state state = JOB_NONE;
    struct finding f = {
        .job = db_rows_i64(rows, 0),
        .state = xdup(db_rows_text(rows, 1)),
        .project = xdup(db_rows_text(rows, 2)),
        .person = xdup(db_rows_text(rows, 3)),
        .attempt = db_rows_i64(rows, 4),
        .problem = xdup(db_rows_text(rows, 5)),
        .since_ms = db_rows_i64(rows, 6),
        .run_ms = db_rows_i64(rows, 7),
        .held_gpums = db_rows_i64(rows, 8),
        .charged_gpums = db_rows_i64(rows, 9),
        .proposed_gpums = db_rows_i64(rows, 10),
    };
    f.is_final = job_state_find(f.state, &state) && job_state_is_final(state);
    return f;
}

static int find(struct cli *c, int64_t job, struct findings *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(c->db, SQL_RECONCILE_LIST,
                      DB_ARGS(DB_I64(AGE_MS), DB_I64(job), DB_I64(job), DB_I64(job),
                              DB_I64(job), DB_I64(job), DB_I64(job), DB_I64(job), DB_I64(job)),
                      &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0) {
        out->rows = xgrow(out->rows, out->count + 1, sizeof(*out->rows));
        out->rows[out->count++] = read_finding(rows);
    }
    return r;
}

static void print(struct cli *c, const struct finding *f, const char *answer)
{
    out_i64(&c->out, f->job);
    out_text(&c->out, f->state);
    out_text(&c->out, f->project);
    out_text(&c->out, f->person);
    out_i64_or_null(&c->out, f->attempt);
    out_text(&c->out, f->problem);
    const int64_t numbers[] = {f->since_ms, f->run_ms, f->held_gpums, f->charged_gpums,
                               f->proposed_gpums};
    for (size_t i = 0; i < COUNT(numbers); i++)
        out_i64(&c->out, numbers[i]);
    out_text(&c->out, answer);
    out_row(&c->out);
}

/* Asks for one job; *out_answer gets what became of it, in words. */
static int apply_one(struct cli *c, const struct finding *f, const char **out_answer,
                     struct err *e)
{
    struct request_ask ask = {.kind = REQUEST_RECONCILE, .job = f->job};
    enum change_answer answer = CHANGE_DONE;
    struct change_by by = c->by;
    char key[CHANGE_KEY_MAX + 1];
    if (f->is_final) {
        *out_answer = "it has ended: see `quota verify`";
        return 0;
    }
    snprintf(key, sizeof(key), "%s-%lld", c->key, (long long)f->job);
    by.key = key;
    int r = request_add(c->db, &by, &ask, &answer, e);
    *out_answer = r == -EPERM                      ? "asked already, or it has ended since"
                  : answer == CHANGE_OTHER_CONTENT ? "its key was used for something else"
                  : answer == CHANGE_SAME          ? "asked before"
                  : by.is_dry_run                  ? "would be asked"
                                                   : "asked";
    return r == -EPERM ? 0 : r;
}

static int print_all(struct cli *c, const struct findings *f, bool is_apply, struct err *e)
{
    const char *answer = "";
    int r = out_begin(&c->out, "", columns, COUNT(columns), e);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < f->count; i++) {
        bool is_next = i > 0 && f->rows[i].job == f->rows[i - 1].job;
        if (is_apply && !is_next)
            r = apply_one(c, &f->rows[i], &answer, e);
        if (r == 0)
            print(c, &f->rows[i], answer);
    }
    out_end(&c->out);
    return r;
}

static int init_apply(struct cli *c, struct err *e)
{
    if (!cli_value(c, "reason"))
        return err_set(e, -EINVAL,
                       "--apply needs --reason TEXT (why; it is kept in the audit)");
    int r = cli_init_write(c, e);
    if (r == 0 && strlen(c->key) > KEY_MAX)
        r = err_set(e, -EINVAL,
                    "key %s: at most %d characters here, for each job gets one of its own",
                    c->key, KEY_MAX);
    return r;
}

int job_reconcile(struct cli *c, struct err *e)
{
    AUTO(findings_done) struct findings f = {0};
    bool is_apply = cli_value(c, "apply") != NULL;
    int64_t job = 0;
    int r = cli_arg(c, 0) ? cli_parse_id("job", cli_arg(c, 0), &job, e) : 0;
    if (r == 0)
        r = cli_check_columns(c, columns, COUNT(columns), e);
    if (r == 0 && is_apply)
        r = init_apply(c, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = find(c, job, &f, e);
    if (r == 0 && is_apply && f.count)
        r = cli_begin(c, e, "ask runnerd to settle what %zu finding%s say", f.count,
                      f.count == 1 ? " says" : "s");
    return r < 0 ? r : print_all(c, &f, is_apply, e);
}
