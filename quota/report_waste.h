// SPDX-License-Identifier: Apache-2.0
/* GPU-time that came to nothing, by cause, of the jobs that ended in some months.
 *
 * A job counts whole, with all that it was charged in whatever month, in the month in which it
 * ended: so the parts are shares of one sum, and a job that runs over a month's end is never
 * split between good and bad. What sleeping GPUs cost is seen by samples, without weight, in
 * all jobs, and stands beside the other causes, not among them. Blocks; errors are those of
 * db.h.
 */
#ifndef FF_QUOTA_REPORT_WASTE_H
#define FF_QUOTA_REPORT_WASTE_H

#include "quota/report.h"

enum waste_cause {
    WASTE_CHARGED, /* to all jobs that ended: the whole */
    WASTE_FAILED,
    WASTE_TIMED_OUT,
    WASTE_CANCELLED,
    WASTE_LOST,
    WASTE_PREEMPTED, /* of jobs that completed: what their attempts that were preempted, or cut
                        by maintenance or a fault, had done since the last checkpoint, at
                        most */
    WASTE_SAMPLED,   /* raw: GPU-time that was looked at … */
    WASTE_IDLE,      /* … and found idle */
    WASTE_NUMBERS
};

struct waste_row {
    char *tenant, *project; /* project "" in a tenant's row, both in the last, the sum */
    int64_t gpums[WASTE_NUMBERS];
};

struct waste {
    struct report_span span;
    struct waste_row
        *rows; /* projects by name; after those of a tenant its own; the sum last */
    size_t count;
};

/* Inside the caller's snapshot. A filter by user is refused with -EINVAL. */
int waste_read(struct db *db, const struct report_ask *ask, struct waste *out, struct err *e);
void waste_done(struct waste *w);

/* Failed, timed out, cancelled, lost and preempted together. Pure. */
int64_t waste_sum(const struct waste_row *row);

/* Thousandths of `whole`, rounded to the nearest; 0 of nothing. Pure. */
int64_t waste_share(int64_t part, int64_t whole);

#endif
