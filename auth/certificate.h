// SPDX-License-Identifier: Apache-2.0
/* The two facts about a server's certificate that a person needs when TLS fails: whose it is
 * and until when. Whether it may be trusted is decided by the TLS library, never here. Pure. */
#ifndef FF_AUTH_CERTIFICATE_H
#define FF_AUTH_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

struct certificate {
    char subject[256];    /* "cn=ldap.north.example,o=…", cut if longer */
    int64_t not_after_ms; /* since 1970 UTC */
};

/* Reads an X.509 certificate in DER (RFC 5280, 4.1). -EINVAL: it is none. */
int certificate_read(const void *der, size_t len, struct certificate *out);

#endif
