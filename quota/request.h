// SPDX-License-Identifier: Apache-2.0
/* What an administrator asks runnerd to do with a job. A row is written, and runnerd, which
 * looks every second, does it and answers in the row: nobody else moves a job. */
#ifndef FF_QUOTA_REQUEST_H
#define FF_QUOTA_REQUEST_H

#include "quota/change.h"

enum request_kind {
    REQUEST_CANCEL,    /* end it */
    REQUEST_RELEASE,   /* end it, which does not run, and give its hold back */
    REQUEST_RECONCILE, /* look again at what its executor knows of it, and settle it by that */
};

struct request_ask {
    enum request_kind kind;
    int64_t job;
    const char
        *cause; /* REQUEST_CANCEL by the site: "maintenance", "node_fault"; NULL or "": none */
};

/* -ENOENT: no such job; -EPERM: it has ended already, was asked before, or (release) runs. */
int request_add(struct db *db, const struct change_by *by, const struct request_ask *ask,
                enum change_answer *out, struct err *e);

#endif
