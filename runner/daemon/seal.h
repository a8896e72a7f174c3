// SPDX-License-Identifier: Apache-2.0
/* Seals the audit (quota/audit.h): numbers committed rows and chains them under a key that
 * neither the database nor portald has.
 *
 * The chain is never forked: rows are sealed under the lease, after the head in the database
 * was seen to be the one known from here, or to follow from it row by row; otherwise nothing is
 * sealed any more until the chain is whole again. Blocks; one worker at a time.
 */
#ifndef FF_DAEMON_SEAL_H
#define FF_DAEMON_SEAL_H

#include "quota/audit_head.h"

struct seal;

/* Reads key and head. *out is NULL where nothing is to be sealed. Refuses a key that others can
 * read and a head that is no head. */
int seal_new(const struct audit_conf *conf, struct seal **out, struct err *e);
void seal_free(struct seal *s);
AUTO_FREE(seal_free, struct seal)

struct seal_counts {
    int64_t sealed;
    int64_t found; /* sealed rows beyond the head that was known, which follow from it */
};

/* Seals what is committed, some thousand rows at most: call it again. -EBADMSG: the chain in
 * the database is not the one known here; -EPERM: another runnerd is active. */
int seal_run(struct seal *s, struct db *db, int64_t epoch, struct seal_counts *out,
             struct err *e);

#endif
