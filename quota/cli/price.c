// SPDX-License-Identifier: Apache-2.0
/* `quota price`: what the GPU types weigh. */
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/price_list.h"

static int set(struct cli *c, struct err *e)
{
    struct price_ask ask = {.gpu_type = cli_arg(c, 0)};
    const char *since = cli_value(c, "since");
    enum change_answer answer;
    int r = amount_parse_weight(cli_arg(c, 1), &ask.weight_permille, e);
    if (r == 0)
        r = cli_begin(c, e, "let an hour of a GPU of type %s count %s from %s on", ask.gpu_type,
                      cli_arg(c, 1), since ? since : "now");
    if (r == 0 && since)
        r = cli_parse_day("since", since, &ask.since_ms, e);
    if (r == 0)
        r = price_list_set(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, ask.gpu_type, 0, e);
}

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {{"gpu_type", COLUMN_TEXT},
                                            {"weight", COLUMN_WEIGHT},
                                            {"since", COLUMN_TIME},
                                            {"now", COLUMN_TEXT}};
    return cli_list(c, SQL_PRICE_LIST, DB_NO_ARGS, columns, COUNT(columns), NULL, e);
}

static const struct command_option set_options[] = {
    {"since", "DAY", "from the begin of this day on, never in the past (else from now on)",
     false},
};

static const struct command_verb verbs[] = {
    {"set", "TYPE WEIGHT", 2, 2, set_options, COUNT(set_options), COMMAND_WRITES, set,
     "a weight from now or a later day on",
     "Jobs that were placed keep the weight of that moment. A job for 'any' type holds at the\n"
     "dearest weight and is charged for what it got. TYPE is written as the nodes call it:\n"
     "lower-case letters, digits, '-', '.' and '+'; a MIG profile is a type of its own.\n"
     "WEIGHT is above 0 and at most 100, with at most three decimals.\n"
     "  quota price set h100 1 --reason 'reference type'\n"
     "  quota price set a100 0.5 --since 2027-01-01 --reason 'half as fast in our benchmark'\n"
     "  quota price set a100-1g.5gb 0.072 --reason 'a seventh of an a100'\n"},
    {"list", "", 0, 0, NULL, 0, COMMAND_READS, list,
     "all weights, also those of the past and to come",
     "since: from when on it counts; now: yes for those that count at this moment.\n"},
};

const struct command_noun noun_price = {"price", "what the GPU types weigh", verbs,
                                        COUNT(verbs)};
