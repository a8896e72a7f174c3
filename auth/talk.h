// SPDX-License-Identifier: Apache-2.0
/* One conversation with a directory, step by step: what a login is made of (directory.c) and
 * what the checker reports on (check.c).
 *
 * Each step returns 0 or a negative errno with a sentence. -EACCES is a refusal: this person
 * may not log in with what was given. Everything else means that the directory could not
 * answer.
 */
#ifndef FF_AUTH_TALK_H
#define FF_AUTH_TALK_H

#include <stdint.h>

#include "auth/directory_conf.h"
#include "auth/entry.h"
#include "auth/identity.h"
#include "auth/link.h"
#include "runner/base/err.h"

/* The first server that answers and takes the service's bind. Servers are tried in order until
 * one does; a service bind that is refused is not tried elsewhere. */
int talk_reach(const struct directory *d, int64_t by_ms, struct link **out, struct err *e);

/* Exactly one entry for the login; -EACCES: none, or several. */
int talk_find(const struct directory *d, struct link *l, const char *login, struct entry **out,
              struct err *e);

/* Proves the password on a connection of its own to the server of `uri`: bind, then whoami. */
int talk_prove(const struct directory *d, const char *uri, int64_t by_ms, const char *dn,
               const char *password, size_t len, struct err *e);

/* The same work for a name that does not exist, so that the answer takes as long. */
void talk_decoy(const struct directory *d, const char *uri, int64_t by_ms, const char *password,
                size_t len);

/* The person's groups below group_base, added to the identity. */
int talk_groups(const struct directory *d, struct link *l, struct identity *i, struct err *e);

/* Disabled, allowed_group, tenant, admin_group; the last two into the identity. */
int talk_rules(const struct directory *d, const struct entry *entry, struct identity *i,
               struct err *e);

/* Makes a sentence that may quote a server's bytes fit to print: one line of UTF-8. In place.
 * */
void talk_clean(char *text);

#endif
