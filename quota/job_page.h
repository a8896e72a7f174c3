// SPDX-License-Identifier: Apache-2.0
/* Which jobs stand on a page of a list: their numbers, newest first.
 *
 * Every page is found by indexes, however many jobs there are: those of a person, of a
 * project, or of a live state are walked from the newest on, and where several projects may be
 * seen their newest are merged. For jobs.h; blocks.
 */
#ifndef FF_QUOTA_JOB_PAGE_H
#define FF_QUOTA_JOB_PAGE_H

#include "quota/jobs.h"

/* At most `limit` numbers into out[limit]. */
int job_page_find(struct db *db, const struct jobs_filter *filter, size_t limit, int64_t *out,
                  size_t *out_count, struct err *e);

#endif
