// SPDX-License-Identifier: Apache-2.0
/* Shares charges out over months. */
#include "quota/charge.h"

#include <stdbool.h>

static struct charge_part sum_of(const struct charge_months *m)
{
    struct charge_part sum = {0};
    for (int i = 0; i < m->posted_count; i++) {
        sum.gpums += m->posted[i].gpums;
        sum.raw_gpums += m->posted[i].raw_gpums;
    }
    return sum;
}

/* The latest month that is posted: none before it is posted any more. */
static int last_posted(const struct charge_months *m)
{
    int last = 0;
    for (int i = 0; i < m->posted_count; i++)
        if (m->posted[i].month > last)
            last = m->posted[i].month;
    return last;
}

/* What ran before until_ms and is charged. */
static int64_t ran_before(const struct charge_meter *meter, int64_t until_ms)
{
    int64_t ran = meter->run_ms - (meter->at_ms - until_ms);
    if (ran > meter->left_ms)
        ran = meter->left_ms;
    return ran > 0 ? ran : 0;
}

int charge_past(const struct charge_meter *meter, const struct charge_months *m,
                struct charge_part *out)
{
    struct charge_part sum = sum_of(m);
    int n = 0, last = last_posted(m);
    for (int i = 0; i < m->month_count; i++) {
        const struct price_month *month = &m->months[i];
        int64_t gpums, ran_ms = ran_before(meter, month->until_ms);
        if (month->until_ms > meter->at_ms || month->until_ms <= meter->begin_ms ||
            month->month <= last)
            continue;
        if (price_gpums(meter->gpus, ran_ms, meter->weight_permille, &gpums) < 0 ||
            gpums <= sum.gpums)
            continue;
        int64_t raw = meter->gpus * ran_ms;
        out[n++] = (struct charge_part){month->month, gpums - sum.gpums,
                                        raw > sum.raw_gpums ? raw - sum.raw_gpums : 0};
        sum = (struct charge_part){0, gpums, raw > sum.raw_gpums ? raw : sum.raw_gpums};
    }
    return n;
}

int64_t charge_left(const struct charge_total *total, const struct charge_months *m)
{
    int64_t left = total->gpums - sum_of(m).gpums;
    return left > 0 ? left : 0;
}

int charge_rest(const struct charge_total *total, const struct charge_months *m,
                struct charge_part *out)
{
    int64_t gpums[CHARGE_MONTHS_MAX], raw[CHARGE_MONTHS_MAX], carried = 0;
    int64_t begin_ms = total->begin_ms, raw_left = total->raw_gpums - sum_of(m).raw_gpums;
    int first = 0, n = 0, last = last_posted(m);
    while (first < m->month_count && m->months[first].month <= last)
        first++;
    if (charge_left(total, m) == 0 || first == m->month_count)
        return 0;
    if (last && begin_ms < m->months[first].from_ms)
        begin_ms = m->months[first].from_ms;
    int64_t end_ms = total->end_ms > begin_ms ? total->end_ms : begin_ms;
    price_by_month(charge_left(total, m), begin_ms, end_ms, &m->months[first],
                   m->month_count - first, gpums);
    price_by_month(raw_left > 0 ? raw_left : 0, begin_ms, end_ms, &m->months[first],
                   m->month_count - first, raw);
    for (int i = 0; i < m->month_count - first; i++) {
        carried += raw[i]; /* what is too little to have a weighted part goes with the next */
        if (gpums[i] == 0)
            continue;
        out[n++] = (struct charge_part){m->months[first + i].month, gpums[i], carried};
        carried = 0;
    }
    if (n > 0)
        out[n - 1].raw_gpums += carried;
    return n;
}
