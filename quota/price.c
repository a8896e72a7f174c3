// SPDX-License-Identifier: Apache-2.0
/* The arithmetic of GPU-time. */
#include "quota/price.h"

#include <errno.h>
#include <stdio.h>

int price_gpums(int64_t gpus, int64_t run_ms, int64_t weight_permille, int64_t *out_gpums)
{
    int64_t n;
    if (gpus < 0 || run_ms < 0 || weight_permille < 0 ||
        __builtin_mul_overflow(gpus, run_ms, &n) ||
        __builtin_mul_overflow(n, weight_permille, &n))
        return -ERANGE;
    *out_gpums = n / 1000;
    return 0;
}

/* Floor of charge × part / whole without overflow. */
static int64_t portion(int64_t charge, int64_t part, int64_t whole)
{
    return (int64_t)((__int128)charge * part / whole);
}

void price_by_month(int64_t charge_gpums, int64_t begin_ms, int64_t end_ms,
                    const struct price_month *months, int count, int64_t *out_gpums)
{
    int64_t whole = end_ms - begin_ms, before = 0;
    int last = -1;
    for (int i = 0; i < count; i++) {
        out_gpums[i] = 0;
        int64_t until = end_ms < months[i].until_ms ? end_ms : months[i].until_ms;
        if (begin_ms >= months[i].until_ms || (until <= months[i].from_ms && last >= 0))
            continue;
        last = i;
        int64_t so_far =
            whole > 0 ? portion(charge_gpums, until - begin_ms, whole) : charge_gpums;
        if (so_far < before) /* the clock was stepped back: nothing is charged twice */
            so_far = before;
        out_gpums[i] = so_far - before;
        before = so_far;
    }
    if (last >= 0)
        out_gpums[last] += charge_gpums - before;
}

void price_hours_text(int64_t gpums, char out[32])
{
    int64_t tenths = gpums / (PRICE_HOUR_MS / 10);
    if (gpums % (PRICE_HOUR_MS / 10) * 2 >= PRICE_HOUR_MS / 10)
        tenths++;
    snprintf(out, 32, "%s%lld.%lld", gpums < 0 && tenths <= 0 ? "-" : "",
             (long long)(tenths < 0 ? -tenths : tenths) / 10,
             (long long)(tenths < 0 ? -tenths : tenths) % 10);
}
