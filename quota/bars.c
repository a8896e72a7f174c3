// SPDX-License-Identifier: Apache-2.0
/* Keeps the largest rows by insertion while walking the table once. */
#include "quota/bars.h"

#include <stdio.h>
#include <string.h>

static void insert(struct bar *bars, size_t *count, size_t room, const struct bar *bar)
{
    size_t at = *count;
    while (at > 0 && bars[at - 1].value < bar->value)
        at--;
    if (at == room)
        return;
    size_t end = *count < room ? (*count)++ : room - 1;
    memmove(&bars[at + 1], &bars[at], (end - at) * sizeof(*bars));
    bars[at] = *bar;
}

/* "" where there is no such column. */
static const char *text_at(const struct table *t, size_t row, int column)
{
    const char *text = column < 0 ? NULL : table_cell(t, row, (size_t)column)->text;
    return text ? text : "";
}

struct bar bar_of(const struct table *t, size_t row)
{
    const char *more = text_at(t, row, t->chart_more);
    return (struct bar){.label = text_at(t, row, t->chart_label),
                        .more = *more ? more : NULL,
                        .value = table_cell(t, row, (size_t)t->chart_value)->number,
                        .rows = 1};
}

size_t bars_of(const struct table *t, struct bar *out)
{
    size_t count = 0, room = t->row_count > BARS_MAX ? BARS_TOP : BARS_MAX;
    int64_t rest = 0;
    if (t->chart_label < 0 || t->chart_value < 0)
        return 0;
    for (size_t row = 0; row < t->row_count; row++) {
        struct bar bar = bar_of(t, row);
        rest += bar.value;
        insert(out, &count, room, &bar);
    }
    if (t->row_count <= room)
        return count;
    for (size_t i = 0; i < count; i++)
        rest -= out[i].value;
    out[count++] = (struct bar){.value = rest, .rows = t->row_count - room};
    return count;
}

const char *bar_text(const struct bar *bar, char out[BAR_TEXT])
{
    int n = 0;
    if (!bar->label)
        n = snprintf(out, BAR_TEXT, "%zu others", bar->rows);
    else if (bar->more)
        n = snprintf(out, BAR_TEXT, "%s (%s)", bar->label, bar->more);
    return n > 0 && n < BAR_TEXT ? out : bar->label;
}
