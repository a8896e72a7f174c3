// SPDX-License-Identifier: Apache-2.0
/* Times of many like events, and what they come to in one line of JSON. For the benches alone.
 *
 * One struct belongs to one thread; figures_add_all() puts several together afterwards.
 */
#ifndef FF_BENCH_FIGURES_H
#define FF_BENCH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

struct figures {
    int64_t *us; /* microseconds each event took */
    size_t count, room;
    int64_t refused, failed; /* events that were answered no, or not at all */
};

int64_t figures_now_us(void); /* of a clock that never steps */
void figures_add(struct figures *f, int64_t us);
void figures_add_all(struct figures *f, const struct figures *more);
void figures_print(struct figures *f, int64_t whole_us); /* sorts the times */
void figures_done(struct figures *f);

#endif
