// SPDX-License-Identifier: Apache-2.0
/* One table of a book as CSV (RFC 4180): a heading that says its units, CR LF after each line.
 *
 * What a spreadsheet would take for a formula (a text that begins with = + - @, a tab or a
 * CR) gets an apostrophe in front. GPU-time is hours with three decimals, times are ISO 8601
 * in the zone of the process. Pure but for that zone. */
#ifndef FF_QUOTA_SHEET_CSV_H
#define FF_QUOTA_SHEET_CSV_H

#include "quota/table.h"
#include "runner/base/buf.h"

/* Appends the table; out->failed when its ceiling is reached. */
void sheet_csv_write(const struct table *t, struct buf *out);

#endif
