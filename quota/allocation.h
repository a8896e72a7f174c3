// SPDX-License-Identifier: Apache-2.0
/* Allocations: GPU-hours granted to a project for a term. Opened and granted by posting.h,
 * used by ledger.h; here is what an administrator changes about them without moving
 * GPU-time, each one audited change. */
#ifndef FF_QUOTA_ALLOCATION_H
#define FF_QUOTA_ALLOCATION_H

#include "quota/change.h"

struct allocation_row {
    char project[64];
    bool is_open; /* not closed by hand; its term may still be over */
    int64_t from_ms, until_ms, free_gpums;
};

/* -ENOENT with a sentence. */
int allocation_get(struct db *db, int64_t id, struct allocation_row *out, struct err *e);

/* A closed allocation takes no new jobs; what is held in it is used or comes back. */
int allocation_set_open(struct db *db, const struct change_by *by, int64_t id, bool is_open,
                        enum change_answer *out, struct err *e);

#endif
