// SPDX-License-Identifier: Apache-2.0
/* Which months an attempt is charged to, weighted and raw. Pure, integers only.
 *
 * A month that ends while an attempt runs is charged soon after, by what its keeper had metered
 * (charge_past); when the attempt ends, what is left of the whole goes to the months without a
 * charge yet (charge_rest). Both floor once: each month gets the difference of two totals, so
 * that Σ over the months is the attempt's total exactly, and no month is charged more than it.
 * (Raw time that comes to no weighted millisecond any more has no transfer to stand in.)
 */
#ifndef FF_QUOTA_CHARGE_H
#define FF_QUOTA_CHARGE_H

#include "quota/price.h"

enum { CHARGE_MONTHS_MAX = 120 };

/* What is, or is to be, charged to one month. */
struct charge_part {
    int month;
    int64_t gpums, raw_gpums; /* weighted; GPUs × time */
};

/* The months in which it may have run, in order, without gaps, and what is posted of them. */
struct charge_months {
    struct price_month months[CHARGE_MONTHS_MAX];
    int month_count;
    struct charge_part posted[CHARGE_MONTHS_MAX];
    int posted_count;
};

/* An attempt that runs, as its keeper metered it last. */
struct charge_meter {
    int64_t gpus, weight_permille, begin_ms;
    int64_t run_ms, at_ms; /* so much at this wall clock time */
    int64_t left_ms;       /* of the job's time limit, when this attempt began */
};

/* An attempt that is over. */
struct charge_total {
    int64_t gpums, raw_gpums, begin_ms, end_ms;
};

/* What is to be posted for months that were over at meter->at_ms: what ran before a month's end
 * is run_ms less what the clock says since then. Writes out[CHARGE_MONTHS_MAX], returns how
 * many; none has gpums 0. */
int charge_past(const struct charge_meter *meter, const struct charge_months *m,
                struct charge_part *out);

/* What is left to be posted of an attempt that is over, shared out by the time in each month
 * after those that are posted. Writes out[CHARGE_MONTHS_MAX], returns how many; none has gpums
 * 0. 0 too when no month of `m` is left to take it: charge_left() tells. */
int charge_rest(const struct charge_total *total, const struct charge_months *m,
                struct charge_part *out);

/* What is not posted of total->gpums; never below 0. */
int64_t charge_left(const struct charge_total *total, const struct charge_months *m);

#endif
