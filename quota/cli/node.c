// SPDX-License-Identifier: Apache-2.0
/* `quota node` and `quota site`: what the site has. */
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"node", COLUMN_TEXT},     {"executor", COLUMN_TEXT}, {"state", COLUMN_TEXT},
        {"gpu_type", COLUMN_TEXT}, {"gpus", COLUMN_INT},      {"cpus", COLUMN_INT},
        {"memory", COLUMN_BYTES},  {"enforced", COLUMN_TEXT}, {"seen", COLUMN_TIME},
    };
    return cli_list(c, SQL_NODE_LIST, DB_NO_ARGS, columns, COUNT(columns), NULL, e);
}

static int show_site(struct cli *c, struct err *e)
{
    static const struct column columns[] = {{"site", COLUMN_TEXT},
                                            {"zone", COLUMN_TEXT},
                                            {"since", COLUMN_TIME},
                                            {"schema", COLUMN_INT},
                                            {"migration", COLUMN_TEXT}};
    c->out.is_record = true;
    return cli_list(c, SQL_SITE_SHOW, DB_NO_ARGS, columns, COUNT(columns), NULL, e);
}

static const struct command_verb node_verbs[] = {
    {"list", "", 0, 0, NULL, 0, COMMAND_READS, list, "the nodes that runnerd knows",
     "enforced: what the machine makes sure of (kill, memory, processes, devices) and by what\n"
     "means; what is not enforced there is only asked for.\n"},
};

static const struct command_verb site_verbs[] = {
    {"show", "", 0, 0, NULL, 0, COMMAND_READS, show_site,
     "its name, its zone, the schema's version", NULL},
};

const struct command_noun noun_node = {"node", "machines with GPUs", node_verbs,
                                       COUNT(node_verbs)};
const struct command_noun noun_site = {"site", "the site itself", site_verbs,
                                       COUNT(site_verbs)};
