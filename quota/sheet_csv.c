// SPDX-License-Identifier: Apache-2.0
/* Cell by cell; only texts need quoting. */
#include "quota/sheet_csv.h"

#include <string.h>
#include <time.h>

#include "quota/amount.h"

static const char *unit(enum column_kind kind)
{
    switch (kind) {
    case COLUMN_GPUMS:
        return "_gpu_h";
    case COLUMN_SPAN:
        return "_ms";
    case COLUMN_BYTES:
        return "_bytes";
    case COLUMN_SHARE:
        return "_percent";
    default:
        return "";
    }
}

static void put_text(const char *text, struct buf *out)
{
    bool is_formula = *text && strchr("=+-@\t\r", *text);
    if (!is_formula && !strpbrk(text, ",\"\r\n")) {
        buf_put(out, text);
        return;
    }
    buf_put(out, is_formula ? "\"'" : "\"");
    for (; *text; text++) {
        if (*text == '"')
            buf_put_char(out, '"');
        buf_put_char(out, *text);
    }
    buf_put_char(out, '"');
}

/* "2026-11-23T20:15:02+01:00"; 0 is no time. */
static void put_time(int64_t at_ms, struct buf *out)
{
    char text[40];
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    if (at_ms == 0 || !localtime_r(&seconds, &local))
        return;
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &local);
    if (n > 5)
        buf_printf(out, "%.*s:%s", (int)n - 2, text, text + n - 2);
}

static void put_number(enum column_kind kind, int64_t n, struct buf *out)
{
    char hours[AMOUNT_TEXT];
    if (kind == COLUMN_GPUMS) {
        amount_text(n, AMOUNT_HOURS, hours);
        buf_put(out, hours);
    } else if (kind == COLUMN_TIME) {
        put_time(n, out);
    } else if (kind == COLUMN_SHARE) {
        buf_printf(out, "%lld.%lld", (long long)n / 10, (long long)n % 10);
    } else if (kind == COLUMN_WEIGHT) {
        buf_printf(out, "%lld.%03lld", (long long)n / 1000, (long long)n % 1000);
    } else {
        buf_printf(out, "%lld", (long long)n);
    }
}

static void put_cell(const struct table *t, size_t row, size_t column, struct buf *out)
{
    const struct table_cell *cell = table_cell(t, row, column);
    if (cell->is_empty)
        return;
    if (cell->text)
        put_text(cell->text, out);
    else
        put_number(t->columns[column].kind, cell->number, out);
}

void sheet_csv_write(const struct table *t, struct buf *out)
{
    for (size_t c = 0; c < t->column_count; c++)
        buf_printf(out, "%s%s%s", c ? "," : "", t->columns[c].name, unit(t->columns[c].kind));
    buf_put(out, "\r\n");
    for (size_t row = 0; row < t->row_count; row++) {
        for (size_t c = 0; c < t->column_count; c++) {
            if (c)
                buf_put_char(out, ',');
            put_cell(t, row, c, out);
        }
        buf_put(out, "\r\n");
    }
}
