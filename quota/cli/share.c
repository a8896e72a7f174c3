// SPDX-License-Identifier: Apache-2.0
/* `quota share`: how much of an allocation one member may use. */
#include <errno.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post.h"
#include "quota/people.h"
#include "quota/project.h"

static int set(struct cli *c, struct err *e)
{
    const char *who = cli_arg(c, 1), *hours = cli_arg(c, 2);
    bool is_lifted = !strcmp(hours, "none");
    struct posting_ask ask = {.gpums = -1};
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("allocation", cli_arg(c, 0), &ask.allocation, e);
    if (r == 0 && !is_lifted)
        r = amount_parse(hours, &ask.gpums, e);
    if (r == 0)
        r = cli_begin(c, e, "let %s use %s%s of the allocation %lld", who,
                      is_lifted ? "whatever is free" : hours, is_lifted ? "" : " GPU-hours",
                      (long long)ask.allocation);
    if (r == 0)
        r = people_find(c->db, who, &ask.person_id, e);
    return r < 0 ? r : post_one(c, posting_share, &ask, "allocation", e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"tenant", COLUMN_TEXT}, {"project", COLUMN_TEXT},   {"allocation", COLUMN_INT},
        {"login", COLUMN_TEXT},  {"directory", COLUMN_TEXT}, {"limit", COLUMN_GPUMS},
        {"free", COLUMN_GPUMS},  {"held", COLUMN_GPUMS},     {"used", COLUMN_GPUMS},
    };
    const char *project = cli_arg(c, 0) ? cli_arg(c, 0) : "";
    int64_t id;
    int r = cli_open(c, e);
    if (r == 0 && *project)
        r = project_find(c->db, project, &id, NULL, e);
    if (r < 0)
        return r;
    return cli_list(c, SQL_SHARE_LIST, DB_ARGS(DB_STR(project), DB_STR(project)), columns,
                    COUNT(columns), NULL, e);
}

static const struct command_verb verbs[] = {
    {"set", "ALLOCATION PERSON HOURS|none", 3, 3, NULL, 0, COMMAND_POSTS, set,
     "limit what a member may use of an allocation",
     "HOURS is all the member may hold and use of it, with what is used already; `none` lifts\n"
     "the limit. A limit sets nothing aside: the shares may come to more than the allocation.\n"
     "PERSON is login@directory or a number of `quota person list`. Jobs that were placed\n"
     "without a limit do not count in it.\n"
     "moved: by how much the limit changed; left: how much of it is free.\n"
     "  quota share set 12 bob@north 40 --reason 'master thesis'\n"},
    {"list", "[PROJECT]", 0, 1, NULL, 0, COMMAND_READS, list,
     "the limits and what is left of them",
     "limit: held, used and free together; others may use what the allocation has.\n"},
};

const struct command_noun noun_share = {"share", "members' limits within an allocation", verbs,
                                        COUNT(verbs)};
