// SPDX-License-Identifier: Apache-2.0
/* `quota member`: who is in a project. */
#include "quota/member.h"

#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/people.h"

static const char *const roles[] = {"member", "pi", NULL};

typedef int member_fn(struct db *db, const struct change_by *by, const struct member_ask *ask,
                      enum change_answer *out, struct err *e);

static int change(struct cli *c, const char *verb, const char *role, member_fn *run,
                  struct err *e)
{
    struct member_ask ask = {.project = cli_arg(c, 0), .role = role};
    enum change_answer answer;
    int r = role ? cli_parse_word("--role", role, roles, e) : 0;
    if (r == 0)
        r = cli_begin(c, e, "%s %s %s the project %s", verb, cli_arg(c, 1),
                      strcmp(verb, "remove") ? "in" : "from", ask.project);
    if (r == 0)
        r = people_find(c->db, cli_arg(c, 1), &ask.person_id, e);
    if (r == 0)
        r = run(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, cli_arg(c, 1), ask.person_id, e);
}

static int add(struct cli *c, struct err *e)
{
    const char *role = cli_value(c, "role");
    return change(c, "add", role ? role : "member", member_add, e);
}

static int set(struct cli *c, struct err *e)
{
    return change(c, "set", cli_value(c, "role"), member_set, e);
}

static int remove_it(struct cli *c, struct err *e)
{
    return change(c, "remove", NULL, member_remove, e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"project", COLUMN_TEXT},   {"person", COLUMN_INT}, {"login", COLUMN_TEXT},
        {"directory", COLUMN_TEXT}, {"name", COLUMN_TEXT},  {"role", COLUMN_TEXT},
        {"state", COLUMN_TEXT},     {"since", COLUMN_TIME},
    };
    const char *project = cli_arg(c, 0) ? cli_arg(c, 0) : "";
    return cli_list(c, SQL_MEMBER_LIST, DB_ARGS(DB_STR(project), DB_STR(project)), columns,
                    COUNT(columns), NULL, e);
}

static const struct command_option add_options[] = {
    {"role", "member|pi", "a PI sees and ends all jobs of the project (else member)", false},
};

static const struct command_option set_options[] = {
    {"role", "member|pi", "the new role", true},
};

static const struct command_verb verbs[] = {
    {"add", "PROJECT PERSON", 2, 2, add_options, COUNT(add_options), COMMAND_WRITES, add,
     "let a person place jobs for a project",
     "PERSON is login@directory, like alice@north, or a number of `quota person list`. Who\n"
     "never logged in is not known yet: let them log in first; they can then ask to join.\n"},
    {"set", "PROJECT PERSON", 2, 2, set_options, COUNT(set_options), COMMAND_WRITES, set,
     "change a member's role", NULL},
    {"remove", "PROJECT PERSON", 2, 2, NULL, 0, COMMAND_WRITES, remove_it, "end a membership",
     "Jobs that were placed go on; their charges stay the project's.\n"},
    {"list", "[PROJECT]", 0, 1, NULL, 0, COMMAND_READS, list, "the members, PIs first", NULL},
};

const struct command_noun noun_member = {"member", "who is in a project", verbs, COUNT(verbs)};
