// SPDX-License-Identifier: Apache-2.0
/* Columns as tables, rows by loops over them. */
#include "quota/report_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

const char *const report_parts[] = {"users",       "projects", "tenants",
                                    "allocations", "sums",     NULL};

/* What a row of usage says, after the names; `net` is charged less refunded. */
#define USE_COLUMNS                                                                            \
    {"jobs_started", COLUMN_INT}, {"jobs_ended", COLUMN_INT}, {"jobs_failed", COLUMN_INT},     \
        {"waited", COLUMN_SPAN}, {"raw", COLUMN_GPUMS}, {"charged", COLUMN_GPUMS},             \
        {"refunded", COLUMN_GPUMS}, {"net", COLUMN_GPUMS},                                     \
    {                                                                                          \
        "wasted", COLUMN_GPUMS                                                                 \
    }
#define FLOW_COLUMNS                                                                           \
    {"opening", COLUMN_GPUMS}, {"granted", COLUMN_GPUMS}, {"revoked", COLUMN_GPUMS},           \
        {"transferred_in", COLUMN_GPUMS}, {"transferred_out", COLUMN_GPUMS},                   \
        {"adjusted", COLUMN_GPUMS}, {"expired", COLUMN_GPUMS}, {"charged", COLUMN_GPUMS},      \
        {"refunded", COLUMN_GPUMS}, {"closing", COLUMN_GPUMS}, {"free", COLUMN_GPUMS},         \
        {"held", COLUMN_GPUMS}, {"used", COLUMN_GPUMS},                                        \
    {                                                                                          \
        "refund_expired", COLUMN_GPUMS                                                         \
    }

static const struct column user_columns[] = {
    {"tenant", COLUMN_TEXT},    {"project", COLUMN_TEXT}, {"login", COLUMN_TEXT},
    {"directory", COLUMN_TEXT}, {"name", COLUMN_TEXT},    USE_COLUMNS,
};
static const struct column project_columns[] = {
    {"tenant", COLUMN_TEXT}, {"project", COLUMN_TEXT}, USE_COLUMNS};
static const struct column tenant_columns[] = {
    {"tenant", COLUMN_TEXT}, {"title", COLUMN_TEXT}, USE_COLUMNS};

static const struct column allocation_columns[] = {
    {"tenant", COLUMN_TEXT}, {"project", COLUMN_TEXT}, {"allocation", COLUMN_INT},
    {"from", COLUMN_TIME},   {"until", COLUMN_TIME},   FLOW_COLUMNS,
};

static const struct column sum_columns[] = {
    {"month", COLUMN_TEXT},
    {"from", COLUMN_TIME},
    {"until", COLUMN_TIME},
    {"zone", COLUMN_TEXT},
    {"closed", COLUMN_TEXT},
    {"software", COLUMN_TEXT},
    {"jobs_started", COLUMN_INT},
    {"jobs_ended", COLUMN_INT},
    {"jobs_failed", COLUMN_INT},
    {"waited", COLUMN_SPAN},
    {"raw", COLUMN_GPUMS},
    {"wasted", COLUMN_GPUMS},
    {"usage_charged", COLUMN_GPUMS},
    {"usage_refunded", COLUMN_GPUMS},
    {"ledger_charged", COLUMN_GPUMS},
    {"ledger_refunded", COLUMN_GPUMS},
    FLOW_COLUMNS,
    {"adds_up", COLUMN_TEXT},
    {"checksum", COLUMN_TEXT},
    {"ledger_entries", COLUMN_INT},
    {"ledger_checksum", COLUMN_TEXT},
};

static const struct column waste_columns[] = {
    {"tenant", COLUMN_TEXT},
    {"project", COLUMN_TEXT},
    {"charged", COLUMN_GPUMS},
    {"failed", COLUMN_GPUMS},
    {"timed_out", COLUMN_GPUMS},
    {"cancelled", COLUMN_GPUMS},
    {"lost", COLUMN_GPUMS},
    {"preempted", COLUMN_GPUMS},
    {"wasted", COLUMN_GPUMS},
    {"wasted_of_charged", COLUMN_SHARE},
    {"sampled", COLUMN_GPUMS},
    {"idle", COLUMN_GPUMS},
    {"idle_of_sampled", COLUMN_SHARE},
};

/* On paper the tenant stands above the page, and what is rare is in the other formats. */
static const struct column paper_project_columns[] = {{"project", COLUMN_TEXT}, USE_COLUMNS};
static const struct column paper_user_columns[] = {
    {"project", COLUMN_TEXT},    {"name", COLUMN_TEXT}, {"jobs_ended", COLUMN_INT},
    {"jobs_failed", COLUMN_INT}, {"raw", COLUMN_GPUMS}, {"charged", COLUMN_GPUMS},
    {"refunded", COLUMN_GPUMS},  {"net", COLUMN_GPUMS}, {"wasted", COLUMN_GPUMS}};
static const enum report_flow_part paper_flow[] = {
    FLOW_OPENING,         FLOW_GRANTED,  FLOW_REVOKED, FLOW_TRANSFERRED_IN,
    FLOW_TRANSFERRED_OUT, FLOW_ADJUSTED, FLOW_EXPIRED, FLOW_CHARGED,
    FLOW_REFUNDED,        FLOW_CLOSING,  FLOW_HELD};
static const struct column paper_allocation_columns[] = {{"project", COLUMN_TEXT},
                                                         {"allocation", COLUMN_INT},
                                                         {"opening", COLUMN_GPUMS},
                                                         {"granted", COLUMN_GPUMS},
                                                         {"revoked", COLUMN_GPUMS},
                                                         {"transferred_in", COLUMN_GPUMS},
                                                         {"transferred_out", COLUMN_GPUMS},
                                                         {"adjusted", COLUMN_GPUMS},
                                                         {"expired", COLUMN_GPUMS},
                                                         {"charged", COLUMN_GPUMS},
                                                         {"refunded", COLUMN_GPUMS},
                                                         {"closing", COLUMN_GPUMS},
                                                         {"held", COLUMN_GPUMS}};

const char *report_software(void)
{
    return "Firefly " FIREFLY_VERSION;
}

/* ---- the head */

static void add_sentence(const char *sentence, void *arg)
{
    book_fact(arg, "Identity", sentence);
}

/* "tenant north, project lattice" */
static void add_filter(struct book *b, const struct report_filter *f)
{
    const struct {
        const char *name, *value;
    } parts[] = {{"tenant", f->tenant}, {"project", f->project}, {"user", f->user}};
    AUTO(buf_done) struct buf text = BUF_INIT(1024);
    for (size_t i = 0; i < COUNT(parts); i++)
        if (parts[i].value)
            buf_printf(&text, "%s%s %s", text.len ? ", " : "", parts[i].name, parts[i].value);
    if (text.len)
        book_fact(b, "Only", buf_text(&text));
}

static struct book *new_book(const char *what, const struct report_span *s,
                             const struct report_about *about)
{
    char span[REPORT_SPAN_TEXT], text[120], from[20], until[20];
    report_span_text(s, span);
    now_text(s->from_ms, from);
    now_text(s->until_ms, until);
    snprintf(text, sizeof(text), "%s, %s", what, span);
    struct book *b = book_new(text);
    book_fact(b, "Site", about->site);
    add_filter(b, &about->only);
    book_fact(b, "Month", span);
    snprintf(text, sizeof(text), "from %s until before %s, %s", from, until, about->zone);
    book_fact(b, "Interval", text);
    book_fact(b, "Closed", s->is_closed ? "yes" : "no: it still takes entries");
    book_fact(b, "Software", report_software());
    return b;
}

static struct book *new_report_book(const struct report *r, const struct report_about *about)
{
    char text[120];
    struct book *b = new_book("GPU-hours", &r->span, about);
    if (about->checksum)
        book_fact(b, "Checksum", about->checksum);
    if (about->closing)
        book_fact(b, "Checksum of the closing", about->closing);
    if (about->ledger) {
        snprintf(text, sizeof(text), "%lld entries, SHA-256 %s",
                 (long long)about->ledger->entries, about->ledger->sha256);
        book_fact(b, "Ledger", text);
    }
    if (r->is_of_user)
        return b;
    report_words(&r->sums, add_sentence, b);
    book_fact(b, "Adds up",
              report_adds_up(&r->sums)
                  ? "yes, to the GPU-millisecond; the hours here are rounded to thousandths"
                  : "no: run `quota verify`");
    return b;
}

/* ---- rows */

static void put_use(struct table *t, const struct report_usage *u)
{
    static const enum report_use before_net[] = {
        USE_STARTED, USE_ENDED, USE_FAILED, USE_WAITED, USE_RAW, USE_CHARGED, USE_REFUNDED};
    for (size_t i = 0; i < COUNT(before_net); i++)
        table_number(t, u->n[before_net[i]]);
    table_number(t, report_usage_net(u));
    table_number(t, u->n[USE_WASTED]);
}

static void put_usage(struct table *t, enum report_level level, const struct report_usage *u)
{
    table_text(t, u->tenant);
    if (level != REPORT_TENANTS)
        table_text(t, u->project);
    if (level == REPORT_USERS) {
        table_text(t, u->login);
        table_text(t, u->directory);
    }
    if (level != REPORT_PROJECTS)
        table_text(t, u->name);
    put_use(t, u);
}

/* A table of a level without its rows; its chart is of net by name. */
static struct table *add_level(struct book *b, enum report_level level, const char *title)
{
    static const struct {
        const struct column *columns;
        size_t count;
        int label, more;
    } levels[REPORT_LEVELS] = {
        [REPORT_USERS] = {user_columns, COUNT(user_columns), 4, 1}, /* a row for each project */
        [REPORT_PROJECTS] = {project_columns, COUNT(project_columns), 1, -1},
        [REPORT_TENANTS] = {tenant_columns, COUNT(tenant_columns), 1, -1},
    };
    struct table *t = book_table(b, report_parts[level], title, "", levels[level].columns,
                                 levels[level].count);
    t->chart_label = levels[level].label;
    t->chart_more = levels[level].more;
    t->chart_value = (int)levels[level].count - 2;
    return t;
}

static const char *const level_titles[REPORT_LEVELS] = {
    "GPU-hours by person and project", "GPU-hours by project", "GPU-hours by tenant"};

static void add_usage(struct book *b, const struct report *r, enum report_level level)
{
    const struct report_usages *u = &r->usage[level];
    struct table *t = add_level(b, level, level_titles[level]);
    for (size_t i = 0; i < u->count; i++)
        put_usage(t, level, &u->rows[i]);
}

static void add_allocations(struct book *b, const struct report_allocations *a)
{
    struct table *t = book_table(b, "allocations", "Allocations", "", allocation_columns,
                                 COUNT(allocation_columns));
    for (size_t i = 0; i < a->count; i++) {
        const struct report_allocation *row = &a->rows[i];
        table_text(t, row->tenant);
        table_text(t, row->project);
        table_number(t, row->id);
        table_number(t, row->from_ms);
        table_number(t, row->until_ms);
        for (int k = 0; k < FLOW_PARTS; k++)
            table_number(t, row->flow.gpums[k]);
    }
}

static void put_about(struct table *t, const struct report *r, const struct report_about *about)
{
    table_text(t, r->is_of_user ? "" : report_adds_up(&r->sums) ? "yes" : "no");
    table_text(t, about->checksum ? about->checksum : "");
    if (about->ledger)
        table_number(t, about->ledger->entries);
    else
        table_empty(t);
    table_text(t, about->ledger ? about->ledger->sha256 : "");
}

static void add_sums(struct book *b, const struct report *r, const struct report_about *about)
{
    static const enum report_use uses[] = {USE_STARTED, USE_ENDED,  USE_FAILED,  USE_WAITED,
                                           USE_RAW,     USE_WASTED, USE_CHARGED, USE_REFUNDED};
    char span[REPORT_SPAN_TEXT];
    struct table *t = book_table(b, "sums", "Sums, and that they add up", "", sum_columns,
                                 COUNT(sum_columns));
    t->is_record = true;
    report_span_text(&r->span, span);
    table_text(t, span);
    table_number(t, r->span.from_ms);
    table_number(t, r->span.until_ms);
    table_text(t, about->zone);
    table_text(t, r->span.is_closed ? "yes" : "no");
    table_text(t, report_software());
    for (size_t i = 0; i < COUNT(uses); i++)
        table_number(t, r->sums.usage[uses[i]]);
    table_number(t, r->sums.ledger_charged_gpums);
    table_number(t, r->sums.ledger_refunded_gpums);
    for (int i = 0; i < FLOW_PARTS; i++)
        table_number(t, r->sums.flow.gpums[i]);
    put_about(t, r, about);
}

struct book *report_book(const struct report *r, const struct report_about *about)
{
    struct book *b = new_report_book(r, about);
    for (int i = 0; i < REPORT_LEVELS; i++)
        add_usage(b, r, (enum report_level)i);
    add_allocations(b, &r->allocations);
    add_sums(b, r, about);
    return b;
}

/* ---- one table */

struct book *report_book_level(const struct report *r, enum report_level level, size_t limit,
                               const struct report_about *about)
{
    struct book *b = new_report_book(r, about);
    const struct report_usages *u = &r->usage[level];
    if (!limit) {
        add_usage(b, r, level);
        return b;
    }
    const struct report_usage **top = xnew_array(const struct report_usage *, u->count + 1);
    struct table *t = add_level(b, level, level_titles[level]);
    size_t count = report_top(u, limit < u->count ? limit : u->count, top);
    for (size_t i = 0; i < count; i++)
        put_usage(t, level, top[i]);
    free(top);
    return b;
}

struct book *report_book_waste(const struct waste *w, const struct report_about *about)
{
    struct book *b = new_book("GPU-hours that came to nothing", &w->span, about);
    struct table *t = book_table(b, "waste", "Wasted GPU-hours by cause", "", waste_columns,
                                 COUNT(waste_columns));
    for (size_t i = 0; i < w->count; i++) {
        const struct waste_row *row = &w->rows[i];
        table_text(t, row->tenant);
        table_text(t, row->project);
        for (int k = WASTE_CHARGED; k <= WASTE_PREEMPTED; k++)
            table_number(t, row->gpums[k]);
        table_number(t, waste_sum(row));
        table_number(t, waste_share(waste_sum(row), row->gpums[WASTE_CHARGED]));
        table_number(t, row->gpums[WASTE_SAMPLED]);
        table_number(t, row->gpums[WASTE_IDLE]);
        table_number(t, waste_share(row->gpums[WASTE_IDLE], row->gpums[WASTE_SAMPLED]));
    }
    return b;
}

/* ---- on paper */

static void add_paper_projects(struct book *b, const struct report *r,
                               const struct report_usage *of)
{
    const struct report_usages *u = &r->usage[REPORT_PROJECTS];
    struct table *t = book_table(b, "projects", level_titles[REPORT_PROJECTS], of->name,
                                 paper_project_columns, COUNT(paper_project_columns));
    t->chart_label = 0;
    t->chart_value = (int)COUNT(paper_project_columns) - 2;
    for (size_t i = 0; i < u->count; i++) {
        if (strcmp(u->rows[i].tenant, of->tenant))
            continue;
        table_text(t, u->rows[i].project);
        put_use(t, &u->rows[i]);
    }
}

static void add_paper_users(struct book *b, const struct report *r,
                            const struct report_usage *of)
{
    static const enum report_use uses[] = {USE_ENDED, USE_FAILED, USE_RAW, USE_CHARGED,
                                           USE_REFUNDED};
    const struct report_usages *u = &r->usage[REPORT_USERS];
    struct table *t = book_table(b, "people", level_titles[REPORT_USERS], of->name,
                                 paper_user_columns, COUNT(paper_user_columns));
    for (size_t i = 0; i < u->count; i++) {
        const struct report_usage *row = &u->rows[i];
        if (strcmp(row->tenant, of->tenant))
            continue;
        table_text(t, row->project);
        table_text(t, *row->name ? row->name : row->login);
        for (size_t k = 0; k < COUNT(uses); k++)
            table_number(t, row->n[uses[k]]);
        table_number(t, report_usage_net(row));
        table_number(t, row->n[USE_WASTED]);
    }
}

static void add_paper_allocations(struct book *b, const struct report *r,
                                  const struct report_usage *of)
{
    const struct report_allocations *a = &r->allocations;
    struct table *t = book_table(b, "allocations", "Allocations", of->name,
                                 paper_allocation_columns, COUNT(paper_allocation_columns));
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->rows[i].tenant, of->tenant))
            continue;
        table_text(t, a->rows[i].project);
        table_number(t, a->rows[i].id);
        for (size_t k = 0; k < COUNT(paper_flow); k++)
            table_number(t, a->rows[i].flow.gpums[paper_flow[k]]);
    }
}

struct book *report_book_paper(const struct report *r, const struct report_about *about)
{
    const struct report_usages *tenants = &r->usage[REPORT_TENANTS];
    struct book *b = new_report_book(r, about);
    add_usage(b, r, REPORT_TENANTS);
    for (size_t i = 0; i < tenants->count; i++) {
        add_paper_projects(b, r, &tenants->rows[i]);
        add_paper_users(b, r, &tenants->rows[i]);
        add_paper_allocations(b, r, &tenants->rows[i]);
    }
    return b;
}
