// SPDX-License-Identifier: Apache-2.0
/* `quota request`: people who ask to join a project. */
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/member.h"

static const char *const roles[] = {"member", "pi", NULL};

static int answer_it(struct cli *c, bool is_approved, struct err *e)
{
    const char *role = cli_value(c, "role");
    struct join_answer_ask ask = {.is_approved = is_approved, .role = role ? role : "member"};
    enum change_answer answer;
    int r = cli_parse_id("request", cli_arg(c, 0), &ask.id, e);
    if (r == 0)
        r = cli_parse_word("--role", ask.role, roles, e);
    if (r == 0)
        r = cli_begin(c, e, "%s the request %s", is_approved ? "approve" : "deny",
                      cli_arg(c, 0));
    if (r == 0)
        r = join_answer(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, is_approved ? "approved" : "denied", ask.id, e);
}

static int approve(struct cli *c, struct err *e)
{
    return answer_it(c, true, e);
}

static int deny(struct cli *c, struct err *e)
{
    return answer_it(c, false, e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"request", COLUMN_INT}, {"asked", COLUMN_TIME},   {"person", COLUMN_TEXT},
        {"name", COLUMN_TEXT},   {"project", COLUMN_TEXT}, {"exists", COLUMN_TEXT},
        {"note", COLUMN_TEXT},   {"state", COLUMN_TEXT},   {"answered_by", COLUMN_TEXT},
        {"answer", COLUMN_TEXT},
    };
    return cli_list(c, SQL_JOIN_LIST, DB_ARGS(DB_I64(cli_value(c, "all") != NULL)), columns,
                    COUNT(columns), NULL, e);
}

static const struct command_option approve_options[] = {
    {"role", "member|pi", "what the person becomes (else member)", false},
};

static const struct command_option list_options[] = {
    {"all", NULL, "also those that were answered", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "the requests that wait", "exists: whether the site has a project of that name.\n"},
    {"approve", "NUMBER", 1, 1, approve_options, COUNT(approve_options), COMMAND_WRITES,
     approve, "make the person a member", "The person reads the reason.\n"},
    {"deny", "NUMBER", 1, 1, NULL, 0, COMMAND_WRITES, deny, "refuse",
     "The person reads the reason.\n"},
};

const struct command_noun noun_request = {"request", "people who ask to join a project", verbs,
                                          COUNT(verbs)};
