// SPDX-License-Identifier: Apache-2.0
/* `quota tenant`: the universities and institutes of the site. */
#include "quota/tenant.h"

#include <errno.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/people.h"

static const char *const states[] = {"open", "closed", NULL};

static int add(struct cli *c, struct err *e)
{
    struct tenant_ask ask = {cli_arg(c, 0), cli_value(c, "title"), cli_value(c, "contact"),
                             NULL};
    enum change_answer answer;
    int r = cli_begin(c, e, "add the tenant %s", ask.name);
    if (r == 0)
        r = tenant_add(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, ask.name, 0, e);
}

static int change(struct cli *c, const struct tenant_ask *ask, struct err *e)
{
    enum change_answer answer;
    int r = cli_begin(c, e, "change the tenant %s", ask->name);
    if (r == 0)
        r = tenant_set(c->db, &c->by, ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, ask->name, 0, e);
}

static int set(struct cli *c, struct err *e)
{
    struct tenant_ask ask = {cli_arg(c, 0), cli_value(c, "title"), cli_value(c, "contact"),
                             cli_value(c, "state")};
    int r = ask.state ? cli_parse_word("--state", ask.state, states, e) : 0;
    if (r == 0 && !ask.title && !ask.contact && !ask.state)
        return err_set(e, -EINVAL, "say what to change: --title, --contact or --state");
    return r < 0 ? r : change(c, &ask, e);
}

static int close_it(struct cli *c, struct err *e)
{
    return change(c, &(struct tenant_ask){.name = cli_arg(c, 0), .state = "closed"}, e);
}

static int set_admin(struct cli *c, bool is_admin, struct err *e)
{
    struct tenant_admin_ask ask = {.tenant = cli_arg(c, 0), .is_admin = is_admin};
    enum change_answer answer;
    int r = cli_begin(c, e, "%s %s as administrator of the tenant %s",
                      is_admin ? "appoint" : "dismiss", cli_arg(c, 1), ask.tenant);
    if (r == 0)
        r = people_find(c->db, cli_arg(c, 1), &ask.person_id, e);
    if (r == 0)
        r = tenant_set_admin(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, cli_arg(c, 1), ask.person_id, e);
}

static int appoint(struct cli *c, struct err *e)
{
    return set_admin(c, true, e);
}

static int dismiss(struct cli *c, struct err *e)
{
    return set_admin(c, false, e);
}

static const struct column columns[] = {
    {"tenant", COLUMN_TEXT}, {"title", COLUMN_TEXT},  {"contact", COLUMN_TEXT},
    {"state", COLUMN_TEXT},  {"since", COLUMN_TIME},  {"projects", COLUMN_INT},
    {"people", COLUMN_INT},  {"admins", COLUMN_TEXT},
};

static int print(struct cli *c, const char *name, size_t *out_rows, struct err *e)
{
    return cli_list(c, SQL_TENANT_LIST, DB_ARGS(DB_STR(name), DB_STR(name)), columns,
                    COUNT(columns), out_rows, e);
}

static int list(struct cli *c, struct err *e)
{
    return print(c, "", NULL, e);
}

static int show(struct cli *c, struct err *e)
{
    size_t rows = 0;
    c->out.is_record = true;
    int r = print(c, cli_arg(c, 0), &rows, e);
    if (r == 0 && rows == 0)
        r = err_set(e, -ENOENT, "tenant %.60s: not found; `quota tenant list` shows all",
                    cli_arg(c, 0));
    return r;
}

static const struct command_option add_options[] = {
    {"title", "TEXT", "its full name (else NAME)", false},
    {"contact", "MAIL", "whom to write to", false},
};

static const struct command_option set_options[] = {
    {"title", "TEXT", "its full name", false},
    {"contact", "MAIL", "whom to write to", false},
    {"state", "open|closed", "a closed tenant takes no logins and no jobs", false},
};

static const struct command_verb verbs[] = {
    {"add", "NAME", 1, 1, add_options, COUNT(add_options), COMMAND_WRITES, add, "add a tenant",
     "NAME has lower-case letters, digits and '-'; the rule of a directory gives people this\n"
     "name.\n"
     "  quota tenant add north --title 'University North' --reason 'contract 17' --yes\n"},
    {"set", "NAME", 1, 1, set_options, COUNT(set_options), COMMAND_WRITES, set,
     "change its title, contact or state", "What is not given stays as it is.\n"},
    {"close", "NAME", 1, 1, NULL, 0, COMMAND_WRITES, close_it, "take no more logins and jobs",
     "Running jobs go on, nothing is deleted; `quota tenant set NAME --state open` undoes\n"
     "it.\n"},
    {"appoint", "NAME PERSON", 2, 2, NULL, 0, COMMAND_WRITES, appoint,
     "make a person its administrator in the portal",
     "PERSON is login@directory or a number of `quota person list`.\n"},
    {"dismiss", "NAME PERSON", 2, 2, NULL, 0, COMMAND_WRITES, dismiss, "undo appoint", NULL},
    {"list", "", 0, 0, NULL, 0, COMMAND_READS, list, "all tenants", NULL},
    {"show", "NAME", 1, 1, NULL, 0, COMMAND_READS, show, "one tenant", NULL},
};

const struct command_noun noun_tenant = {"tenant", "universities and institutes", verbs,
                                         COUNT(verbs)};
