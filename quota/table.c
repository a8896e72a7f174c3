// SPDX-License-Identifier: Apache-2.0
/* Grows a book cell by cell. */
#include "quota/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

struct book *book_new(const char *title)
{
    struct book *b = xnew(struct book);
    b->title = xdup(title);
    return b;
}

static void table_done(struct table *t)
{
    free(t->name);
    free(t->title);
    free(t->group);
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i].text);
    free(t->cells);
}

void book_free(struct book *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->table_count; i++)
        table_done(&b->tables[i]);
    for (size_t i = 0; i < b->fact_count; i++) {
        free(b->facts[i].name);
        free(b->facts[i].value);
    }
    free(b->tables);
    free(b->facts);
    free(b->title);
    free(b);
}

void book_fact(struct book *b, const char *name, const char *value)
{
    b->facts = xgrow(b->facts, b->fact_count + 1, sizeof(*b->facts));
    b->facts[b->fact_count++] = (struct book_fact){xdup(name), xdup(value)};
}

struct table *book_table(struct book *b, const char *name, const char *title, const char *group,
                         const struct column *columns, size_t column_count)
{
    b->tables = xgrow(b->tables, b->table_count + 1, sizeof(*b->tables));
    struct table *t = &b->tables[b->table_count++];
    *t = (struct table){.name = xdup(name),
                        .title = xdup(title),
                        .group = xdup(group),
                        .columns = columns,
                        .column_count = column_count,
                        .chart_label = -1,
                        .chart_value = -1,
                        .chart_more = -1};
    return t;
}

static struct table_cell *next_cell(struct table *t)
{
    t->cells = xgrow(t->cells, t->cell_count + 1, sizeof(*t->cells));
    struct table_cell *c = &t->cells[t->cell_count++];
    t->row_count = t->cell_count / t->column_count;
    *c = (struct table_cell){0};
    return c;
}

void table_text(struct table *t, const char *text)
{
    next_cell(t)->text = xdup(text);
}

void table_number(struct table *t, int64_t number)
{
    next_cell(t)->number = number;
}

void table_empty(struct table *t)
{
    next_cell(t)->is_empty = true;
}

const struct table_cell *table_cell(const struct table *t, size_t row, size_t column)
{
    assert(row < t->row_count && column < t->column_count);
    return &t->cells[row * t->column_count + column];
}

void table_group_digits(char *text, size_t size)
{
    AUTO(cleanup_free) char *digits = xdup(text);
    size_t n = 0, whole = strcspn(text, "."), first = *text == '-';
    for (size_t i = 0; digits[i] && n + 2 < size; i++) {
        if (i > first && i < whole && (whole - i) % 3 == 0)
            text[n++] = ',';
        text[n++] = digits[i];
    }
    text[n] = '\0';
}
