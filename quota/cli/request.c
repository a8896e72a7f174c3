// SPDX-License-Identifier: Apache-2.0
/* `quota request`: what people ask for: to join a project, a new project, more GPU-hours. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/allocation.h"
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post.h"
#include "quota/user_request.h"

static const char *const roles[] = {"member", "pi", NULL};

static int answer_it(struct cli *c, int64_t id, bool is_approved, struct err *e)
{
    struct user_request_ask ask = {id, is_approved, cli_value(c, "role")};
    enum change_answer answer;
    int r = ask.role ? cli_parse_word("--role", ask.role, roles, e) : 0;
    if (r == 0)
        r = user_request_answer(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, is_approved ? "approved" : "denied", ask.id, e);
}

/* ---- more GPU-hours: the grant first, under a key of the request's own, then the answer */

static int check_hours(struct cli *c, const struct user_request *row, struct posting_ask *ask,
                       struct err *e)
{
    const char *from = cli_value(c, "from"), *until = cli_value(c, "until");
    const char *allocation = cli_value(c, "allocation"), *hours = cli_value(c, "hours");
    int r = hours ? amount_parse(hours, &ask->gpums, e) : 0;
    if (!allocation == !(from && until) || !from != !until)
        return err_set(
            e, -EINVAL,
            "request %lld is for GPU-hours: say --allocation NUMBER to add them to, or --from "
            "DAY --until DAY for a term of their own",
            (long long)row->id);
    if (r == 0 && allocation)
        return cli_parse_id("--allocation", allocation, &ask->allocation, e);
    if (r == 0)
        r = cli_parse_day("from", from, &ask->from_ms, e);
    if (r == 0)
        r = cli_parse_day("until", until, &ask->until_ms, e);
    if (r == 0 && ask->until_ms <= ask->from_ms)
        r = err_set(e, -EINVAL, "--until must be a later day than --from");
    return r;
}

/* An allocation of another project is not what was asked for. */
static int check_project(struct cli *c, const struct user_request *row,
                         const struct posting_ask *ask, struct err *e)
{
    struct allocation_row a;
    int r = ask->allocation ? allocation_get(c->db, ask->allocation, &a, e) : 0;
    if (r == 0 && ask->allocation && strcmp(a.project, row->project))
        r = err_set(e, -EINVAL,
                    "allocation %lld is of the project %s, and the request is for %s",
                    (long long)ask->allocation, a.project, row->project);
    return r;
}

/* Under the request's own key: granted once, however often it is tried. */
static int grant_hours(struct cli *c, const struct user_request *row, struct err *e)
{
    char key[CHANGE_KEY_MAX], reference[40];
    struct posting_ask ask = {
        .project = row->project, .gpums = row->gpums, .reference = reference};
    struct change_by by = c->by;
    snprintf(key, sizeof(key), "request-%lld-grant", (long long)row->id);
    snprintf(reference, sizeof(reference), "request %lld", (long long)row->id);
    int r = check_hours(c, row, &ask, e);
    if (r == 0)
        r = check_project(c, row, &ask, e);
    if (r < 0)
        return r;
    c->by.key = key;
    r = post_one(c, ask.allocation ? posting_grant : posting_open, &ask, "allocation", e);
    c->by = by;
    if (r == -EEXIST)
        return err_set(e, r,
                       "request %lld: a command that was cut off has granted other GPU-hours "
                       "for it, in the ledger under the key %s; repeat that one, or deny it",
                       (long long)row->id, key);
    return r;
}

static int approve_hours(struct cli *c, const struct user_request *row, struct err *e)
{
    struct user_request_ask ask = {.id = row->id, .is_approved = true};
    enum change_answer answer;
    int r = grant_hours(c, row, e);
    if (r == 0)
        r = user_request_answer(c->db, &c->by, &ask, &answer, e);
    if (r == 0 && answer == CHANGE_OTHER_CONTENT)
        r = err_set(e, -EEXIST, "key %s was used for something else; take another, or none",
                    c->by.key);
    return r;
}

/* Options that mean nothing for a request of this kind are not passed over in silence. */
static int check_options(struct cli *c, const struct user_request *row, struct err *e)
{
    static const char *const of_hours[] = {"hours", "allocation", "from", "until"};
    bool is_hours = !strcmp(row->kind, "hours");
    if (cli_value(c, "role") && strcmp(row->kind, "join"))
        return err_set(e, -EINVAL, "request %lld is not to join a project: leave out --role",
                       (long long)row->id);
    for (size_t i = 0; i < COUNT(of_hours) && !is_hours; i++)
        if (cli_value(c, of_hours[i]))
            return err_set(e, -EINVAL, "request %lld is not for GPU-hours: leave out --%s",
                           (long long)row->id, of_hours[i]);
    return 0;
}

static int approve(struct cli *c, struct err *e)
{
    AUTO(user_request_list_done) struct user_request_list found = {0};
    int64_t id;
    int r = cli_parse_id("request", cli_arg(c, 0), &id, e);
    if (r == 0)
        r = cli_begin(c, e, "approve the request %s", cli_arg(c, 0));
    if (r == 0)
        r = user_request_get(c->db, id, &found, e);
    if (r == -ENOENT) /* in other words */
        return answer_it(c, id, true, e);
    if (r == 0)
        r = check_options(c, &found.rows[0], e);
    if (r < 0)
        return r;
    const struct user_request *row = &found.rows[0];
    if (!strcmp(row->kind, "hours") && !strcmp(row->state, "open"))
        return approve_hours(c, row, e);
    return answer_it(c, id, true, e);
}

static int deny(struct cli *c, struct err *e)
{
    int64_t id;
    int r = cli_parse_id("request", cli_arg(c, 0), &id, e);
    if (r == 0)
        r = cli_begin(c, e, "deny the request %s", cli_arg(c, 0));
    return r < 0 ? r : answer_it(c, id, false, e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"request", COLUMN_INT}, {"asked", COLUMN_TIME}, {"kind", COLUMN_TEXT},
        {"person", COLUMN_TEXT}, {"name", COLUMN_TEXT},  {"project", COLUMN_TEXT},
        {"exists", COLUMN_TEXT}, {"title", COLUMN_TEXT}, {"wished", COLUMN_GPUMS},
        {"note", COLUMN_TEXT},   {"state", COLUMN_TEXT}, {"answered_by", COLUMN_TEXT},
        {"answer", COLUMN_TEXT},
    };
    return cli_list(c, SQL_USER_REQUEST_LIST, DB_ARGS(DB_I64(cli_value(c, "all") != NULL)),
                    columns, COUNT(columns), NULL, e);
}

static const struct command_option approve_options[] = {
    {"role", "member|pi", "join: what the person becomes (else member)", false},
    {"hours", "HOURS", "hours: how many (else as many as were asked for)", false},
    {"allocation", "NUMBER", "hours: the allocation they are added to", false},
    {"from", "DAY", "hours: or the first day of a term of their own", false},
    {"until", "DAY", "hours: and the day before which it ends", false},
};

static const struct command_option list_options[] = {
    {"all", NULL, "also those that were answered", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "the requests that wait", "exists: whether the site has a project of that name.\n"},
    {"approve", "NUMBER", 1, 1, approve_options, COUNT(approve_options), COMMAND_WRITES,
     approve, "let the person in, open the new project, or grant the GPU-hours",
     "join: the person becomes a member. project: it is opened with the person as its PI;\n"
     "what GPU-hours it begins with, `quota grant` gives. hours: they are granted, in an\n"
     "allocation of the project that is there (--allocation) or for a term of their own\n"
     "(--from, --until). Should the command be cut off, give it once more: nothing is\n"
     "granted twice. The person reads the reason in the portal.\n"
     "  quota request approve 17 --reason 'see proposal 2026-4'\n"
     "  quota request approve 18 --hours 200 --allocation 12 --reason 'half of it for now'\n"},
    {"deny", "NUMBER", 1, 1, NULL, 0, COMMAND_WRITES, deny, "refuse what was asked for",
     "The person reads the reason in the portal.\n"
     "  quota request deny 19 --reason 'there is no project of that name; you mean lattice'\n"},
};

const struct command_noun noun_request = {"request", "what people ask for", verbs,
                                          COUNT(verbs)};
