// SPDX-License-Identifier: Apache-2.0
/* Proves the audit: every sealed row's seal is computed again from the first on.
 *
 * Found are rows that were changed, removed, put in another order or added with a seal that the
 * key did not make; rows cut off the end, by the head that runnerd keeps outside the database;
 * a chain that is not the one that closed months wrote down; and rows that nobody seals. In one
 * snapshot, a page of rows at a time. Reads only. Blocks, for long.
 */
#ifndef FF_QUOTA_AUDIT_PROOF_H
#define FF_QUOTA_AUDIT_PROOF_H

#include "quota/audit_head.h"
#include "quota/verify.h"

/* Rows wait for runnerd's seal at most so long. */
enum { AUDIT_WAIT_MS = 60000 };

struct audit_counts {
    int64_t sealed, waiting, faults;
    struct audit_head head; /* of the chain in the database */
};

/* `head` was read from its file before; NULL: there is no file. More than twenty wrong seals
 * are told as one fault. Returns 0 when it could look at everything, whatever it found. */
struct audit_proof {
    const char *key;
    const struct audit_head *head;
    verify_fn *on_fault;
    void *arg;
};
int audit_proof_run(struct db *db, const struct audit_proof *proof, struct audit_counts *out,
                    struct err *e);

#endif
