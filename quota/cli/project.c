// SPDX-License-Identifier: Apache-2.0
/* `quota project`: the research groups' accounts. */
#include "quota/project.h"

#include <errno.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"

static const char *const states[] = {"open", "closed", NULL};

static int add(struct cli *c, struct err *e)
{
    struct project_ask ask = {.name = cli_arg(c, 0),
                              .title = cli_value(c, "title"),
                              .tenant = cli_value(c, "tenant")};
    enum change_answer answer;
    int r = cli_begin(c, e, "add the project %s of the tenant %s", ask.name, ask.tenant);
    if (r == 0)
        r = project_add(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, ask.name, 0, e);
}

static int change(struct cli *c, const struct project_ask *ask, struct err *e)
{
    enum change_answer answer;
    int r = cli_begin(c, e, "change the project %s", ask->name);
    if (r == 0)
        r = project_set(c->db, &c->by, ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, ask->name, 0, e);
}

static int set(struct cli *c, struct err *e)
{
    struct project_ask ask = {
        .name = cli_arg(c, 0), .title = cli_value(c, "title"), .state = cli_value(c, "state")};
    int r = ask.state ? cli_parse_word("--state", ask.state, states, e) : 0;
    if (r == 0 && !ask.title && !ask.state)
        return err_set(e, -EINVAL, "say what to change: --title or --state");
    return r < 0 ? r : change(c, &ask, e);
}

static int close_it(struct cli *c, struct err *e)
{
    return change(c, &(struct project_ask){.name = cli_arg(c, 0), .state = "closed"}, e);
}

static const struct column columns[] = {
    {"project", COLUMN_TEXT}, {"tenant", COLUMN_TEXT}, {"title", COLUMN_TEXT},
    {"state", COLUMN_TEXT},   {"since", COLUMN_TIME},  {"members", COLUMN_INT},
    {"pi", COLUMN_TEXT},      {"free", COLUMN_GPUMS},  {"held", COLUMN_GPUMS},
};

static int print(struct cli *c, const char *name, const char *tenant, size_t *out_rows,
                 struct err *e)
{
    return cli_list(c, SQL_PROJECT_LIST,
                    DB_ARGS(DB_STR(name), DB_STR(name), DB_STR(tenant), DB_STR(tenant)),
                    columns, COUNT(columns), out_rows, e);
}

static int list(struct cli *c, struct err *e)
{
    const char *tenant = cli_value(c, "tenant");
    return print(c, "", tenant ? tenant : "", NULL, e);
}

static int show(struct cli *c, struct err *e)
{
    size_t rows = 0;
    c->out.is_record = true;
    int r = print(c, cli_arg(c, 0), "", &rows, e);
    if (r == 0 && rows == 0)
        r = err_set(e, -ENOENT, "project %.60s: not found; `quota project list` shows all",
                    cli_arg(c, 0));
    return r;
}

static const struct command_option add_options[] = {
    {"tenant", "NAME", "the tenant it belongs to, for good", true},
    {"title", "TEXT", "what it is about (else NAME)", false},
};

static const struct command_option set_options[] = {
    {"title", "TEXT", "what it is about", false},
    {"state", "open|closed", "a closed project takes no jobs", false},
};

static const struct command_option list_options[] = {
    {"tenant", "NAME", "only this tenant's", false},
};

static const struct command_verb verbs[] = {
    {"add", "NAME", 1, 1, add_options, COUNT(add_options), COMMAND_WRITES, add, "add a project",
     "NAME has lower-case letters, digits and '-', and is unique in the site. Then add its PI\n"
     "and grant it GPU-hours:\n"
     "  quota project add lattice --tenant north --reason 'proposal 4' --yes\n"
     "  quota member add lattice alice@north --role pi --reason 'proposal 4' --yes\n"
     "  quota grant lattice 500 --from 2026-11-01 --until 2027-05-01 --reason 'proposal 4'\n"},
    {"set", "NAME", 1, 1, set_options, COUNT(set_options), COMMAND_WRITES, set,
     "change its title or state", "What is not given stays as it is.\n"},
    {"close", "NAME", 1, 1, NULL, 0, COMMAND_WRITES, close_it, "take no more jobs",
     "Running jobs go on, nothing is deleted; `quota project set NAME --state open` undoes\n"
     "it.\n"},
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list, "all projects",
     "free: in allocations that are open; held: by jobs that have not ended.\n"},
    {"show", "NAME", 1, 1, NULL, 0, COMMAND_READS, show, "one project",
     "See also `quota member list NAME` and `quota balance NAME`.\n"},
};

const struct command_noun noun_project = {"project", "research groups' accounts", verbs,
                                          COUNT(verbs)};
