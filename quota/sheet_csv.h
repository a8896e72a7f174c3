// SPDX-License-Identifier: Apache-2.0
/* Tables as CSV (RFC 4180): a heading that says its units, CR LF after each line. Whole tables
 * of a book, or field by field for those that stream.
 *
 * What a spreadsheet would take for a formula (a text that begins with = + - @, also
 * full-width, a tab, CR or LF) gets an apostrophe in front. GPU-time has three decimals,
 * times are ISO 8601 in the zone of the process. Pure but for that zone. */
#ifndef FF_QUOTA_SHEET_CSV_H
#define FF_QUOTA_SHEET_CSV_H

#include "quota/amount.h"
#include "quota/table.h"
#include "runner/base/buf.h"

/* What a column's name gets behind it, so that a file says its own units: "_gpu_h". */
const char *sheet_csv_unit(enum column_kind kind, enum amount_unit unit);

/* Appends a text as a field, quoted where it must be. */
void sheet_csv_text(const char *text, struct buf *out);

/* A number as a field. */
enum { SHEET_CSV_NUMBER = 40 };
void sheet_csv_number(enum column_kind kind, int64_t n, enum amount_unit unit,
                      char out[SHEET_CSV_NUMBER]);

/* Appends the table, GPU-time in hours; out->failed when its ceiling is reached. */
void sheet_csv_write(const struct table *t, struct buf *out);

#endif
