// SPDX-License-Identifier: Apache-2.0
/* One connection to one directory server, in steps that each keep a time limit.
 *
 *   link_new → link_resolve → link_connect → link_secure → link_bind → link_whoami, link_search
 *
 * link_open() does the first four. Every option is set on the handle itself: no ldaprc,
 * ldap.conf or LDAP… variable counts (directory_init() sees to that). Certificates are always
 * required, TLS is 1.2 or later, referrals and aliases are not followed, and a reply longer
 * than 4 MiB ends the link.
 *
 * Each returns 0 or a negative errno with a sentence that names the URI:
 *   -EACCES       the server refused this name and password (only link_bind)
 *   -E2BIG        more entries than asked for (only link_search)
 *   -EHOSTDOWN    unreachable, closed, busy;   -ETIMEDOUT   no answer in time
 *   -EPROTO       anything else: TLS, a certificate, a base that is missing, a refusal to
 *                 search
 * Blocking; one thread at a time.
 */
#ifndef FF_AUTH_LINK_H
#define FF_AUTH_LINK_H

#include <stdint.h>

#include "auth/directory_conf.h"
#include "auth/entry.h"
#include "runner/base/cleanup.h"
#include "runner/base/err.h"

struct link;
struct certificate;

/* `by_ms` is the deadline for everything on this link, on the clock now_mono_ms(). */
struct link *link_new(const struct directory *d, const char *uri, int64_t by_ms);
void link_free(struct link *l); /* NULL is fine; `d` and `uri` outlive the link */
AUTO_FREE(link_free, struct link)

int link_resolve(struct link *l, struct err *e);
int link_connect(struct link *l, struct err *e);
int link_secure(struct link *l, struct err *e); /* TLS, where the URI and the options want it */
int link_open(const struct directory *d, const char *uri, int64_t by_ms, struct link **out,
              struct err *e);

/* Binds as `dn`; an empty password is refused here, before any server could call it a success.
 */
int link_bind(struct link *l, const char *dn, const char *password, size_t len, struct err *e);
int link_bind_service(struct link *l,
                      struct err *e); /* as bind_dn, by certificate, or not at all */
int link_whoami(struct link *l, char **out, struct err *e); /* "dn:uid=…"; caller frees */

struct search {
    const char *base, *filter;
    int scope;                     /* LDAP_SCOPE_… */
    const char *const *attributes; /* NULL-terminated */
    size_t limit;                  /* entries; one more is -E2BIG */
};

struct entries {
    struct entry **items;
    size_t count;
};
void entries_done(struct entries *list);

/* `*out` holds what came, also with -E2BIG; the caller ends it with entries_done(). */
int link_search(struct link *l, const struct search *search, struct entries *out,
                struct err *e);

const char *link_uri(const struct link *l);
bool link_has_tls(const struct link *l);

/* The server's certificate after link_secure(); -ENODATA without TLS. */
int link_certificate(struct link *l, struct certificate *out);

/* For the checker alone: before link_secure(), accept any certificate so that it can be looked
 * at. Such a link refuses to bind. */
void link_peek(struct link *l);

#endif
