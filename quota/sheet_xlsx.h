// SPDX-License-Identifier: Apache-2.0
/* A book as an Excel workbook.
 *
 * First, and seen when it is opened, a sheet "About" with the title, the facts, the list of
 * sheets, and below it the charts of the tables that have one; then one sheet for each table,
 * in order: its heading in the first row, bold, frozen and with a filter, and the rows below it
 * (a record has a row for each of its columns instead); last, for the charts, a sheet "Chart
 * data" with the ten largest rows of each and the others.
 *
 * Numbers are numbers: GPU-time in hours (0.0000), times as dates in the zone of the process,
 * spans as [h]:mm:ss, shares in per cent, weights with three decimals. Texts are texts whatever
 * they begin with.
 */
#ifndef FF_QUOTA_SHEET_XLSX_H
#define FF_QUOTA_SHEET_XLSX_H

#include "quota/table.h"
#include "runner/base/err.h"

/* Writes a file beside `path` and renames it, so that `path` is the old one or the whole new
 * one. -E2BIG: a table has more rows than a sheet; -EIO: it could not be written. */
int sheet_xlsx_write(const struct book *b, const char *path, struct err *e);

enum { SHEET_NAME_MAX = 31, SHEET_NAME_BYTES = SHEET_NAME_MAX * 4 + 1 };

/* The name of a sheet for a table: at most 31 characters as Excel counts them, none of those
 * it forbids, and not like one of taken[count] where letters' case and accents do not count.
 * Pure. */
void sheet_xlsx_name(const struct table *t, char (*taken)[SHEET_NAME_BYTES], size_t count,
                     char out[SHEET_NAME_BYTES]);

#endif
