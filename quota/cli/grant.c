// SPDX-License-Identifier: Apache-2.0
/* `quota grant` and `quota revoke`: GPU-hours come in and go out. */
#include <errno.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post.h"

static int check_days(const struct posting_ask *ask, struct err *e)
{
    if (ask->until_ms <= ask->from_ms)
        return err_set(e, -EINVAL,
                       "--until must be a later day than --from: the term ends where that day "
                       "begins");
    return 0;
}

/* A new allocation: PROJECT HOURS --from --until. */
static int open_one(struct cli *c, struct posting_ask *ask, struct err *e)
{
    const char *from = cli_value(c, "from"), *until = cli_value(c, "until");
    if (!from || !until)
        return err_set(e, -EINVAL,
                       "a new allocation needs its term: --from DAY --until DAY; or add to one "
                       "with --allocation NUMBER");
    ask->project = cli_arg(c, 0);
    int r = cli_begin(c, e, "grant %s GPU-hours to the project %s from %s until %s",
                      cli_arg(c, 1), ask->project, from, until);
    if (r == 0)
        r = cli_parse_day("from", from, &ask->from_ms, e);
    if (r == 0)
        r = cli_parse_day("until", until, &ask->until_ms, e);
    if (r == 0)
        r = check_days(ask, e);
    return r < 0 ? r : post_one(c, posting_open, ask, "allocation", e);
}

/* More for one that is there: --allocation N HOURS. */
static int add_to(struct cli *c, struct posting_ask *ask, struct err *e)
{
    if (cli_value(c, "from") || cli_value(c, "until"))
        return err_set(e, -EINVAL,
                       "--allocation adds to a term that stands; leave out --from and --until");
    int r = cli_parse_id("--allocation", cli_value(c, "allocation"), &ask->allocation, e);
    if (r == 0)
        r = cli_begin(c, e, "grant %s GPU-hours to the allocation %lld", cli_arg(c, 0),
                      (long long)ask->allocation);
    return r < 0 ? r : post_one(c, posting_grant, ask, "allocation", e);
}

static int grant(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    bool is_more = cli_value(c, "allocation") != NULL;
    if (c->call->arg_count != (is_more ? 1 : 2))
        return err_set(e, -EINVAL,
                       "write `quota grant PROJECT HOURS --from DAY --until DAY` or `quota "
                       "grant --allocation NUMBER HOURS`");
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = amount_parse(cli_arg(c, is_more ? 0 : 1), &ask.gpums, e);
    if (r < 0)
        return r;
    return is_more ? add_to(c, &ask, e) : open_one(c, &ask, e);
}

static int revoke(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("--allocation", cli_value(c, "allocation"), &ask.allocation, e);
    if (r == 0)
        r = amount_parse(cli_arg(c, 0), &ask.gpums, e);
    if (r == 0)
        r = cli_begin(c, e, "take %s GPU-hours out of the allocation %lld", cli_arg(c, 0),
                      (long long)ask.allocation);
    return r < 0 ? r : post_one(c, posting_revoke, &ask, "allocation", e);
}

#define REFERENCE                                                                              \
    {                                                                                          \
        "reference", "TEXT", "a number of the proposal, kept with the transfer", false         \
    }

static const struct command_option grant_options[] = {
    {"from", "DAY", "the term's first day, in the site's zone", false},
    {"until", "DAY", "the day before which it ends", false},
    {"allocation", "NUMBER", "add to this one instead", false},
    REFERENCE,
};

static const struct command_option revoke_options[] = {
    {"allocation", "NUMBER", "which one (`quota balance` shows all)", true},
    REFERENCE,
};

static const struct command_verb grant_verbs[] = {
    {NULL, "[PROJECT] HOURS", 1, 2, grant_options, COUNT(grant_options), COMMAND_POSTS, grant,
     "give GPU-hours to a project for a term",
     "Opens an allocation and prints its number, or adds to one. HOURS has at most three\n"
     "decimals; one GPU-hour is one hour of a GPU of weight 1. The term is half-open and\n"
     "begins and ends where those days begin in the site's zone: --until 2027-01-01 means up\n"
     "to the end of 2026. What is not used when it is over expires. A project may have\n"
     "several allocations, and their terms may overlap: a job draws on the one that ends\n"
     "first and covers it.\n" POST_HELP
     "  quota grant lattice 500 --from 2026-11-01 --until 2027-05-01 --reason 'proposal 4'\n"
     "  quota grant --allocation 12 50.5 --reason 'paid extra, invoice 881'\n"},
};

static const struct command_verb revoke_verbs[] = {
    {NULL, "HOURS", 1, 1, revoke_options, COUNT(revoke_options), COMMAND_POSTS, revoke,
     "take GPU-hours out of an allocation",
     "Takes only what is free: what jobs hold stays theirs until they end.\n" POST_HELP
     "  quota revoke --allocation 12 30 --reason 'proposal 2026-4 was withdrawn'\n"},
};

const struct command_noun noun_grant = {"grant", "give GPU-hours to a project", grant_verbs,
                                        COUNT(grant_verbs)};
const struct command_noun noun_revoke = {"revoke", "take free GPU-hours out of an allocation",
                                         revoke_verbs, COUNT(revoke_verbs)};
