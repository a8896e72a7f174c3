// SPDX-License-Identifier: Apache-2.0
/* What the parts of the proof share. All of them run in one snapshot. */
#ifndef FF_QUOTA_VERIFY_INTERNAL_H
#define FF_QUOTA_VERIFY_INTERNAL_H

#include "quota/verify.h"

struct verify {
    struct db *db;
    verify_fn *on_fault;
    void *arg;
    struct verify_counts counts;
};

struct verify_check {
    const char *name, *meaning;
};

void verify_tell(struct verify *v, const struct verify_check *check, const char *where,
                 const char *expected, const char *found);

/* Tells all rows of a statement, which returns where, expected and found of what is wrong. */
int verify_statement(struct verify *v, const struct verify_check *check, enum sql id,
                     struct db_args args, struct err *e);

/* Holds, charges, refunds, releases, attempts, events of every job; some thousand at a time. */
int verify_jobs(struct verify *v, struct err *e);

/* Closed months: rows, balances, reports and checksums; the sums of the latest reports. */
int verify_months(struct verify *v, struct err *e);

#endif
