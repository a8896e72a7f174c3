// SPDX-License-Identifier: Apache-2.0
/* `quota job`: look at jobs. What is asked of runnerd stands in job_ask.c and reconcile.c. */
#include <errno.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/job_ask.h"
#include "quota/cli/nouns.h"
#include "quota/jobs.h"
#include "quota/people.h"
#include "quota/project.h"
#include "quota/tenant.h"
#include "runner/base/parse.h"

enum { LIMIT_DEFAULT = 100 };

static const struct column job_columns[] = {
    {"job", COLUMN_INT},         {"state", COLUMN_TEXT},     {"tenant", COLUMN_TEXT},
    {"project", COLUMN_TEXT},    {"login", COLUMN_TEXT},     {"directory", COLUMN_TEXT},
    {"name", COLUMN_TEXT},       {"nodes", COLUMN_INT},      {"gpus", COLUMN_INT},
    {"time_limit", COLUMN_SPAN}, {"hold", COLUMN_GPUMS},     {"held", COLUMN_GPUMS},
    {"charged", COLUMN_GPUMS},   {"refunded", COLUMN_GPUMS}, {"placed", COLUMN_TIME},
    {"started", COLUMN_TIME},    {"ended", COLUMN_TIME},     {"exit", COLUMN_INT},
    {"note", COLUMN_TEXT},
};

static void print_job(struct out *o, const struct job_row *j)
{
    out_i64(o, j->id);
    const char *texts[] = {
        job_state_name(j->state), j->tenant, j->project, j->login, j->directory, j->name};
    for (size_t i = 0; i < COUNT(texts); i++)
        out_text(o, texts[i]);
    const int64_t numbers[] = {j->nodes,
                               j->nodes * j->gpus_per_node,
                               j->time_limit_ms,
                               j->hold_gpums,
                               job_row_held_gpums(j),
                               j->charged_gpums,
                               j->refunded_gpums,
                               j->placed_ms,
                               j->started_ms,
                               j->ended_ms};
    for (size_t i = 0; i < COUNT(numbers); i++)
        out_i64(o, numbers[i]);
    if (j->exit_code < 0)
        out_null(o);
    else
        out_i64(o, j->exit_code);
    out_text(o, *j->outcome ? j->outcome : j->waits_for);
    out_row(o);
}

/* ---- list */

static int parse_states(const char *text, unsigned *out, struct err *e)
{
    enum job_state state;
    *out = 0;
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        char word[24] = "";
        size_t len = strcspn(p, ",");
        if (len < sizeof(word))
            memcpy(word, p, len);
        if (!strcmp(word, "live"))
            *out |= JOBS_LIVE;
        else if (!strcmp(word, "ended"))
            *out |= JOBS_FINAL;
        else if (job_state_find(word, &state) && state != JOB_NONE)
            *out |= JOBS_STATE(state);
        else
            return err_set(e, -EINVAL,
                           "--state '%.60s': write live, ended, or states like queued,running",
                           text);
    }
    return 0;
}

static int read_filter(struct cli *c, struct jobs_filter *f, struct err *e)
{
    const char *person = cli_value(c, "person"), *project = cli_value(c, "project");
    const char *tenant = cli_value(c, "tenant");
    int r = 0;
    if (person)
        r = people_find(c->db, person, &f->person_id, e);
    if (r == 0 && project)
        r = project_find(c->db, project, &f->project_id, NULL, e);
    if (r == 0 && tenant)
        r = tenant_find(c->db, tenant, &f->tenant_id, e);
    return r;
}

static int read_limits(struct cli *c, struct jobs_filter *f, struct err *e)
{
    const char *states = cli_value(c, "state"), *limit = cli_value(c, "limit");
    const char *before = cli_value(c, "before");
    int64_t n = LIMIT_DEFAULT;
    int r = states ? parse_states(states, &f->states, e) : 0;
    if (r == 0 && before)
        r = cli_parse_id("--before", before, &f->before_id, e);
    if (r == 0 && limit && parse_i64(limit, 1, INT32_MAX, &n) < 0)
        r = err_set(e, -EINVAL, "--limit '%.40s': write a whole number from 1", limit);
    f->limit = (int)n;
    return r;
}

/* Page by page, so that memory stays bounded whatever the limit. */
static int list_pages(struct cli *c, struct jobs_filter *f, struct err *e)
{
    int left = f->limit;
    bool has_more = true;
    int r = out_begin(&c->out, "", job_columns, COUNT(job_columns), e);
    while (r == 0 && has_more && left > 0) {
        AUTO(job_list_done) struct job_list page = {0};
        f->limit = left < JOBS_LIMIT_MAX ? left : JOBS_LIMIT_MAX;
        r = jobs_list(c->db, f, &page, e);
        for (size_t i = 0; r == 0 && i < page.count; i++) {
            print_job(&c->out, &page.rows[i]);
            f->before_id = page.rows[i].id;
        }
        left -= (int)page.count;
        has_more = page.has_more;
    }
    if (r < 0)
        return r;
    out_end(&c->out);
    if (has_more && c->out.format == OUT_TABLE)
        printf("older ones follow: --before %lld\n", (long long)f->before_id);
    return 0;
}

static int list(struct cli *c, struct err *e)
{
    struct jobs_filter f = {0};
    int r = read_limits(c, &f, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = read_filter(c, &f, e);
    return r < 0 ? r : list_pages(c, &f, e);
}

/* ---- show */

static int print_one(struct cli *c, const struct job_row *job, struct err *e)
{
    int r = out_begin(&c->out, "job", job_columns, COUNT(job_columns), e);
    if (r < 0)
        return r;
    print_job(&c->out, job);
    out_end(&c->out);
    return 0;
}

static int print_attempts(struct cli *c, int64_t job, struct err *e)
{
    static const struct column columns[] = {
        {"attempt", COLUMN_INT},     {"executor", COLUMN_TEXT}, {"place", COLUMN_TEXT},
        {"gpus", COLUMN_INT},        {"weight", COLUMN_WEIGHT}, {"launched", COLUMN_TIME},
        {"started", COLUMN_TIME},    {"ended", COLUMN_TIME},    {"run", COLUMN_SPAN},
        {"chargeable", COLUMN_SPAN}, {"charge", COLUMN_GPUMS},  {"cause", COLUMN_TEXT},
        {"exit", COLUMN_INT},        {"signal", COLUMN_INT},
    };
    AUTO(attempt_list_done) struct attempt_list l = {0};
    int r = jobs_attempts(c->db, job, &l, e);
    if (r == 0)
        r = out_begin(&c->out, "attempts", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < l.count; i++) {
        const struct attempt_row *a = &l.rows[i];
        out_i64(&c->out, a->no);
        out_text(&c->out, a->executor);
        out_text(&c->out, a->place);
        const int64_t numbers[] = {a->gpus,          a->weight_permille, a->created_ms,
                                   a->started_ms,    a->ended_ms,        a->run_ms,
                                   a->chargeable_ms, a->charge_gpums};
        for (size_t k = 0; k < COUNT(numbers); k++)
            out_i64(&c->out, numbers[k]);
        out_text(&c->out, a->cause);
        out_i64(&c->out, a->exit_code);
        out_i64(&c->out, a->signal_no);
        out_row(&c->out);
    }
    if (r == 0)
        out_end(&c->out);
    return r;
}

static int print_events(struct cli *c, int64_t job, struct err *e)
{
    static const struct column columns[] = {{"event", COLUMN_INT},
                                            {"at", COLUMN_TIME},
                                            {"kind", COLUMN_TEXT},
                                            {"note", COLUMN_TEXT}};
    AUTO(event_list_done) struct event_list l = {0};
    int r = jobs_events(c->db, job, &l, e);
    if (r == 0)
        r = out_begin(&c->out, "events", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < l.count; i++) {
        out_i64(&c->out, l.rows[i].seq);
        out_i64(&c->out, l.rows[i].at_ms);
        out_text(&c->out, job_event_name(l.rows[i].kind));
        out_text(&c->out, l.rows[i].note);
        out_row(&c->out);
    }
    if (r == 0)
        out_end(&c->out);
    return r;
}

static int show(struct cli *c, struct err *e)
{
    AUTO(job_row_freep) struct job_row *job = NULL;
    int64_t id;
    int r = cli_parse_id("job", cli_arg(c, 0), &id, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = jobs_get(c->db, id, &job, e);
    if (r < 0)
        return r;
    c->out.is_record = true;
    if (c->out.format == OUT_CSV || c->out.picked) /* one table a file */
        return print_one(c, job, e);
    out_group_begin(&c->out);
    r = print_one(c, job, e);
    c->out.is_record = false;
    if (r == 0)
        r = print_attempts(c, id, e);
    if (r == 0)
        r = print_events(c, id, e);
    out_group_end(&c->out);
    return r;
}

static const struct command_option list_options[] = {
    {"person", "PERSON", "only this person's (login@directory or number)", false},
    {"project", "NAME", "only this project's", false},
    {"tenant", "NAME", "only this tenant's", false},
    {"state", "STATES", "live, ended, or states like queued,running", false},
    {"limit", "N", "at most so many (else 100)", false},
    {"before", "JOB", "only those older than this job", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "jobs, the newest first",
     "hold: set aside when it was placed; held: still set aside; note: why it waits or how it\n"
     "ended.\n"
     "  quota job list --project lattice --state live\n"},
    {"show", "NUMBER", 1, 1, NULL, 0, COMMAND_READS, show, "one job, its attempts and events",
     "As csv, and with --columns, the first table alone is printed.\n"},
    {"cancel", "NUMBER", 1, 1, job_cancel_options, JOB_CANCEL_OPTIONS, COMMAND_WRITES,
     job_cancel, "ask runnerd to end a job",
     "runnerd looks every second: the job's processes get TERM, after a grace KILL, and what\n"
     "it did not use of its hold comes back. With a cause it is the site's doing, and as much\n"
     "of the charge is refunded as the configuration says ([refund]). See `quota job show`\n"
     "for the end.\n"
     "  quota job cancel 4711 --cause maintenance --reason 'n3 gets new memory'\n"},
    {"extend", "NUMBER TIME", 2, 2, NULL, 0, COMMAND_POSTS, job_extend,
     "give a job more time, with another hold",
     "TIME is what is added to its time limit: 90s, 30m, 2h, 1d12h or HH:MM:SS. It is held at\n"
     "the weight of the first hold, from the same allocation, and refused when that has less\n"
     "free or the limit would be longer than allowed. What is not used comes back when the\n"
     "job ends.\n"
     "moved: the other hold; left: how much is free in the allocation afterwards.\n"
     "  quota job extend 4711 2h --reason 'close to the end of its sweep'\n"},
    {"reconcile", "[NUMBER]", 0, 1, job_reconcile_options, JOB_RECONCILE_OPTIONS, COMMAND_READS,
     job_reconcile, "jobs whose books or executor do not agree",
     "Lists jobs whose attempt has ended while the job has not, whose node has not been seen,\n"
     "whose attempt is open though the job does not run (each for over a minute), that live\n"
     "without a hold, or that ended with charges missing or GPU-time still held. run:\n"
     "chargeable time so far; proposed: what would be charged for it besides what was\n"
     "charged. Changes nothing; with --apply runnerd is asked to look at each again and to\n"
     "settle it by what its executor knows: a job that no executor knows is lost, charged to\n"
     "the last sign of life. `quota job show` tells what came of it. A job that has ended is\n"
     "proved by `quota verify` and put right by `quota refund` or `quota adjust`.\n"
     "  quota job reconcile\n"
     "  quota job reconcile 4711 --apply --reason 'n3 burnt down'\n"},
};

const struct command_noun noun_job = {"job", "what people run", verbs, COUNT(verbs)};
