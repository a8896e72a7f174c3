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
    int64_t value;     /* of the chart's column, as the table has it */
    size_t rows;       /* that it stands for; 1 but for the others */
};

enum { BAR_TEXT = 32 };

/* The label, or "190 others"; out has room for BAR_TEXT bytes. */
const char *bar_text(const struct bar *bar, char out[BAR_TEXT]);

/* Fills out[BARS_MAX], the largest first, and returns how many: 0 for a table without chart or
 * rows. Up to BARS_MAX rows all stand for themselves; equal values keep the table's order. */
size_t bars_of(const struct table *t, struct bar *out);

#endif
