// SPDX-License-Identifier: Apache-2.0
/* `quota grant`: GPU-hours come in. */
#include <errno.h>
#include <stdio.h>

#include "quota/allocation.h"
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/ledger.h"
#include "quota/project.h"

/* The ledger's answer in the words of a change. */
static int end(struct cli *c, enum grant_answer answer, int64_t allocation, struct err *e)
{
    static const enum change_answer answers[] = {[GRANT_DONE] = CHANGE_DONE,
                                                 [GRANT_SAME] = CHANGE_SAME,
                                                 [GRANT_OTHER_CONTENT] = CHANGE_OTHER_CONTENT};
    return cli_end(c, answers[answer], "allocation", allocation, e);
}

static int check_days(const struct grant_ask *ask, struct err *e)
{
    if (ask->until_ms <= ask->from_ms)
        return err_set(e, -EINVAL,
                       "--until must be a later day than --from: the term ends where "
                       "that day begins");
    return 0;
}

/* A new allocation: PROJECT HOURS --from --until. */
static int open_one(struct cli *c, struct grant_ask *ask, struct err *e)
{
    const char *from = cli_value(c, "from"), *until = cli_value(c, "until");
    enum grant_answer answer = GRANT_DONE;
    int64_t allocation = 0, project;
    if (!from || !until)
        return err_set(e, -EINVAL,
                       "a new allocation needs its term: --from DAY --until DAY; or add "
                       "to one with --allocation NUMBER");
    ask->project = cli_arg(c, 0);
    int r = cli_begin(c, e, "grant %s GPU-hours to the project %s from %s until %s",
                      cli_arg(c, 1), ask->project, from, until);
    if (r == 0)
        r = cli_parse_day("from", from, &ask->from_ms, e);
    if (r == 0)
        r = cli_parse_day("until", until, &ask->until_ms, e);
    if (r == 0)
        r = check_days(ask, e);
    if (r == 0)
        r = project_find(c->db, ask->project, &project, NULL, e);
    if (r == 0 && !c->by.is_dry_run)
        r = ledger_open(c->db, ask, &answer, &allocation, e);
    if (r == 0 && answer == GRANT_NOT_FOUND)
        r = err_set(e, -EPERM,
                    "project %s is closed; `quota project set %s --state open` opens it",
                    ask->project, ask->project);
    return r < 0 ? r : end(c, answer, allocation, e);
}

/* More for one that is there: --allocation N HOURS. */
static int add_to(struct cli *c, struct grant_ask *ask, struct err *e)
{
    enum grant_answer answer = GRANT_DONE;
    struct allocation_row row;
    int64_t free_gpums = 0;
    if (cli_value(c, "from") || cli_value(c, "until"))
        return err_set(e, -EINVAL,
                       "--allocation adds to a term that stands; leave out --from and "
                       "--until");
    int r = cli_parse_id("--allocation", cli_value(c, "allocation"), &ask->allocation, e);
    if (r == 0)
        r = cli_begin(c, e, "grant %s GPU-hours to the allocation %lld", cli_arg(c, 0),
                      (long long)ask->allocation);
    if (r == 0)
        r = allocation_get(c->db, ask->allocation, &row, e);
    if (r == 0 && !c->by.is_dry_run)
        r = ledger_grant(c->db, ask, &answer, &free_gpums, e);
    return r < 0 ? r : end(c, answer, ask->allocation, e);
}

static int grant(struct cli *c, struct err *e)
{
    const char *reference = cli_value(c, "reference");
    bool is_more = cli_value(c, "allocation") != NULL;
    struct grant_ask ask = {.actor = c->by.actor,
                            .reason = c->by.reason,
                            .reference = reference ? reference : "",
                            .key = c->by.key};
    if (c->call->arg_count != (is_more ? 1 : 2))
        return err_set(e, -EINVAL,
                       "write `quota grant PROJECT HOURS --from DAY --until DAY` or "
                       "`quota grant --allocation NUMBER HOURS`");
    int r = amount_parse(cli_arg(c, is_more ? 0 : 1), &ask.gpums, e);
    if (r == 0)
        r = change_check_text("--reference", ask.reference, 120, e);
    if (r < 0)
        return r;
    return is_more ? add_to(c, &ask, e) : open_one(c, &ask, e);
}

static const struct command_option options[] = {
    {"from", "DAY", "the term's first day, in the site's zone", false},
    {"until", "DAY", "the day before which it ends", false},
    {"allocation", "NUMBER", "add to this one instead", false},
    {"reference", "TEXT", "a number of the proposal, kept with the transfer", false},
};

static const struct command_verb verbs[] = {
    {NULL, "[PROJECT] HOURS", 1, 2, options, COUNT(options), COMMAND_WRITES, grant,
     "give GPU-hours to a project for a term",
     "Opens an allocation and prints its number, or adds to one. HOURS has at most three "
     "decimals;\n"
     "one GPU-hour is one hour of a GPU of weight 1. The term is half-open: --until 2027-01-01 "
     "means\n"
     "up to the end of 2026. What is not used when it is over expires.\n"
     "  quota grant lattice 500 --from 2026-11-01 --until 2027-05-01 --reason 'proposal "
     "2026-4'\n"
     "  quota grant --allocation 12 50.5 --reason 'paid extra, invoice 881'\n"},
};

const struct command_noun noun_grant = {"grant", "give GPU-hours to a project", verbs,
                                        COUNT(verbs)};
