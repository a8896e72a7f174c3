// SPDX-License-Identifier: Apache-2.0
/* How long the GPU-time of an allocation lasts at the pace of the last 30 days, and which
 * thresholds it has passed. Pure: all of it from numbers given in.
 *
 * What counts as still there is what is free and what is held: held GPU-time is not spent
 * before its job is charged. The pace is what was charged and not refunded in the window; of
 * an allocation younger than the window only its own days count, a whole day at least, so
 * that the first hour of a term foretells nothing wild. */
#ifndef FF_QUOTA_FORECAST_H
#define FF_QUOTA_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_DAY_MS INT64_C(86400000)
#define FORECAST_WINDOW_MS (30 * FORECAST_DAY_MS)

struct forecast_ask {
    int64_t now_ms;
    int64_t from_ms, until_ms; /* the term, half-open */
    int64_t free_gpums, held_gpums;
    int64_t recent_gpums; /* charged less refunded since now_ms - FORECAST_WINDOW_MS */
};

enum forecast_kind {
    FORECAST_FUTURE, /* the term has not begun */
    FORECAST_OVER,   /* the term is over */
    FORECAST_SPENT,  /* nothing is free and nothing held */
    FORECAST_IDLE,   /* nothing was used in the window: there is no pace */
    FORECAST_LASTS,  /* at this pace some is left when the term ends */
    FORECAST_ENDS,   /* at this pace it is used up at at_ms, within the term */
};

struct forecast {
    enum forecast_kind kind;
    int64_t at_ms; /* FORECAST_ENDS alone */
};

struct forecast forecast_of(const struct forecast_ask *ask);

/* Which of 75, 90 and 100 per cent of the allocation are used; 0: less than 75, or there is
 * nothing at all. 100 is used up for all that matters: less than half a per cent is left. */
int forecast_threshold(int64_t free_gpums, int64_t held_gpums, int64_t used_gpums);

/* The term ends within 30 days, and has begun. */
bool forecast_term_ends_soon(int64_t from_ms, int64_t until_ms, int64_t now_ms);

#endif
