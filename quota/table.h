// SPDX-License-Identifier: Apache-2.0
/* A report held in memory: a book of tables, as spreadsheets and documents are made of.
 *
 * For reports whose size is that of the site (tenants, projects, people), not of its jobs:
 * those stream. Texts are copied and owned by the book. Pure.
 */
#ifndef FF_QUOTA_TABLE_H
#define FF_QUOTA_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/cleanup.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_GPUMS, /* GPU-milliseconds, shown in the unit asked for */
    COLUMN_TIME,  /* milliseconds since 1970, shown in the site's zone; 0 prints as nothing */
    COLUMN_SPAN,  /* milliseconds of duration */
    COLUMN_BYTES,
    COLUMN_SHARE,  /* thousandths of a whole, shown in per cent */
    COLUMN_WEIGHT, /* thousandths */
};

struct column {
    const char *name; /* without a unit: "free", "until" */
    enum column_kind kind;
};

struct table_cell {
    char *text;     /* COLUMN_TEXT; NULL for numbers */
    int64_t number; /* of the other kinds */
    bool is_empty;
};

struct table {
    char *name;  /* "projects": of a sheet, of a member of a JSON object */
    char *title; /* "GPU-hours by project": above it on paper */
    char *group; /* tables of one group share a page ("North University"); "" the whole site */
    const struct column *columns; /* borrowed: a static table */
    size_t column_count;
    struct table_cell *cells; /* [row_count × column_count] */
    size_t row_count, cell_count;
    int chart_label, chart_value; /* columns of its bar chart; -1: it has none */
    int chart_more;               /* of a second label, in parentheses; -1: none is needed */
    bool is_record; /* one row of many columns: in a workbook a line for each of them */
};

/* A line of the head: "Interval", "2026-10-01 00:00 … 2026-11-01 00:00 Europe/Berlin". */
struct book_fact {
    char *name, *value;
};

struct book {
    char *title; /* "GPU-hours of October 2026" */
    struct book_fact *facts;
    size_t fact_count;
    struct table *tables; /* those of one group follow one another */
    size_t table_count;
};

struct book *book_new(const char *title);
void book_free(struct book *b); /* NULL is fine */
AUTO_FREE(book_free, struct book)

void book_fact(struct book *b, const char *name, const char *value);

/* A further table, without rows and chart; borrowed until the next one is added. */
struct table *book_table(struct book *b, const char *name, const char *title, const char *group,
                         const struct column *columns, size_t column_count);

/* The next cell of the row being filled; a row is complete when all its columns are. */
void table_text(struct table *t, const char *text);
void table_number(struct table *t, int64_t number);
void table_empty(struct table *t);
const struct table_cell *table_cell(const struct table *t, size_t row, size_t column);

/* "1234567.500" into "1,234,567.500", cut to `size`. */
void table_group_digits(char *text, size_t size);

#endif
