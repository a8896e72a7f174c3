// SPDX-License-Identifier: Apache-2.0
/* The month's report: who used what, what each allocation has left, and the proof that it adds
 * up.
 *
 * Everything is computed from the transfers by the month they are booked in, in one snapshot,
 * so that the report of a month that is over never changes. Amounts are GPU-milliseconds. Rows
 * are given out one by one; only the sums per project and tenant are kept in memory. Blocks.
 */
#ifndef FF_QUOTA_REPORT_H
#define FF_QUOTA_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "quota/db/db.h"

struct report_month {
    int month;                 /* 202611 */
    int64_t from_ms, until_ms; /* its bounds */
    bool is_closed;
};

/* Finds a month of the site; -ENOENT: outside the table of months. */
int report_month_get(struct db *db, int month, struct report_month *out, struct err *e);

/* The month the site is in now. */
int report_month_now(struct db *db, int *out_month, struct err *e);

enum report_level { REPORT_USER, REPORT_PROJECT, REPORT_TENANT };

/* `jobs`: those that used GPU-time in the month; a job that ran over a month's end counts in
 * both. `ended`: those that ended in it, whether they used any or not. */
struct report_usage {
    enum report_level level;
    const char *tenant, *project;         /* project "" for a tenant's row */
    const char *login, *directory, *name; /* "" but for a user's row */
    int64_t jobs, ended, charged_gpums, refunded_gpums;
};

/* An allocation over the month: opening + granted - expired - charged + refunded = free + held,
 * where opening, free and held are what was free or held at its begin and at its end. `used`:
 * up to its end. */
struct report_allocation {
    const char *tenant, *project;
    int64_t id, from_ms, until_ms;
    int64_t opening_gpums, granted_gpums, expired_gpums, charged_gpums, refunded_gpums;
    int64_t free_gpums, held_gpums, used_gpums;
};

struct report_sums {
    int64_t jobs, ended;
    int64_t usage_charged_gpums, usage_refunded_gpums; /* of the users' rows */
    int64_t ledger_charged_gpums,
        ledger_refunded_gpums; /* of the transfers, asked for by themselves */
    int64_t opening_gpums, granted_gpums, expired_gpums, charged_gpums, refunded_gpums;
    int64_t closing_gpums; /* of the allocations' rows; closing: free + held */
};

/* usage = ledger = the allocations' charges, and opening + … = closing. Pure. */
bool report_adds_up(const struct report_sums *s);

/* Where the rows go: users first, then projects, then tenants, then allocations, each in order
 * of names. Any of them may be NULL. */
struct report_sink {
    void (*on_usage)(const struct report_usage *row, void *arg);
    void (*on_allocation)(const struct report_allocation *row, void *arg);
    void *arg;
};

/* The same inside the caller's snapshot (db_tx_snapshot()). */
int report_collect(struct db *db, int month, const struct report_sink *sink,
                   struct report_sums *out, struct err *e);

int report_run(struct db *db, int month, const struct report_sink *sink,
               struct report_sums *out, struct err *e);

#endif
