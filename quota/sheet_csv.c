// SPDX-License-Identifier: Apache-2.0
/* Cell by cell; only texts need quoting. */
#include "quota/sheet_csv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runner/base/cleanup.h"

const char *sheet_csv_unit(enum column_kind kind, enum amount_unit unit)
{
    static const char *const units[] = {"_gpu_h", "_gpu_m", "_gpu_s"};
    switch (kind) {
    case COLUMN_GPUMS:
        return units[unit];
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

static bool is_formula(const char *text)
{
    static const char *const wide[] = {"\uFF1D", "\uFF0B", "\uFF0D", "\uFF20"}; /* = + - @ */
    for (size_t i = 0; i < COUNT(wide); i++)
        if (strncmp(text, wide[i], strlen(wide[i])) == 0)
            return true;
    return *text && strchr("=+-@\t\r\n", *text);
}

void sheet_csv_text(const char *text, struct buf *out)
{
    bool is_unsafe = is_formula(text);
    if (!is_unsafe && !strpbrk(text, ",\"\r\n")) {
        buf_put(out, text);
        return;
    }
    buf_put(out, is_unsafe ? "\"'" : "\"");
    for (; *text; text++) {
        if (*text == '"')
            buf_put_char(out, '"');
        buf_put_char(out, *text);
    }
    buf_put_char(out, '"');
}

/* "2026-11-23T20:15:02+01:00" */
static void time_text(int64_t at_ms, char out[SHEET_CSV_NUMBER])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    size_t n = localtime_r(&seconds, &local)
                   ? strftime(out, SHEET_CSV_NUMBER, "%Y-%m-%dT%H:%M:%S%z", &local)
                   : 0;
    out[n] = '\0';
    if (n < 5)
        return;
    memmove(out + n - 1, out + n - 2, 3); /* +0100 into +01:00 */
    out[n - 2] = ':';
}

void sheet_csv_number(enum column_kind kind, int64_t n, enum amount_unit unit,
                      char out[SHEET_CSV_NUMBER])
{
    *out = '\0';
    if (kind == COLUMN_GPUMS)
        amount_text(n, unit, out);
    else if (kind == COLUMN_TIME && n)
        time_text(n, out);
    else if (kind == COLUMN_SHARE)
        snprintf(out, SHEET_CSV_NUMBER, "%lld.%lld", (long long)n / 10, (long long)n % 10);
    else if (kind == COLUMN_WEIGHT)
        snprintf(out, SHEET_CSV_NUMBER, "%lld.%03lld", (long long)n / 1000,
                 (long long)n % 1000);
    else if (kind != COLUMN_TIME)
        snprintf(out, SHEET_CSV_NUMBER, "%lld", (long long)n);
}

static void put_cell(const struct table *t, size_t row, size_t column, struct buf *out)
{
    const struct table_cell *cell = table_cell(t, row, column);
    char number[SHEET_CSV_NUMBER];
    if (cell->is_empty)
        return;
    if (cell->text) {
        sheet_csv_text(cell->text, out);
        return;
    }
    sheet_csv_number(t->columns[column].kind, cell->number, AMOUNT_HOURS, number);
    buf_put(out, number);
}

void sheet_csv_write(const struct table *t, struct buf *out)
{
    for (size_t c = 0; c < t->column_count; c++)
        buf_printf(out, "%s%s%s", c ? "," : "", t->columns[c].name,
                   sheet_csv_unit(t->columns[c].kind, AMOUNT_HOURS));
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
