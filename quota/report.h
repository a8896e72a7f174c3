// SPDX-License-Identifier: Apache-2.0
/* The reports of one or several months: who used what, what each allocation has left, and the
 * proof that it adds up.
 *
 * GPU-time counts in the month it is booked in; a job counts as started or ended in the month
 * of that moment. So the report of a month that is over never changes, whatever comes later. A
 * report is as large as the site (tenants, projects, people, allocations), never as its jobs,
 * and is held in memory. Amounts are GPU-milliseconds. Blocks; errors are those of db.h.
 */
#ifndef FF_QUOTA_REPORT_H
#define FF_QUOTA_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "quota/db/db.h"
#include "quota/report_flow.h"

struct report_span {
    int first, last;           /* months, 202610 … 202612: whole ones */
    int64_t from_ms, until_ms; /* their bounds, half-open */
    bool is_closed;            /* all of them */
};

/* Finds months of the site; -ENOENT: outside the table of months, -EINVAL: reversed. */
int report_span_get(struct db *db, int first, int last, struct report_span *out, struct err *e);

/* "2026-10", or "2026-10 to 2026-12". */
enum { REPORT_SPAN_TEXT = 32 };
void report_span_text(const struct report_span *s, char out[REPORT_SPAN_TEXT]);

/* The month the site is in now. */
int report_month_now(struct db *db, int *out_month, struct err *e);

/* ---- usage */

enum report_use {
    USE_STARTED,  /* jobs */
    USE_ENDED,    /* jobs */
    USE_FAILED,   /* of those that ended: failed, timed out or lost */
    USE_WAITED,   /* ms from submit to start, of those that started */
    USE_RAW,      /* GPU-time charged, without weight */
    USE_CHARGED,  /* weighted */
    USE_REFUNDED, /* weighted */
    USE_WASTED, /* weighted: charged in all, in whatever month, to those that ended but failed,
                     timed out, were cancelled or lost */
    USE_NUMBERS
};

struct report_usage {
    char *tenant, *project;         /* project "" in a tenant's row */
    char *login, *directory, *name; /* of the person; in a tenant's row `name` is its title */
    int64_t person_id;              /* 0 but in a user's row */
    int64_t n[USE_NUMBERS];
};

/* Charged less refunded. Pure. */
int64_t report_usage_net(const struct report_usage *u);

struct report_usages {
    struct report_usage *rows;
    size_t count;
};

enum report_level { REPORT_USERS, REPORT_PROJECTS, REPORT_TENANTS, REPORT_LEVELS };

/* The `limit` rows with the largest net, the largest first; equal ones in order of names. Fills
 * out[limit] and returns how many. Pure. */
size_t report_top(const struct report_usages *u, size_t limit, const struct report_usage **out);

/* ---- the whole */

struct report_sums {
    int64_t usage[USE_NUMBERS];                          /* of the users' rows */
    int64_t ledger_charged_gpums, ledger_refunded_gpums; /* of the transfers */
    struct report_flow flow;                             /* of the allocations */
};

/* usage = ledger = what the allocations were charged and got back, and the allocations'
 * equation holds. Pure. */
bool report_adds_up(const struct report_sums *s);

/* The same in words and GPU-hours, one sentence a call; one that does not hold is told in exact
 * GPU-milliseconds, since rounding may hide by how much. Pure. */
typedef void report_words_fn(const char *sentence, void *arg);
void report_words(const struct report_sums *s, report_words_fn *on_sentence, void *arg);

/* Of these the sentence that says most: what users were charged, by the ledger and by what the
 * allocations had before and after. Pure. */
void report_identity(const struct report_sums *s, report_words_fn *on_sentence, void *arg);

struct report_ask {
    int first, last;
    struct report_filter filter;
    bool is_moving; /* the caller has no snapshot: see report_flow.h */
};

struct report {
    struct report_span span;
    struct report_usages usage[REPORT_LEVELS]; /* each in order of names */
    struct report_allocations allocations;
    struct report_sums sums;
    bool is_of_user; /* a filter by user: there are no allocations, and nothing to add up */
};

/* Whether it adds up, or has nothing to add up. Pure. */
bool report_is_balanced(const struct report *r);

/* Reads everything, inside the caller's snapshot (db_tx_snapshot()) unless is_moving. */
int report_read(struct db *db, const struct report_ask *ask, struct report *out, struct err *e);

/* Begins a snapshot, db_tx_end() being the caller's, and reads everything in it. A report that
 * is not balanced is read once more, in a new snapshot: the first may have had a later
 * transaction without an earlier one (verify.h). */
int report_read_snapshot(struct db *db, const struct report_ask *ask, struct db_tx *tx,
                         struct report *out, struct err *e);
void report_done(struct report *r);

#endif
