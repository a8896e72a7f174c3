// SPDX-License-Identifier: Apache-2.0
/* Cells become texts by their column's kind; the three formats differ in how they lay texts
 * out. */
#include "quota/cli/out.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "quota/sheet_csv.h"
#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { GAP = 2 };

/* What a column's name gets behind it, so that a file says its own units. */
static const char *suffix(const struct out *o, enum column_kind kind)
{
    if (o->format != OUT_JSON)
        return sheet_csv_unit(kind, o->unit);
    switch (kind) {
    case COLUMN_GPUMS:
        return "_gpums";
    case COLUMN_TIME:
        return "_ms";
    case COLUMN_SHARE:
    case COLUMN_WEIGHT:
        return "_permille";
    default:
        return sheet_csv_unit(kind, o->unit);
    }
}

/* ---- cells */

/* On the screen moments and durations are written for people. */
static void number_text(const struct out *o, enum column_kind kind, int64_t n,
                        char out[SHEET_CSV_NUMBER])
{
    bool is_csv = o->format == OUT_CSV;
    if (kind == COLUMN_TIME && n && !is_csv)
        now_text(n, out);
    else if (kind == COLUMN_SPAN && !is_csv)
        parse_duration_text(n, out);
    else
        sheet_csv_number(kind, n, o->unit, out);
}

static void put_cell(struct out *o, const char *text, int64_t number)
{
    struct out_cell *cell = &o->row[o->cell++];
    cell->text = xdup(text);
    cell->number = number;
}

void out_text(struct out *o, const char *text)
{
    put_cell(o, text, 0);
}

void out_i64(struct out *o, int64_t number)
{
    char text[SHEET_CSV_NUMBER];
    number_text(o, o->columns[o->cell].kind, number, text);
    put_cell(o, text, number);
}

void out_null(struct out *o)
{
    put_cell(o, NULL, 0);
}

void out_text_or_null(struct out *o, const char *text)
{
    if (*text)
        out_text(o, text);
    else
        out_null(o);
}

void out_i64_or_null(struct out *o, int64_t number)
{
    if (number)
        out_i64(o, number);
    else
        out_null(o);
}

/* ---- picking columns */

static int find_column(const struct column *columns, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(columns[i].name) == len && !memcmp(columns[i].name, name, len))
            return (int)i;
    return -1;
}

static int unknown_column(const struct column *columns, size_t count, const char *name,
                          size_t len, struct err *e)
{
    AUTO(buf_done) struct buf b = BUF_INIT(400);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s%s", i ? "," : "", columns[i].name);
    return err_set(e, -EINVAL, "--columns: '%.*s' is no column; there are %s",
                   (int)(len < 40 ? len : 40), name, buf_text(&b));
}

int out_pick(const struct column *columns, size_t count, const char *picked, size_t *out_order,
             size_t *out_count, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; !picked && i < count; i++)
        out_order[n++] = i;
    for (const char *p = picked; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        size_t len = strcspn(p, ",");
        int at = find_column(columns, count, p, len);
        if (at < 0)
            return unknown_column(columns, count, p, len, e);
        if (n == OUT_COLUMNS_MAX)
            return err_set(e, -EINVAL, "--columns: more than %d", OUT_COLUMNS_MAX);
        out_order[n++] = (size_t)at;
    }
    *out_count = n;
    return 0;
}

/* ---- csv */

static void csv_text(FILE *file, const char *text)
{
    AUTO(buf_done) struct buf field = BUF_INIT(2 * strlen(text) + sizeof("\"'\""));
    sheet_csv_text(text, &field);
    fputs(buf_text(&field), file);
}

static void csv_heading(struct out *o)
{
    for (size_t i = 0; i < o->order_count; i++) {
        const struct column *c = &o->columns[o->order[i]];
        fprintf(o->file, "%s%s%s", i ? "," : "", c->name, suffix(o, c->kind));
    }
    fputs("\r\n", o->file);
}

static void csv_row(struct out *o)
{
    for (size_t i = 0; i < o->order_count; i++) {
        const char *text = o->row[o->order[i]].text;
        if (i)
            fputc(',', o->file);
        if (!text)
            continue;
        if (o->columns[o->order[i]].kind == COLUMN_TEXT)
            csv_text(o->file, text);
        else
            fputs(text, o->file); /* our own number: a '-' is a sign here */
    }
    fputs("\r\n", o->file);
}

/* ---- json */

static void json_row(struct out *o)
{
    json_t *object = json_object();
    for (size_t i = 0; i < o->order_count; i++) {
        const struct column *c = &o->columns[o->order[i]];
        const struct out_cell *cell = &o->row[o->order[i]];
        char name[80];
        snprintf(name, sizeof(name), "%s%s", c->name, suffix(o, c->kind));
        bool is_none = !cell->text || (c->kind == COLUMN_TIME && !cell->number);
        json_t *value = is_none                  ? json_null()
                        : c->kind == COLUMN_TEXT ? json_string(cell->text)
                                                 : json_integer(cell->number);
        json_object_set_new(object, name, value ? value : json_string("?")); /* not UTF-8 */
    }
    fputs(o->rows ? ",\n" : "\n", o->file);
    json_dumpf(object, o->file, JSON_COMPACT);
    json_decref(object);
}

/* ---- table */

void out_safe(FILE *file, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            fprintf(file, "\\x%02x", *p);
        else
            fputc(*p, file);
    }
}

/* Columns on the screen: characters, not bytes; a control byte takes four. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        n += *p < 0x20 || *p == 0x7f ? 4 : (*p & 0xc0) != 0x80;
    return n;
}

static void put_padded(struct out *o, const char *text, size_t width, bool to_right,
                       bool is_last)
{
    size_t n = width_of(text);
    for (size_t i = n; to_right && i < width; i++)
        fputc(' ', o->file);
    out_safe(o->file, text);
    for (size_t i = n; !to_right && !is_last && i < width; i++)
        fputc(' ', o->file);
    if (!is_last)
        fprintf(o->file, "%*s", GAP, "");
}

/* "FREE GPU-h" */
static void heading_text(const struct out *o, size_t column, char out[80])
{
    static const char *const units[] = {" GPU-h", " GPU-m", " GPU-s"};
    const struct column *c = &o->columns[o->order[column]];
    size_t n = 0;
    for (; c->name[n] && n < 60; n++)
        out[n] = c->name[n] == '_' ? ' ' : (char)toupper((unsigned char)c->name[n]);
    snprintf(out + n, 80 - n, "%s",
             c->kind == COLUMN_GPUMS   ? units[o->unit]
             : c->kind == COLUMN_SHARE ? " %"
                                       : "");
}

/* Text stands left, numbers right. */
static bool is_right(const struct out *o, size_t column)
{
    enum column_kind kind = o->columns[o->order[column]].kind;
    return kind != COLUMN_TEXT && kind != COLUMN_TIME;
}

/* Prints the kept rows aligned; the heading stands above the first part. */
static void table_flush(struct out *o, bool is_first)
{
    size_t widths[OUT_COLUMNS_MAX] = {0};
    char heading[80];
    for (size_t i = 0; i < o->order_count; i++) {
        heading_text(o, i, heading);
        widths[i] = width_of(heading);
        for (size_t k = 0; k < o->kept_rows; k++) {
            size_t n = width_of(o->kept[k * o->order_count + i]);
            widths[i] = n > widths[i] ? n : widths[i];
        }
    }
    for (size_t k = 0; k < o->kept_rows + is_first; k++) {
        for (size_t i = 0; i < o->order_count; i++) {
            heading_text(o, i, heading);
            bool is_heading = is_first && k == 0;
            const char *text =
                is_heading ? heading : o->kept[(k - is_first) * o->order_count + i];
            put_padded(o, text, widths[i], is_right(o, i), i + 1 == o->order_count);
        }
        fputc('\n', o->file);
    }
    for (size_t k = 0; k < o->kept_rows * o->order_count; k++)
        free(o->kept[k]);
    o->kept_rows = 0;
}

/* One row as lines: "free GPU-h   118.500". */
static void record_flush(struct out *o)
{
    char heading[80];
    size_t widest = 0;
    for (size_t i = 0; i < o->order_count; i++) {
        heading_text(o, i, heading);
        widest = width_of(heading) > widest ? width_of(heading) : widest;
    }
    for (size_t i = 0; i < o->order_count; i++) {
        heading_text(o, i, heading);
        put_padded(o, heading, widest, false, false);
        out_safe(o->file, o->kept[i]);
        fputc('\n', o->file);
    }
    for (size_t i = 0; i < o->order_count; i++)
        free(o->kept[i]);
    o->kept_rows = 0;
}

static void table_row(struct out *o)
{
    if (o->kept_rows == OUT_ROWS_MAX)
        table_flush(o, o->rows == OUT_ROWS_MAX);
    if (!o->kept)
        o->kept = xnew_array(char *, OUT_ROWS_MAX *OUT_COLUMNS_MAX);
    char **row = &o->kept[o->kept_rows++ * o->order_count];
    for (size_t i = 0; i < o->order_count; i++) {
        const char *text = o->row[o->order[i]].text;
        row[i] = xdup(text ? text : "");
    }
}

static void table_end(struct out *o)
{
    if (o->is_record && o->rows == 1) {
        record_flush(o);
    } else if (!o->is_record ||
               o->rows > 0) { /* no record: the verb says that it was not found */
        table_flush(o, o->rows <= OUT_ROWS_MAX);
        if (!o->is_group)
            fprintf(o->file, "%zu row%s\n", o->rows, o->rows == 1 ? "" : "s");
    }
    free(o->kept);
    o->kept = NULL;
}

/* ---- a table of any format */

void out_group_begin(struct out *o)
{
    o->is_group = true;
    if (o->format == OUT_JSON)
        fputs("{", o->file);
}

void out_group_end(struct out *o)
{
    if (o->format == OUT_JSON)
        fputs("}\n", o->file);
    o->is_group = false;
}

int out_begin(struct out *o, const char *name, const struct column *columns, size_t count,
              struct err *e)
{
    int r = out_pick(columns, count, o->picked, o->order, &o->order_count, e);
    if (r < 0)
        return r;
    o->columns = columns;
    o->count = count;
    o->rows = o->cell = 0;
    bool is_next = o->is_group && o->tables++ > 0;
    if (o->format == OUT_JSON && o->is_group)
        fprintf(o->file, "%s\"%s\":[", is_next ? ",\n" : "", name);
    else if (o->format == OUT_JSON)
        fputs("[", o->file);
    else if (o->format == OUT_CSV)
        csv_heading(o);
    else if (o->is_group)
        fprintf(o->file, "%s%s\n", is_next ? "\n" : "", name);
    return 0;
}

void out_row(struct out *o)
{
    if (o->format == OUT_CSV)
        csv_row(o);
    else if (o->format == OUT_JSON)
        json_row(o);
    else
        table_row(o);
    o->rows++;
    while (o->cell > 0)
        free(o->row[--o->cell].text);
}

void out_end(struct out *o)
{
    if (o->format == OUT_JSON)
        fputs(o->rows ? "\n]" : "]", o->file);
    if (o->format == OUT_JSON && !o->is_group)
        fputc('\n', o->file);
    if (o->format == OUT_TABLE)
        table_end(o);
}
