// SPDX-License-Identifier: Apache-2.0
/* What a job's attempts come to and what of it is posted, as the database has it. A restart
 * needs no more than that to go on. Blocks; the journal's worker. */
#ifndef FF_DAEMON_BILL_H
#define FF_DAEMON_BILL_H

#include "quota/charge.h"
#include "quota/ledger.h"
#include "quota/refund.h"

struct bill_attempt {
    int64_t id, gpus, weight_permille, begin_ms;
    bool is_over;
    int64_t end_ms, chargeable_ms, charge_gpums; /* when it is over */
    char cause[32];
};

struct bill_posted {
    int64_t attempt;
    struct charge_part part;
};

struct bill {
    int64_t read_ms; /* when, by the database's clock, which says what month it is */
    bool has_checkpoint;
    int64_t interval_ms;
    struct bill_attempt *attempts;
    size_t attempt_count;
    struct bill_posted *posted;
    size_t posted_count;
};

int bill_read(struct db *db, int64_t job, struct bill *out, struct err *e);
void bill_done(struct bill *b);

/* -EBADE: it is not the job's. */
int bill_find(struct bill *b, int64_t attempt, struct bill_attempt **out, struct err *e);

/* The months since the attempt began until until_ms, and what of it is posted. No later month
 * than the database's may be asked for: it takes no postings yet. */
int bill_months(struct db *db, const struct bill *b, const struct bill_attempt *a,
                int64_t until_ms, struct charge_months *out, struct err *e);

/* What is to be posted still of an attempt that is over, at most CHARGE_MONTHS_MAX months. */
int bill_rest(struct db *db, const struct bill *b, const struct bill_attempt *a,
              struct charge_part *out, int *out_count, struct err *e);

/* What is given back of an attempt that is over: 0 and *out_cause NULL for most. */
int64_t bill_refund(const struct bill *b, const struct bill_attempt *a,
                    const struct refund_rules *rules, const char **out_cause);

/* How long the attempt ran at least, by what was posted of it while it did. */
int64_t bill_posted_ms(const struct bill *b, const struct bill_attempt *a);

#endif
