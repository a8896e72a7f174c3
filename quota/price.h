// SPDX-License-Identifier: Apache-2.0
/* GPUs × time × weight into GPU-milliseconds. Pure, integers only; whatever does not divide is
 * floored once per attempt. */
#ifndef FF_QUOTA_PRICE_H
#define FF_QUOTA_PRICE_H

#include <stdint.h>

enum { PRICE_HOUR_MS = 3600000 };

/* floor(gpus × run_ms × weight_permille / 1000); -ERANGE if it does not fit an int64. */
int price_gpums(int64_t gpus, int64_t run_ms, int64_t weight_permille, int64_t *out_gpums);

/* A month of the site: half-open in UTC milliseconds. */
struct price_month {
    int month; /* 202611 */
    int64_t from_ms, until_ms;
};

/* Shares out charge_gpums of an attempt that ran from begin_ms to end_ms over the `count`
 * months (in order, without gaps) in proportion to the time in each. out_gpums[count] sums to
 * charge_gpums exactly; an attempt without length is charged to the month of its begin. */
void price_by_month(int64_t charge_gpums, int64_t begin_ms, int64_t end_ms,
                    const struct price_month *months, int count, int64_t *out_gpums);

/* "12.5" GPU-hours with one decimal, rounded half up; out has room for 32 bytes. */
void price_hours_text(int64_t gpums, char out[32]);

#endif
