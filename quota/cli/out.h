// SPDX-License-Identifier: Apache-2.0
/* Rows for people and for programs: one table of columns, three ways to print it.
 *
 *   table  aligned, times in the site's zone, GPU-time in --unit, control bytes shown as \xNN
 *   csv    RFC 4180; a text that a spreadsheet would take for a formula gets a ' in front
 *   json   exact: GPU-milliseconds, milliseconds since 1970; an array, or an object of arrays
 *          when a command prints several tables
 *
 * Rows are given cell by cell, in the order of the columns; --columns picks and reorders.
 * Memory is bounded: a table is aligned in parts of OUT_ROWS_MAX rows.
 */
#ifndef FF_QUOTA_CLI_OUT_H
#define FF_QUOTA_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "quota/amount.h"
#include "quota/table.h"
#include "runner/base/err.h"

enum { OUT_COLUMNS_MAX = 40, OUT_ROWS_MAX = 1000 };

enum out_format { OUT_TABLE, OUT_CSV, OUT_JSON, OUT_XLSX, OUT_PDF }; /* the last two: book.h */

struct out_cell {
    char *text; /* as printed; NULL: nothing there */
    int64_t number;
};

struct out {
    FILE *file;
    enum out_format format;
    enum amount_unit unit;
    const char *picked; /* of --columns, or NULL */
    bool is_group;      /* several tables in one answer */
    bool is_record;     /* a table of one row is printed line by line */

    /* the table being printed */
    const struct column *columns;
    size_t count;                  /* given */
    size_t order[OUT_COLUMNS_MAX]; /* printed: indices of the given ones */
    size_t order_count;
    struct out_cell row[OUT_COLUMNS_MAX];
    size_t cell; /* the next of the row */
    char **kept; /* OUT_TABLE: rows × order_count texts */
    size_t kept_rows, rows, tables;
};

/* Picks columns by "a,b,c"; -EINVAL with the list of those there are. Pure. */
int out_pick(const struct column *columns, size_t count, const char *picked, size_t *out_order,
             size_t *out_count, struct err *e);

void out_group_begin(struct out *o);
void out_group_end(struct out *o);

/* `name` is the table's in a group. */
int out_begin(struct out *o, const char *name, const struct column *columns, size_t count,
              struct err *e);
void out_text(struct out *o, const char *text);
void out_i64(struct out *o, int64_t number);
void out_null(struct out *o);
void out_text_or_null(struct out *o, const char *text); /* null for "" */
void out_i64_or_null(struct out *o, int64_t number);    /* null for 0 */
void out_row(struct out *o);
void out_end(struct out *o);

/* A text for a terminal: control bytes as \xNN. */
void out_safe(FILE *file, const char *text);

#endif
