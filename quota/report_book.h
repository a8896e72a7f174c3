// SPDX-License-Identifier: Apache-2.0
/* Reports as books: what the table on the screen, CSV, JSON, the workbook and the document to
 * print are all made of.
 *
 * Texts are copied; the caller frees a book with book_free(). Pure.
 */
#ifndef FF_QUOTA_REPORT_BOOK_H
#define FF_QUOTA_REPORT_BOOK_H

#include "quota/report.h"
#include "quota/report_canonical.h"
#include "quota/report_waste.h"
#include "quota/table.h"

/* What stands in the head of every report. */
struct report_about {
    const char *site, *zone;
    const char *checksum;               /* report_checksum(); NULL: none */
    const struct report_ledger *ledger; /* NULL: its entries were not counted */
    const char *closing;       /* what `month close` printed; NULL: open, or not one month */
    struct report_filter only; /* what was left in; the head must not pass for the whole site */
};

/* The software and its version, "Firefly 0.1.0". */
const char *report_software(void);

/* Tables "users", "projects", "tenants", "allocations" and "sums", each whole. */
struct book *report_book(const struct report *r, const struct report_about *about);

/* The same to be printed: the tenants with their sums first, then a page for each tenant. */
struct book *report_book_paper(const struct report *r, const struct report_about *about);

/* One table of one level: all rows, or with `limit` the largest so many. */
struct book *report_book_level(const struct report *r, enum report_level level, size_t limit,
                               const struct report_about *about);

struct book *report_book_waste(const struct waste *w, const struct report_about *about);

/* The names of report_book()'s tables, NULL-terminated. */
extern const char *const report_parts[];

#endif
