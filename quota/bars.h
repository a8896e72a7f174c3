// SPDX-License-Identifier: Apache-2.0
/* What the bar chart of a table shows: its ten largest rows and the sum of the others. Pure.
 *
 * Labels are borrowed from the table.
 */
#ifndef FF_QUOTA_BARS_H
#define FF_QUOTA_BARS_H

#include "quota/table.h"

enum { BARS_TOP = 10, BARS_MAX = BARS_TOP + 1 };

struct bar {
    const char *label; /* NULL for the others */
    const char *more;  /* stands behind the label; NULL: nothing does */
    int64_t value;     /* of the chart's column, as the table has it */
    size_t rows;       /* that it stands for; 1 but for the others */
};

enum { BAR_TEXT = 700 }; /* a person's name of 160 characters, and a project's */

/* The label, "alice (lattice)" with what is behind it, or "190 others". A label too long for
 * that stands alone. */
const char *bar_text(const struct bar *bar, char out[BAR_TEXT]);

/* A row of a table with a chart. */
struct bar bar_of(const struct table *t, size_t row);

/* Fills out[BARS_MAX], the largest first, and returns how many: 0 for a table without chart or
 * rows. Up to BARS_MAX rows all stand for themselves; equal values keep the table's order. */
size_t bars_of(const struct table *t, struct bar *out);

#endif
