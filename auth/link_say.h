// SPDX-License-Identifier: Apache-2.0
/* What link.c and link_say.c share: the link itself, and libldap's codes as ours. */
#ifndef FF_AUTH_LINK_SAY_H
#define FF_AUTH_LINK_SAY_H

#include <netdb.h>

#include <ldap.h>

#include "auth/link.h"

struct link {
    const struct directory *d;
    const char *uri;
    LDAPURLDesc *url;
    struct addrinfo *addresses; /* NULL for ldapi */
    int fd;                     /* between connect and libldap, else -1 */
    LDAP *ldap;
    int64_t by_ms;     /* the deadline now: of connecting until TLS is up, then of all */
    int64_t all_by_ms; /* of the whole link */
    bool is_peek;
};

/* The errno for a code of libldap, with a sentence: "URI: doing: text (code): what the server
 * said". */
int link_failed(struct link *l, int code, const char *doing, struct err *e);

int link_start_tls(struct link *l, struct err *e); /* asks; the handshake comes after */

#endif
