// SPDX-License-Identifier: Apache-2.0
/* Tries at logging in, counted in the database before the directory is asked, so that many
 * at once, at one portald or at several, cannot slip through. How many are free and how long
 * one waits is auth/login.h's. Blocks: a worker's. */
#ifndef FF_PORTAL_TRIES_H
#define FF_PORTAL_TRIES_H

#include <stdint.h>

#include "auth/login.h"
#include "auth/token.h"
#include "quota/db/db.h"

/* Whose tries: SHA-256 of the account's and of the address's key; account "": what was typed
 * cannot be a login, and the address alone counts. */
struct tries {
    char account[TOKEN_TEXT], address[TOKEN_TEXT];
};

void tries_of(const char *directory, const char *login, const char *address, struct tries *out);

/* Counts one try under all there are. *out_wait_ms > 0: too many, nothing was counted, ask
 * nobody. */
int tries_count(struct db *db, const struct tries *t, int64_t *out_wait_ms, struct err *e);

/* Takes back what does not count after all: a success clears the account, and a directory
 * that was down is not the person's fault. */
int tries_settle(struct db *db, const struct tries *t, enum login_answer answer, struct err *e);

#endif
