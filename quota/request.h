// SPDX-License-Identifier: Apache-2.0
/* What an administrator asks runnerd to do with a job. A row is written, and runnerd, which
 * looks every second, does it and answers in the row: nobody else moves a job. */
#ifndef FF_QUOTA_REQUEST_H
#define FF_QUOTA_REQUEST_H

#include "quota/change.h"

/* Asks to end a job. -ENOENT: no such job; -EPERM: it has ended already, or was asked
 * before. */
int request_cancel(struct db *db, const struct change_by *by, int64_t job,
                   enum change_answer *out, struct err *e);

#endif
