// SPDX-License-Identifier: Apache-2.0
/* From a name and a password to a person, and how often one may try.
 *
 * Tries are counted twice, per account and per address. Ten failures (thirty per address) are
 * free; from then on each further try waits, 10 s at first and twice as long each time up to 5
 * minutes. An account is never locked for good: fifteen quiet minutes forget everything, and
 * other sessions of the person live on. An attacker gets fewer than 100 tries an hour at one
 * account.
 *
 * The caller stores a struct login_tries under each key and counts BEFORE it asks the
 * directory, in one transaction, so that tries at once cannot slip through:
 *
 *   wait_ms = login_wait_ms(&account, &address, now)      > 0: tell to come back, ask nothing
 *   login_tries_add(&account, now), …(&address, now)      store both
 *   login_check(…)
 *     LOGIN_OK       account = {0}, login_tries_undo(&address)
 *     LOGIN_REFUSED  they stay counted
 *     LOGIN_DOWN     login_tries_undo() both: the directory's fault is not the person's
 */
#ifndef FF_AUTH_LOGIN_H
#define FF_AUTH_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/directory.h"

enum {
    LOGIN_ACCOUNT_FREE = 10, /* failures before the first wait */
    LOGIN_ADDRESS_FREE = 30,
    LOGIN_WINDOW_MS = 15 * 60 * 1000,
    LOGIN_WAIT_FIRST_MS = 10 * 1000,
    LOGIN_WAIT_MOST_MS = 5 * 60 * 1000,
    LOGIN_KEY_MAX = 256 /* with its NUL */
};

struct login_tries {
    int64_t count;   /* failures since the last quiet window */
    int64_t last_ms; /* wall clock of the latest */
};

/* Milliseconds until the next try is allowed; 0: now. Pure. */
int64_t login_wait_ms(const struct login_tries *account, const struct login_tries *address,
                      int64_t now_ms);
void login_tries_add(struct login_tries *t, int64_t now_ms);
void login_tries_undo(struct login_tries *t);

/* The key for an account's tries: "north/alice" however the login was typed. Any bytes may come
 * in; false for what cannot be a login: there is no account to guard, the address alone counts,
 * and nobody's slips of the keyboard make others wait. */
bool login_account_key(const char *directory, const char *login, size_t len,
                       char out[LOGIN_KEY_MAX]);

/* The key for an address's tries: IPv4 whole, IPv6 by its /64, which is what one customer has.
 */
void login_address_key(const char *address, char out[LOGIN_KEY_MAX]);

struct login_ask {
    const char *directory; /* the name chosen in the form */
    const char *login, *password;
    size_t login_len, password_len; /* bytes as they came; a NUL inside is refused */
};

/* Asks the named directory. Blocks, see directory.h; an unknown directory is LOGIN_REFUSED. */
enum login_answer login_check(const struct directories *all, const struct login_ask *ask,
                              struct identity **out, struct err *why);

#endif
