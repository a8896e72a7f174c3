// SPDX-License-Identifier: Apache-2.0
/* A report as lines of text that are the same whenever and wherever it is made: what a checksum
 * is taken of, and what a closed month keeps.
 *
 * Exact integers, persons by their numbers, never a name: erasing a name changes nothing. The
 * order is that of tenants, projects and numbers, byte by byte.
 */
#ifndef FF_QUOTA_REPORT_CANONICAL_H
#define FF_QUOTA_REPORT_CANONICAL_H

#include "quota/report.h"
#include "runner/base/buf.h"
#include "runner/base/digest.h"

/* Appends the lines of a report; out->failed when its ceiling is reached. Pure. */
void report_put(const struct report *r, struct buf *out);

/* SHA-256 of those lines. -ENOMEM: a report beyond all bounds. */
int report_checksum(const struct report *r, char out[DIGEST_HEX], struct err *e);

struct report_ledger {
    int64_t entries;
    char sha256[DIGEST_HEX]; /* of all entries of a month, one line each, in order of numbers */
};

/* Between which numbers the month's entries lie; 0, 0: there are none. */
int report_ledger_numbers(struct db *db, int month, int64_t *out_first, int64_t *out_last,
                          struct err *e);

/* Reads every entry of the month: a second for some 400,000. */
int report_ledger_read(struct db *db, int month, struct report_ledger *out, struct err *e);
void report_ledger_put(const struct report_ledger *l, struct buf *out);

/* The canonical text of one month: the lines of its report, then one with the count and the
 * checksum of its entries in the ledger. Needs no snapshot as long as nothing more is booked in
 * the month or an earlier one. -ENOMEM: beyond out's ceiling. */
int report_canonical(struct db *db, int month, struct buf *out, struct err *e);

#endif
