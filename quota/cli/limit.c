// SPDX-License-Identifier: Apache-2.0
/* `quota limit`: what people, projects and tenants may use at once, whatever their budget. */
#include "quota/limit.h"

#include <errno.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/people.h"
#include "quota/project.h"
#include "quota/tenant.h"
#include "runner/base/parse.h"

enum { TIME_MAX_DAYS = 31, DAY_MS = 86400000 };

static int read_scope(struct cli *c, struct limit_ask *ask, struct err *e)
{
    static const char *const scopes[] = {"everyone", "person", "project", "tenant", NULL};
    const char *scope = cli_arg(c, 0), *name = cli_arg(c, 1);
    int r = cli_parse_word("scope", scope, scopes, e);
    if (r < 0)
        return r;
    while (strcmp(limit_scope_name(ask->scope), scope))
        ask->scope++;
    if (ask->scope == LIMIT_EVERYONE && name)
        return err_set(e, -EINVAL, "'%.60s': everyone needs no name", name);
    if (ask->scope != LIMIT_EVERYONE && !name)
        return err_set(e, -EINVAL, "say which %s: `quota limit %s %s NAME`", scope,
                       c->call->verb->name, scope);
    ask->name = ask->scope == LIMIT_PERSON ? NULL : name;
    return 0;
}

static int find_scope(struct cli *c, struct limit_ask *ask, struct err *e)
{
    const char *name = cli_arg(c, 1);
    switch (ask->scope) {
    case LIMIT_PERSON:
        return people_find(c->db, name, &ask->id, e);
    case LIMIT_PROJECT:
        return project_find(c->db, name, &ask->id, NULL, e);
    case LIMIT_TENANT:
        return tenant_find(c->db, name, &ask->id, e);
    default:
        return 0;
    }
}

/* "none" leaves 0. */
static int read_count(struct cli *c, const char *option, unsigned field, struct limit_ask *ask,
                      struct err *e)
{
    const char *text = cli_value(c, option);
    int64_t n = 0;
    if (!text)
        return 0;
    if (strcmp(text, "none") && parse_i64(text, 1, LIMIT_COUNT_MAX, &n) < 0)
        return err_set(e, -EINVAL, "--%s '%.40s': write a whole number from 1 to %d, or none",
                       option, text, LIMIT_COUNT_MAX);
    ask->fields |= field;
    *(field == LIMIT_GPUS ? &ask->to.gpus : &ask->to.waiting) = n;
    return 0;
}

static int read_time(struct cli *c, struct limit_ask *ask, struct err *e)
{
    const char *text = cli_value(c, "time");
    if (!text)
        return 0;
    ask->fields |= LIMIT_TIME;
    if (strcmp(text, "none") && parse_duration_ms(text, 1000, (int64_t)TIME_MAX_DAYS * DAY_MS,
                                                  &ask->to.time_limit_ms) < 0)
        return err_set(e, -EINVAL,
                       "--time '%.40s': write 90s, 30m, 2h, 1d12h or HH:MM:SS, up to %dd, or "
                       "none",
                       text, TIME_MAX_DAYS);
    return 0;
}

static int read_fields(struct cli *c, struct limit_ask *ask, struct err *e)
{
    const char *types = cli_value(c, "types");
    ask->to.gpu_types = types && strcmp(types, "none") ? types : "";
    ask->fields |= types ? LIMIT_TYPES : 0;
    int r = read_count(c, "gpus", LIMIT_GPUS, ask, e);
    if (r == 0)
        r = read_count(c, "waiting", LIMIT_WAITING, ask, e);
    if (r == 0)
        r = read_time(c, ask, e);
    if (r == 0 && types && !*types)
        return err_set(e, -EINVAL, "--types '': write types separated by commas, or none");
    if (r == 0 && !ask->fields)
        return err_set(e, -EINVAL, "say what to limit: --gpus, --waiting, --time or --types");
    return r;
}

static int write_it(struct cli *c, struct limit_ask *ask, bool is_clear, struct err *e)
{
    const char *scope = limit_scope_name(ask->scope), *name = cli_arg(c, 1);
    enum change_answer answer;
    int r = cli_begin(c, e, "%s the limits of %s%s%s", is_clear ? "remove" : "change", scope,
                      name ? " " : "", name ? name : "");
    if (r == 0)
        r = find_scope(c, ask, e);
    if (r == 0)
        r = (is_clear ? limit_clear : limit_set)(c->db, &c->by, ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, name ? name : scope, ask->id, e);
}

static int set(struct cli *c, struct err *e)
{
    struct limit_ask ask = {0};
    int r = read_scope(c, &ask, e);
    if (r == 0)
        r = read_fields(c, &ask, e);
    return r < 0 ? r : write_it(c, &ask, false, e);
}

static int clear(struct cli *c, struct err *e)
{
    struct limit_ask ask = {0};
    int r = read_scope(c, &ask, e);
    return r < 0 ? r : write_it(c, &ask, true, e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"scope", COLUMN_TEXT},  {"name", COLUMN_TEXT},       {"gpus", COLUMN_INT},
        {"waiting", COLUMN_INT}, {"time_limit", COLUMN_SPAN}, {"types", COLUMN_TEXT},
    };
    return cli_list(c, SQL_LIMIT_LIST, DB_NO_ARGS, columns, COUNT(columns), NULL, e);
}

static const struct command_option set_options[] = {
    {"gpus", "N|none", "GPUs that run at once; more of them wait, and the reason says so",
     false},
    {"waiting", "N|none", "jobs that wait at once; one more is refused", false},
    {"time", "2d|none", "the longest time limit of a job; longer ones are refused", false},
    {"types", "a100,h100|none", "the GPU types allowed; others are refused", false},
};

static const struct command_verb verbs[] = {
    {"set", "SCOPE [NAME]", 1, 2, set_options, COUNT(set_options), COMMAND_WRITES, set,
     "limit a person, a project, a tenant or everyone",
     "SCOPE is everyone, person, project or tenant; NAME is login@directory or the name of\n"
     "the project or tenant. A job must pass the limits of its person, its project and its\n"
     "tenant. Those of everyone hold for each person who has none of his own: a person's\n"
     "limits replace them, all four. What is not given stays as it is; `none` limits it no\n"
     "more.\n"
     "  quota limit set everyone --gpus 16 --waiting 100 --reason 'so that all get a turn'\n"
     "  quota limit set person bob@north --gpus none --reason 'benchmark until Friday'\n"
     "  quota limit set tenant north --types a100,h100 --reason 'contract 17'\n"},
    {"clear", "SCOPE [NAME]", 1, 2, NULL, 0, COMMAND_WRITES, clear, "remove all limits of one",
     "For a person, those of everyone hold again.\n"},
    {"list", "", 0, 0, NULL, 0, COMMAND_READS, list, "all limits",
     "What is empty is not limited. Shares of an allocation are in `quota share list`.\n"},
};

const struct command_noun noun_limit = {"limit", "what may be used at once, and which types",
                                        verbs, COUNT(verbs)};
