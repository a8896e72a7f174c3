// SPDX-License-Identifier: Apache-2.0
/* Thresholds that an allocation passes: 75, 90 and 100 per cent used, 30 days before its term
 * ends. Each is noted once, and told to the PIs of its project in one digest.
 *
 * What is noted and not told yet becomes a batch; a batch has one digest for each address,
 * whose sending once is the outbox's to see to (outbox.h). Batches of the last seven days are
 * offered again, so that what a crash cut off goes out at the next call. Needs a connection of
 * the administrator's role. Blocks.
 */
#ifndef FF_QUOTA_NOTICE_H
#define FF_QUOTA_NOTICE_H

#include "quota/db/db.h"

/* Notes what was passed since, and makes a batch of all that was not told. */
int notice_note(struct db *db, struct err *e);

struct notice_line {
    char *project;
    int64_t allocation;
    char *kind; /* used75, used90, used100, term30 */
    int64_t free_gpums, held_gpums, used_gpums, until_ms;
};

struct notice_digest {
    int64_t batch_ms;
    char *address, *name;      /* the PI's */
    struct notice_line *lines; /* by project, allocation, kind */
    size_t count;
};

struct notice_digests {
    struct notice_digest *items; /* by batch and address */
    size_t count;
};

int notice_digests(struct db *db, struct notice_digests *out, struct err *e);
/* The digests as notice_note() would leave them; nothing is noted. */
int notice_rehearse(struct db *db, struct notice_digests *out, struct err *e);
void notice_digests_done(struct notice_digests *d);

/* "90 % of it are used": the kind in words. */
const char *notice_words(const char *kind);

#endif
