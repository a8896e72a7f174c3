// SPDX-License-Identifier: Apache-2.0
/* Fills a book scope by scope, in one snapshot. */
#include "quota/statement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/now.h"

enum { MONTH_LAST = 999912 };

/* ---- months */

static void read_month(const struct db_rows *rows, struct statement_month *out)
{
    *out = (struct statement_month){.month = (int)db_rows_i64(rows, 0),
                                    .from_ms = db_rows_i64(rows, 1),
                                    .until_ms = db_rows_i64(rows, 2),
                                    .closed_ms = db_rows_i64(rows, 3)};
    snprintf(out->checksum, sizeof(out->checksum), "%s", db_rows_text(rows, 4));
}

int statement_months(struct db *db, int64_t at_ms, struct statement_month *out,
                     size_t *out_count, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    size_t n = 0;
    int r = db_select(db, SQL_STATEMENT_MONTHS, DB_ARGS(DB_I64(at_ms)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        if (n < STATEMENT_MONTHS_MAX)
            read_month(rows, &out[n++]);
        r = 0;
    }
    *out_count = n;
    return r;
}

int statement_month_get(struct db *db, int month, int64_t at_ms, struct statement_month *out,
                        struct err *e)
{
    struct statement_month months[STATEMENT_MONTHS_MAX];
    size_t count;
    int r = statement_months(db, at_ms, months, &count, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (months[i].month == month) {
            *out = months[i];
            return 0;
        }
    return r < 0 ? r : err_set(e, -ENOENT, "month %d: there is no statement", month);
}

void statement_month_text(int month, char out[32])
{
    static const char *const names[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
    int m = month % 100;
    snprintf(out, 32, "%s %d", m >= 1 && m <= 12 ? names[m - 1] : "?", month / 100);
}

/* ---- the tables */

static const struct column usage_columns[] = {
    {"tenant", COLUMN_TEXT},    {"project", COLUMN_TEXT},   {"login", COLUMN_TEXT},
    {"directory", COLUMN_TEXT}, {"name", COLUMN_TEXT},      {"jobs", COLUMN_INT},
    {"used", COLUMN_GPUMS},     {"refunded", COLUMN_GPUMS}, {"net", COLUMN_GPUMS},
    {"raw", COLUMN_GPUMS},
};

static const struct column allocation_columns[] = {
    {"tenant", COLUMN_TEXT},   {"project", COLUMN_TEXT},  {"allocation", COLUMN_INT},
    {"from", COLUMN_TIME},     {"until", COLUMN_TIME},    {"opening", COLUMN_GPUMS},
    {"granted", COLUMN_GPUMS}, {"used", COLUMN_GPUMS},    {"refunded", COLUMN_GPUMS},
    {"expired", COLUMN_GPUMS}, {"closing", COLUMN_GPUMS}, {"held", COLUMN_GPUMS},
};

/* One statement on its way: the book's next table, and what it is about. */
struct filling {
    struct db *db;
    const struct statement_month *month;
    const struct statement_scope *scope;
    struct book *book;
    struct table *table;
    struct statement_sums *sums;
};

static bool is_among(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void put_usage(struct filling *f, const struct db_rows *rows)
{
    struct table *t = f->table;
    int64_t used = db_rows_i64(rows, 8), raw = db_rows_i64(rows, 9);
    int64_t refunded = db_rows_i64(rows, 10);
    const unsigned texts[] = {1, 2, 4, 5, 6};
    for (size_t i = 0; i < COUNT(texts); i++)
        table_text(t, db_rows_text(rows, texts[i]));
    table_number(t, db_rows_i64(rows, 7));
    table_number(t, used);
    table_number(t, refunded);
    table_number(t, used - refunded);
    table_number(t, raw);
    f->sums->used_gpums += used;
    f->sums->raw_gpums += raw;
    f->sums->refunded_gpums += refunded;
}

/* `is_own`: rows of what is told whole are left out. */
static int read_usage(struct filling *f, enum sql id, int64_t whose, bool is_own, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    const struct statement_scope *s = f->scope;
    int r = db_select(f->db, id, DB_ARGS(DB_I64(f->month->month), DB_I64(whose)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        bool is_told = is_among(s->projects, s->project_count, db_rows_i64(rows, 0)) ||
                       is_among(s->tenants, s->tenant_count, db_rows_i64(rows, 11));
        if (!is_own || !is_told)
            put_usage(f, rows);
        r = 0;
    }
    return r;
}

static int fill_usage(struct filling *f, struct err *e)
{
    const struct statement_scope *s = f->scope;
    int r = 0;
    f->table = book_table(f->book, "usage", "GPU-hours by project and person", "",
                          usage_columns, COUNT(usage_columns));
    f->table->chart_label = 1;
    f->table->chart_value = 8;
    for (size_t i = 0; r == 0 && i < s->tenant_count; i++)
        r = read_usage(f, SQL_STATEMENT_USAGE_OF_TENANT, s->tenants[i], false, e);
    for (size_t i = 0; r == 0 && i < s->project_count; i++)
        r = read_usage(f, SQL_STATEMENT_USAGE, s->projects[i], false, e);
    if (r == 0 && s->person_id)
        r = read_usage(f, SQL_STATEMENT_USAGE_OF_PERSON, s->person_id, true, e);
    return r;
}

/* An allocation that was not there in the month has nothing but zeros. */
static void put_allocation(struct filling *f, const struct db_rows *rows)
{
    struct table *t = f->table;
    int64_t closing = db_rows_i64(rows, 5), held = db_rows_i64(rows, 6);
    int64_t granted = db_rows_i64(rows, 7), expired = db_rows_i64(rows, 8);
    int64_t used = db_rows_i64(rows, 9), refunded = db_rows_i64(rows, 10);
    int64_t opening = closing - granted + used - refunded + expired;
    if (!opening && !closing && !granted && !expired && !used && !refunded)
        return;
    table_text(t, db_rows_text(rows, 0));
    table_text(t, db_rows_text(rows, 1));
    for (unsigned i = 2; i < 5; i++)
        table_number(t, db_rows_i64(rows, i));
    const int64_t amounts[] = {opening, granted, used, refunded, expired, closing, held};
    for (size_t i = 0; i < COUNT(amounts); i++)
        table_number(t, amounts[i]);
}

/* A closed month's end is stored, so that nothing after it need be read. */
static int read_allocations(struct filling *f, enum sql id, int64_t whose, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int last = f->month->closed_ms ? f->month->month : MONTH_LAST;
    int r = db_select(f->db, id, DB_ARGS(DB_I64(f->month->month), DB_I64(last), DB_I64(whose)),
                      &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        put_allocation(f, rows);
        r = 0;
    }
    return r;
}

static int fill_allocations(struct filling *f, struct err *e)
{
    const struct statement_scope *s = f->scope;
    int r = 0;
    if (s->tenant_count + s->project_count == 0)
        return 0;
    f->table = book_table(f->book, "allocations", "Allocations over the month", "",
                          allocation_columns, COUNT(allocation_columns));
    for (size_t i = 0; r == 0 && i < s->tenant_count; i++)
        r = read_allocations(f, SQL_STATEMENT_ALLOCATIONS_OF_TENANT, s->tenants[i], e);
    for (size_t i = 0; r == 0 && i < s->project_count; i++)
        r = read_allocations(f, SQL_STATEMENT_ALLOCATIONS, s->projects[i], e);
    return r;
}

/* ---- the whole */

static struct book *new_book(const struct statement_month *m)
{
    char month[32], title[64], from[20], until[20], text[80];
    statement_month_text(m->month, month);
    snprintf(title, sizeof(title), "GPU-hours of %s", month);
    struct book *b = book_new(title);
    now_text(m->from_ms, from);
    now_text(m->until_ms, until);
    snprintf(text, sizeof(text), "%.16s to %.16s", from, until);
    book_fact(b, "Month", month);
    book_fact(b, "Interval", text);
    if (!m->closed_ms) {
        book_fact(b, "State", "open, takes postings still");
        return b;
    }
    now_text(m->closed_ms, from);
    snprintf(text, sizeof(text), "closed %.16s", from);
    book_fact(b, "State", text);
    book_fact(b, "Checksum", m->checksum);
    return b;
}

int statement_run(struct db *db, const struct statement_month *m,
                  const struct statement_scope *scope, struct book **out,
                  struct statement_sums *out_sums, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    AUTO(book_freep) struct book *book = new_book(m);
    struct filling f = {db, m, scope, book, NULL, out_sums};
    *out_sums = (struct statement_sums){0};
    int r = db_tx_snapshot(db, &tx, e);
    if (r == 0)
        r = fill_usage(&f, e);
    if (r == 0)
        r = fill_allocations(&f, e);
    if (r == 0)
        *out = TAKE(book);
    return r;
}
