// SPDX-License-Identifier: Apache-2.0
/* Proves the books: every stored number is computed again from the rows it stands for.
 *
 * Checked are the budgets (their sum, each balance, nothing below zero, shares and limits),
 * every transfer (direction, key, month, what it corrects, both legs, budget, person, attempt,
 * where a refund goes, its audit row), every job (hold and extensions of the right size, what
 * is still held, charges weighted and raw, refunds, release, its state as the fold over its
 * events, gapless events, attempts), and the months (closed in order, nothing booked since,
 * balances, report and checksum). All of it in one snapshot, row by row or some thousand jobs
 * at a time, so that memory does not grow with the books and jobs go on meanwhile. Reads only;
 * damage is named, never mended. Blocks, for long.
 *
 * Damage is what a second snapshot shows too. Of transactions that commit while InnoDB draws up
 * its list of open ones, a snapshot may hold a later one without an earlier one that it built on
 * (measured on MariaDB 10.11: 4 of 10^6 looks beside 32 writers on two processors, also WITH
 * CONSISTENT SNAPSHOT); the next one is whole.
 */
#ifndef FF_QUOTA_VERIFY_H
#define FF_QUOTA_VERIFY_H

#include <stdint.h>

#include "quota/db/db.h"

/* One thing that is wrong. */
struct verify_fault {
    const char *check;            /* "balance" */
    const char *where;            /* "allocation 3 free" */
    const char *expected, *found; /* amounts in GPU-milliseconds */
    const char *meaning;          /* what it says about the books, in words */
};

typedef void verify_fn(const struct verify_fault *fault, void *arg);

struct verify_counts {
    int64_t jobs, transfers, faults;
};

/* Returns 0 when it could look at everything, whatever it found. */
int verify_run(struct db *db, verify_fn *on_fault, void *arg, struct verify_counts *out,
               struct err *e);

#endif
