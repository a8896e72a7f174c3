// SPDX-License-Identifier: Apache-2.0
/* The monthly set: every file that a month's report is kept in, in one folder.
 *
 *   usage-YYYY-MM.csv, .xlsx, .pdf  who used what
 *   jobs-YYYY-MM.csv                every job that ran in it
 *   ledger-YYYY-MM.csv              every entry booked in it
 *   summary-YYYY-MM.json            interval, zone, version, checksums, sums and the tables
 *
 * All are of one moment. Each is written beside its name, and only when all are whole they get
 * their names; files of the same name are replaced. The two with a line for each job and entry
 * stream: memory does not grow with them.
 */
#ifndef FF_QUOTA_CLI_REPORT_SET_H
#define FF_QUOTA_CLI_REPORT_SET_H

#include "quota/cli/cli.h"
#include "quota/report_book.h"

/* Writes the set of report `r` into `folder` and prints the files' names. Inside the snapshot
 * that `r` was read in. */
int report_set_write(struct cli *c, const struct report *r, const struct report_about *about,
                     const char *folder, struct err *e);

#endif
