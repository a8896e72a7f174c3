// SPDX-License-Identifier: Apache-2.0
/* One division, in 128 bits: what is there, times the window, by what the window used. */
#include "quota/forecast.h"

__extension__ typedef __int128 wide;

static struct forecast of_kind(enum forecast_kind kind)
{
    return (struct forecast){.kind = kind};
}

/* The part of the last 30 days that lies in the term; a day at least. */
static int64_t window_ms(const struct forecast_ask *ask)
{
    int64_t ms = ask->now_ms - ask->from_ms;
    if (ms > FORECAST_WINDOW_MS)
        return FORECAST_WINDOW_MS;
    return ms < FORECAST_DAY_MS ? FORECAST_DAY_MS : ms;
}

struct forecast forecast_of(const struct forecast_ask *ask)
{
    wide there = (wide)ask->free_gpums + ask->held_gpums;
    if (ask->now_ms < ask->from_ms)
        return of_kind(FORECAST_FUTURE);
    if (ask->now_ms >= ask->until_ms)
        return of_kind(FORECAST_OVER);
    if (there <= 0)
        return of_kind(FORECAST_SPENT);
    if (ask->recent_gpums <= 0)
        return of_kind(FORECAST_IDLE);
    wide left_ms = there * window_ms(ask) / ask->recent_gpums;
    if (left_ms >= (wide)ask->until_ms - ask->now_ms)
        return of_kind(FORECAST_LASTS);
    return (struct forecast){FORECAST_ENDS, ask->now_ms + (int64_t)left_ms};
}

int forecast_threshold(int64_t free_gpums, int64_t held_gpums, int64_t used_gpums)
{
    wide total = (wide)free_gpums + held_gpums + used_gpums;
    wide permille = total > 0 ? (wide)used_gpums * 1000 / total : 0;
    bool is_used_up = total > 0 && (total - used_gpums) * 200 < total;
    return is_used_up ? 100 : permille >= 900 ? 90 : permille >= 750 ? 75 : 0;
}

bool forecast_term_ends_soon(int64_t from_ms, int64_t until_ms, int64_t now_ms)
{
    return from_ms <= now_ms && now_ms < until_ms && until_ms - now_ms <= FORECAST_WINDOW_MS;
}
