// SPDX-License-Identifier: Apache-2.0
/* `quota report`: the month in numbers, and that they add up. */
#include "quota/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "runner/base/parse.h"

/* A user's row begins with all five names, a project's with two of them, a tenant's with
 * one. */
#define USAGE_COLUMNS                                                                          \
    {"jobs", COLUMN_INT}, {"ended", COLUMN_INT}, {"charged", COLUMN_GPUMS},                    \
        {"refunded", COLUMN_GPUMS},                                                            \
    {                                                                                          \
        "net", COLUMN_GPUMS                                                                    \
    }

static const struct column user_columns[] = {
    {"tenant", COLUMN_TEXT},    {"project", COLUMN_TEXT}, {"login", COLUMN_TEXT},
    {"directory", COLUMN_TEXT}, {"name", COLUMN_TEXT},    USAGE_COLUMNS,
};
static const struct column project_columns[] = {
    {"tenant", COLUMN_TEXT}, {"project", COLUMN_TEXT}, USAGE_COLUMNS};
static const struct column tenant_columns[] = {{"tenant", COLUMN_TEXT}, USAGE_COLUMNS};

static const struct column allocation_columns[] = {
    {"tenant", COLUMN_TEXT},    {"project", COLUMN_TEXT},  {"allocation", COLUMN_INT},
    {"from", COLUMN_TIME},      {"until", COLUMN_TIME},    {"opening", COLUMN_GPUMS},
    {"granted", COLUMN_GPUMS},  {"expired", COLUMN_GPUMS}, {"charged", COLUMN_GPUMS},
    {"refunded", COLUMN_GPUMS}, {"free", COLUMN_GPUMS},    {"held", COLUMN_GPUMS},
    {"used", COLUMN_GPUMS},
};

static const struct column sum_columns[] = {
    {"month", COLUMN_TEXT},
    {"from", COLUMN_TIME},
    {"until", COLUMN_TIME},
    {"closed", COLUMN_TEXT},
    {"jobs", COLUMN_INT},
    {"ended", COLUMN_INT},
    {"charged", COLUMN_GPUMS},
    {"refunded", COLUMN_GPUMS},
    {"ledger_charged", COLUMN_GPUMS},
    {"ledger_refunded", COLUMN_GPUMS},
    {"opening", COLUMN_GPUMS},
    {"granted", COLUMN_GPUMS},
    {"expired", COLUMN_GPUMS},
    {"closing", COLUMN_GPUMS},
    {"adds_up", COLUMN_TEXT},
};

/* The parts in the order they are printed and come from the library; a table of the output is
 * open from a part's first row until the next part begins. */
enum part { PART_USERS, PART_PROJECTS, PART_TENANTS, PART_ALLOCATIONS, PART_SUMS, PARTS };

static const char *const part_names[] = {"users",       "projects", "tenants",
                                         "allocations", "sums",     NULL};

static const struct part_columns {
    const struct column *items;
    size_t count;
} part_columns[PARTS] = {
    [PART_USERS] = {user_columns, COUNT(user_columns)},
    [PART_PROJECTS] = {project_columns, COUNT(project_columns)},
    [PART_TENANTS] = {tenant_columns, COUNT(tenant_columns)},
    [PART_ALLOCATIONS] = {allocation_columns, COUNT(allocation_columns)},
    [PART_SUMS] = {sum_columns, COUNT(sum_columns)},
};

struct printer {
    struct out *out;
    bool wanted[PARTS];
    int open; /* the part being printed; -1: none yet */
};

static void begin_part(struct printer *p, int part)
{
    const struct part_columns *columns = &part_columns[part];
    p->out->is_record = part == PART_SUMS;
    out_begin(p->out, part_names[part], columns->items, columns->count,
              NULL); /* picked before */
}

/* Ends what is open and begins everything up to `part`, so that an empty part is printed
 * too. */
static void go_to(struct printer *p, int part)
{
    while (p->open < part) {
        if (p->open >= 0 && p->wanted[p->open])
            out_end(p->out);
        p->open++;
        if (p->open < PARTS && p->wanted[p->open])
            begin_part(p, p->open);
    }
}

static void on_usage(const struct report_usage *row, void *arg)
{
    static const int parts[] = {[REPORT_USER] = PART_USERS,
                                [REPORT_PROJECT] = PART_PROJECTS,
                                [REPORT_TENANT] = PART_TENANTS};
    struct printer *p = arg;
    go_to(p, parts[row->level]);
    if (!p->wanted[p->open])
        return;
    static const size_t names[] = {
        [REPORT_USER] = 5, [REPORT_PROJECT] = 2, [REPORT_TENANT] = 1};
    const char *texts[] = {row->tenant, row->project, row->login, row->directory, row->name};
    for (size_t i = 0; i < names[row->level]; i++)
        out_text(p->out, texts[i]);
    out_i64(p->out, row->jobs);
    out_i64(p->out, row->ended);
    out_i64(p->out, row->charged_gpums);
    out_i64(p->out, row->refunded_gpums);
    out_i64(p->out, row->charged_gpums - row->refunded_gpums);
    out_row(p->out);
}

static void on_allocation(const struct report_allocation *row, void *arg)
{
    struct printer *p = arg;
    go_to(p, PART_ALLOCATIONS);
    if (!p->wanted[PART_ALLOCATIONS])
        return;
    out_text(p->out, row->tenant);
    out_text(p->out, row->project);
    const int64_t numbers[] = {row->id,
                               row->from_ms,
                               row->until_ms,
                               row->opening_gpums,
                               row->granted_gpums,
                               row->expired_gpums,
                               row->charged_gpums,
                               row->refunded_gpums,
                               row->free_gpums,
                               row->held_gpums,
                               row->used_gpums};
    for (size_t i = 0; i < COUNT(numbers); i++)
        out_i64(p->out, numbers[i]);
    out_row(p->out);
}

static void print_sums(struct printer *p, const struct report_month *m,
                       const struct report_sums *s)
{
    char month[32];
    snprintf(month, sizeof(month), "%04d-%02d", m->month / 100, m->month % 100);
    go_to(p, PART_SUMS);
    if (p->wanted[PART_SUMS]) {
        out_text(p->out, month);
        out_i64(p->out, m->from_ms);
        out_i64(p->out, m->until_ms);
        out_text(p->out, m->is_closed ? "yes" : "no");
        const int64_t numbers[] = {s->jobs,
                                   s->ended,
                                   s->usage_charged_gpums,
                                   s->usage_refunded_gpums,
                                   s->ledger_charged_gpums,
                                   s->ledger_refunded_gpums,
                                   s->opening_gpums,
                                   s->granted_gpums,
                                   s->expired_gpums,
                                   s->closing_gpums};
        for (size_t i = 0; i < COUNT(numbers); i++)
            out_i64(p->out, numbers[i]);
        out_text(p->out, report_adds_up(s) ? "yes" : "no");
        out_row(p->out);
    }
    go_to(p, PARTS);
}

/* The two identities, in words and exact. */
static void print_identity(const struct report_sums *s, FILE *out)
{
    fprintf(out,
            "\nusage = charge transfers = charged to allocations: %lld = %lld = %lld gpums\n"
            "opening + granted - expired - charged + refunded = closing: "
            "%lld + %lld - %lld - %lld + %lld = %lld gpums\n",
            (long long)s->usage_charged_gpums, (long long)s->ledger_charged_gpums,
            (long long)s->charged_gpums, (long long)s->opening_gpums,
            (long long)s->granted_gpums, (long long)s->expired_gpums,
            (long long)s->charged_gpums, (long long)s->refunded_gpums,
            (long long)s->closing_gpums);
}

static int read_part(struct cli *c, struct printer *p, struct err *e)
{
    const char *part = cli_value(c, "part");
    size_t order[OUT_COLUMNS_MAX], count;
    if (!part && (c->out.format == OUT_CSV || c->out.picked))
        part = part_names[PART_USERS]; /* one table a file */
    int r = part ? cli_parse_word("--part", part, part_names, e) : 0;
    for (int i = 0; r == 0 && i < PARTS; i++) {
        p->wanted[i] = !part || !strcmp(part, part_names[i]);
        if (part && p->wanted[i])
            r = out_pick(part_columns[i].items, part_columns[i].count, c->out.picked, order,
                         &count, e);
    }
    c->out.is_group = !part;
    return r;
}

static int read_month(struct cli *c, struct report_month *out, struct err *e)
{
    const char *text = cli_arg(c, 0);
    int month = 0, r = 0;
    if (text && parse_month(text, &month) < 0)
        return err_set(e, -EINVAL, "month '%.40s': write it like 2026-11", text);
    r = cli_open(c, e);
    if (r == 0 && !text)
        r = report_month_now(c->db, &month, e);
    if (r == 0)
        r = report_month_get(c->db, month, out, e);
    return r;
}

static int month(struct cli *c, struct err *e)
{
    struct printer p = {.out = &c->out, .open = -1};
    struct report_sink sink = {on_usage, on_allocation, &p};
    struct report_month m;
    struct report_sums sums;
    int r = read_part(c, &p, e);
    if (r == 0)
        r = read_month(c, &m, e);
    if (r < 0)
        return r;
    bool is_group = c->out.is_group;
    if (is_group)
        out_group_begin(&c->out);
    r = report_run(c->db, m.month, &sink, &sums, e);
    if (r < 0)
        return r;
    print_sums(&p, &m, &sums);
    if (is_group)
        out_group_end(&c->out);
    if (is_group && c->out.format == OUT_TABLE)
        print_identity(&sums, c->out.file);
    if (report_adds_up(&sums))
        return CLI_OK;
    fputs("quota: the month does not add up; run `quota verify`\n", stderr);
    return CLI_UNBALANCED;
}

static const struct command_option options[] = {
    {"part", "PART", "users, projects, tenants, allocations or sums alone (csv: else users)",
     false},
};

static const struct command_verb verbs[] = {
    {"month", "[MONTH]", 0, 1, options, COUNT(options), COMMAND_READS, month,
     "who used what in a month, and what is left",
     "MONTH is like 2026-11, in the site's zone (else the one that is running).\n"
     "jobs: those that used GPU-time in it (one that ran over its end counts in both months);\n"
     "ended: those that ended in it; net: charged less refunded. Of an allocation, free and "
     "held are\n"
     "what was so at the month's end. A month that is over does not change any more. Exit "
     "status 5\n"
     "if the sums do not agree with the ledger.\n"
     "  quota report month 2026-11\n"
     "  quota report month 2026-11 --format csv --part allocations\n"},
};

const struct command_noun noun_report = {"report", "the month in numbers", verbs, COUNT(verbs)};
