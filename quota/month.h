// SPDX-License-Identifier: Apache-2.0
/* Months that close: what was reported is frozen as a text with a checksum over the one of the
 * month before.
 *
 *   checksum = SHA-256(checksum of the month before || text), in hexadecimal
 *
 * Before the first is nothing. The text is report_canonical()'s: persons by number, so that it
 * stays the same when a name is erased. It can be computed again at any time, because nothing
 * is booked in a closed month any more: while one closes its row is locked against late
 * charges, and what else is posted goes to the month of its moment. Whatever differs later is
 * damage, or a correction that stands in the month when it was made and names the one it
 * corrects.
 */
#ifndef FF_QUOTA_MONTH_H
#define FF_QUOTA_MONTH_H

#include "quota/change.h"
#include "quota/verify.h"
#include "runner/base/digest.h"

enum {
    MONTH_GRACE_MS = 600000,  /* after its end, for transactions that were on their way */
    MONTH_JOBS_MAX = 10,      /* that a refusal names */
    MONTH_TEXT_MAX = 15000000 /* less than what MariaDB takes in one statement by default */
};

struct month {
    int month;                 /* 202611 */
    int64_t from_ms, until_ms; /* half-open */
    int64_t now_ms;            /* by the database's clock, when this was read */
    int64_t closed_ms;         /* 0: it is open; then what follows is empty */
    char closed_by[65], checksum[DIGEST_HEX];
    int64_t audit_no; /* the head of the audit chain at that moment; 0: there was none */
    char audit_seal[DIGEST_HEX];
};

/* "2026-11" */
enum { MONTH_NAME_LEN = 16 };
void month_name(int month, char out[MONTH_NAME_LEN]);

int month_before(int month);

/* -ENOENT: outside the site's table of months. */
int month_get(struct db *db, int month, struct month *out, struct err *e);

/* The first month that counts: the site's, or an earlier one with transfers. */
int month_first(struct db *db, int *out_month, struct err *e);

/* ---- closing */

enum month_answer {
    MONTH_DONE,
    MONTH_SAME,          /* it was closed under this key */
    MONTH_OTHER_CONTENT, /* this key was used for something else */
    MONTH_CLOSED,        /* it was closed before, under another key */
    MONTH_NOT_OVER,      /* it can be closed from MONTH_GRACE_MS after its end */
    MONTH_TOO_EARLY,     /* it lies before `first`, the first month that counts */
    MONTH_GAP,           /* the months from `first` on close in order: `gap` is open still */
    MONTH_UNCHARGED,     /* attempts ran in it that were not charged for it yet */
};

struct month_result {
    enum month_answer answer;
    struct month month;           /* as it is now; with is_dry_run: as it would be */
    int first, gap;               /* months; 0: not looked for */
    int64_t uncharged;            /* attempts; also when they were passed over */
    int64_t jobs[MONTH_JOBS_MAX]; /* of them, the first ones */
    int job_count;
};

struct month_ask {
    int month;
    bool
        is_anyway; /* pass over attempts without their charge: it is booked in the open month */
};

/* Freezes a month with all that belongs to it in one transaction with its audit row. -EBADE:
 * the month does not add up. */
int month_close(struct db *db, const struct change_by *by, const struct month_ask *ask,
                struct month_result *out, struct err *e);

/* ---- closed months against the books, inside the caller's snapshot */

/* The frozen text of a closed month; caller frees with free(). -ENOENT: it has none. */
int month_text(struct db *db, int month, char **out_text, struct err *e);

/* Tells each closed month whose checksum is not that of its text and the month before ("month
 * checksum"), and each whose text is not what the books say now ("month text"). `month` 0: all.
 * Returns 0 when it could look at everything, whatever it found. */
int month_check(struct db *db, int month, verify_fn *on_fault, void *arg, struct err *e);

/* A line that only one of two texts has. */
typedef void month_line_fn(bool is_new, const char *line, void *arg);

/* Compares line by line, in whatever order they stand; returns how many differ. Pure. */
size_t month_compare(const char *was, const char *is, month_line_fn *on_line, void *arg);

/* The checksum of a text after that of the month before ("" for the first). Pure. */
void month_checksum(const char *previous, const char *text, char out[DIGEST_HEX]);

#endif
