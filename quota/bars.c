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

size_t bars_of(const struct table *t, struct bar *out)
{
    size_t count = 0, room = t->row_count > BARS_MAX ? BARS_TOP : BARS_MAX;
    int64_t rest = 0;
    if (t->chart_label < 0 || t->chart_value < 0)
        return 0;
    for (size_t row = 0; row < t->row_count; row++) {
        const struct table_cell *label = table_cell(t, row, (size_t)t->chart_label);
        const struct table_cell *value = table_cell(t, row, (size_t)t->chart_value);
        rest += value->number;
        insert(out, &count, room,
               &(struct bar){
                   .label = label->text ? label->text : "", .value = value->number, .rows = 1});
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
    if (bar->label)
        return bar->label;
    snprintf(out, BAR_TEXT, "%zu others", bar->rows);
    return out;
}
