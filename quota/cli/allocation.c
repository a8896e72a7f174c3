// SPDX-License-Identifier: Apache-2.0
/* `quota allocation` and `quota balance`: what was granted and what is left of it. */
#include "quota/allocation.h"

#include <errno.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/project.h"

static int set_open(struct cli *c, bool is_open, struct err *e)
{
    enum change_answer answer;
    int64_t id;
    int r = cli_parse_id("allocation", cli_arg(c, 0), &id, e);
    if (r == 0)
        r = cli_begin(c, e, "%s the allocation %s", is_open ? "open" : "close", cli_arg(c, 0));
    if (r == 0)
        r = allocation_set_open(c->db, &c->by, id, is_open, &answer, e);
    return r < 0 ? r : cli_end(c, answer, "allocation", id, e);
}

static int close_it(struct cli *c, struct err *e)
{
    return set_open(c, false, e);
}

static int open_it(struct cli *c, struct err *e)
{
    return set_open(c, true, e);
}

static int balance(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"tenant", COLUMN_TEXT}, {"project", COLUMN_TEXT}, {"allocation", COLUMN_INT},
        {"from", COLUMN_TIME},   {"until", COLUMN_TIME},   {"state", COLUMN_TEXT},
        {"total", COLUMN_GPUMS}, {"free", COLUMN_GPUMS},   {"held", COLUMN_GPUMS},
        {"used", COLUMN_GPUMS},
    };
    const char *project = cli_arg(c, 0) ? cli_arg(c, 0) : "";
    int64_t id;
    int r = cli_open(c, e);
    if (r == 0 && *project)
        r = project_find(c->db, project, &id, NULL, e);
    if (r < 0)
        return r;
    return cli_list(c, SQL_BALANCE_LIST, DB_ARGS(DB_STR(project), DB_STR(project)), columns,
                    COUNT(columns), NULL, e);
}

static const char balance_help[] =
    "free: can be held by new jobs; held: set aside for jobs that have not ended; used: "
    "charged.\n"
    "state: open, closed (by hand, or its project is), future, over.\n";

static const struct command_verb allocation_verbs[] = {
    {"list", "[PROJECT]", 0, 1, NULL, 0, COMMAND_READS, balance, "the same as `quota balance`",
     balance_help},
    {"close", "NUMBER", 1, 1, NULL, 0, COMMAND_WRITES, close_it, "take no more jobs",
     "What is held goes on being used; the rest stays where it is.\n"},
    {"open", "NUMBER", 1, 1, NULL, 0, COMMAND_WRITES, open_it, "undo close", NULL},
};

static const struct command_verb balance_verbs[] = {
    {NULL, "[PROJECT]", 0, 1, NULL, 0, COMMAND_READS, balance, "what is free, held and used",
     balance_help},
};

const struct command_noun noun_allocation = {"allocation", "GPU-hours granted for a term",
                                             allocation_verbs, COUNT(allocation_verbs)};
const struct command_noun noun_balance = {"balance", "what is free, held and used",
                                          balance_verbs, COUNT(balance_verbs)};
