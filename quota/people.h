// SPDX-License-Identifier: Apache-2.0
/* People as an administrator names and switches them. A person exists from the first login on;
 * what the directory says about one is read at each login and never changed here. */
#ifndef FF_QUOTA_PEOPLE_H
#define FF_QUOTA_PEOPLE_H

#include "quota/change.h"

/* The number of the person named "login@directory", or by number. -ENOENT: nobody of that name
 * ever logged in; -EINVAL: not of that form; -EPERM: several have that login, take the
 * number. */
int people_find(struct db *db, const char *who, int64_t *out_id, struct err *e);

/* Lets a person log in and place jobs, or not; running jobs go on. */
int people_set_active(struct db *db, const struct change_by *by, int64_t id, bool is_active,
                      enum change_answer *out, struct err *e);

/* Erases name, mail, login, unix name and notes, for good, also where the person signed an
 * answer or was sent a digest; ends sessions, revokes tokens, withdraws what was asked for. The
 * books keep the number, and ledger and audit keep the login that acted (they are sealed).
 * Whoever logs in with the same entry later is somebody new. -EPERM: has live jobs, or is
 * anonymised already. */
int people_anonymise(struct db *db, const struct change_by *by, int64_t id,
                     enum change_answer *out, struct err *e);

#endif
