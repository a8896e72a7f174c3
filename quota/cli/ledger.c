// SPDX-License-Identifier: Apache-2.0
/* `quota ledger`: every transfer of GPU-time there ever was. */
#include <errno.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/interval.h"
#include "quota/cli/nouns.h"
#include "quota/project.h"

static const char *const types[] = {"grant",   "revoke", "transfer", "hold",   "charge",
                                    "release", "refund", "expire",   "adjust", NULL};

static const struct column columns[] = {
    {"transfer", COLUMN_INT},  {"at", COLUMN_TIME},        {"month", COLUMN_TEXT},
    {"type", COLUMN_TEXT},     {"project", COLUMN_TEXT},   {"from", COLUMN_TEXT},
    {"to", COLUMN_TEXT},       {"amount", COLUMN_GPUMS},   {"raw", COLUMN_GPUMS},
    {"job", COLUMN_INT},       {"attempt", COLUMN_INT},    {"person", COLUMN_TEXT},
    {"corrects", COLUMN_TEXT}, {"cause", COLUMN_TEXT},     {"actor", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},   {"reference", COLUMN_TEXT}, {"key", COLUMN_TEXT},
};

struct filter {
    struct interval in;
    const char *project, *type; /* "": all */
    int64_t allocation, job;    /* 0: all */
    bool with_shares;
};

static int read_filter(struct cli *c, struct filter *f, struct err *e)
{
    const char *project = cli_value(c, "project"), *type = cli_value(c, "type");
    const char *allocation = cli_value(c, "allocation"), *job = cli_value(c, "job");
    int64_t id;
    *f = (struct filter){.project = project ? project : "",
                         .type = type ? type : "",
                         .with_shares = cli_value(c, "shares") != NULL};
    int r = type ? cli_parse_word("--type", type, types, e) : 0;
    if (r == 0 && allocation)
        r = cli_parse_id("--allocation", allocation, &f->allocation, e);
    if (r == 0 && job)
        r = cli_parse_id("--job", job, &f->job, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = interval_read(c, &f->in, e);
    if (r == 0 && project)
        r = project_find(c->db, project, &id, NULL, e);
    return r;
}

static int list(struct cli *c, struct err *e)
{
    struct filter f;
    int r = read_filter(c, &f, e);
    if (r < 0)
        return r;
    /* a month is that of the booking: a charge may be posted a moment after it */
    int64_t from_ms = f.in.month ? 0 : f.in.from_ms;
    int64_t until_ms = f.in.month ? INT64_MAX : f.in.until_ms;
    const struct db_value project = DB_STR(f.project), type = DB_STR(f.type);
    const struct db_value allocation = DB_I64(f.allocation), shares = DB_I64(f.with_shares);
    if (f.job)
        return cli_table(c, "", SQL_LEDGER_OF_JOB,
                         DB_ARGS(DB_I64(f.job), DB_I64(f.in.month), DB_I64(f.in.month),
                                 DB_I64(from_ms), DB_I64(until_ms), project, project, type,
                                 type, allocation, allocation, allocation, shares),
                         columns, COUNT(columns), e);
    return cli_table(c, "", SQL_LEDGER_LIST,
                     DB_ARGS(DB_I64(f.in.month), DB_I64(f.in.month ? f.in.month : INT32_MAX),
                             DB_I64(from_ms), DB_I64(until_ms), project, project, type, type,
                             allocation, allocation, allocation, shares),
                     columns, COUNT(columns), e);
}

static const struct command_option list_options[] = {
    {"project", "NAME", "only this project's", false},
    {"allocation", "NUMBER", "only to and from this allocation", false},
    {"job", "NUMBER", "only this job's", false},
    {"type", "TYPE", "only this kind, like refund (a wrong one is answered with all)", false},
    {"shares", NULL, "also the second leg of each, in the member's share", false},
    INTERVAL_OPTIONS,
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "the transfers, the oldest first",
     "Each moves an amount from one bucket (free, held, used) of an allocation or account to\n"
     "another. month: in which it is booked; corrects: the closed month that it puts right;\n"
     "raw: of a charge, GPU-time without weight. --month takes what is booked in it, --since\n"
     "and --until what was posted in between. However many there are, they are printed as\n"
     "they come; the last line of a table says how many.\n"
     "  quota ledger list --job 4711\n"
     "  quota ledger list --project lattice --month 2026-10 --type refund\n"},
};

const struct command_noun noun_ledger = {"ledger", "every transfer of GPU-time", verbs,
                                         COUNT(verbs)};
