// SPDX-License-Identifier: Apache-2.0
/* The fault points of the supervisor: how often each was passed, and how often a runnerd died
 * or was stopped at it. The names are read from its sources when this program is built. */
#ifndef FF_SIM_POINTS_H
#define FF_SIM_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

struct point_tally {
    int64_t passed, died, stopped;
};

/* Where to count: tallies[points_count()]. */
size_t points_count(void);
void points_tally_into(struct point_tally *tallies);

/* From now on the points are this seed's. */
void points_begin(struct sim *s);
void points_end(void);

/* Adds up `count` tables; false: some point was never passed, or nobody ever died at it. */
bool points_print(const struct point_tally *tables, size_t count, bool must_all);

#endif
