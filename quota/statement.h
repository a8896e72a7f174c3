// SPDX-License-Identifier: Apache-2.0
/* The statement of a month for one who is no administrator: what persons used of which project,
 * and what each allocation began and ended with. Read by indexes of the project, tenant or
 * person alone; the report of the whole site is report.h's.
 *
 * It is told as a book of two tables, so that the page, CSV, XLSX and PDF say the same.
 * Amounts are GPU-milliseconds by the month they are booked in. Blocks; errors are db.h's. */
#ifndef FF_QUOTA_STATEMENT_H
#define FF_QUOTA_STATEMENT_H

#include "quota/db/db.h"
#include "quota/table.h"

struct statement_month {
    int month; /* 202610 */
    int64_t from_ms, until_ms;
    int64_t closed_ms; /* 0: open, takes postings still */
    char checksum[65]; /* of its frozen report; "" while it is open */
};

enum { STATEMENT_MONTHS_MAX = 240 };

/* The months of the site up to the one of now_ms, newest first. *out_count at most
 * STATEMENT_MONTHS_MAX. */
int statement_months(struct db *db, int64_t now_ms, struct statement_month *out,
                     size_t *out_count, struct err *e);

/* One of them. -ENOENT: before the site's first, after now, or no month. */
int statement_month_get(struct db *db, int month, int64_t now_ms, struct statement_month *out,
                        struct err *e);

/* Whose rows. A project of one of the tenants must not be among the projects. */
struct statement_scope {
    const int64_t *tenants, *projects; /* all rows and allocations of these … */
    size_t tenant_count, project_count;
    int64_t person_id; /* … and this person's own rows elsewhere; 0: nobody's */
};

struct statement_sums {
    int64_t used_gpums, raw_gpums, refunded_gpums; /* of the rows */
};

/* "usage": tenant, project, login, directory, name, jobs, used, refunded, net, raw;
 * "allocations": tenant, project, allocation, from, until, opening, granted, used, refunded,
 * expired, closing, held. opening + granted - used + refunded - expired = closing, of which
 * held is a part. All of one moment. Caller frees with book_free(). */
int statement_run(struct db *db, const struct statement_month *m,
                  const struct statement_scope *scope, struct book **out,
                  struct statement_sums *out_sums, struct err *e);

/* "October 2026"; out has room for 32 bytes. */
void statement_month_text(int month, char out[32]);

#endif
