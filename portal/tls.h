// SPDX-License-Identifier: Apache-2.0
/* The server's side of TLS: 1.2 and 1.3, forward secrecy only, ALPN http/1.1. */
#ifndef FF_PORTAL_TLS_H
#define FF_PORTAL_TLS_H

#include "runner/base/err.h"

struct ssl_ctx_st;
struct ssl_st;

/* Reads the certificate chain and the key (0600, ours: base/secret.h), both PEM. */
int tls_new(const char *cert_file, const char *key_file, struct ssl_ctx_st **out,
            struct err *e);
void tls_free(struct ssl_ctx_st *t);
struct ssl_st *tls_accept(struct ssl_ctx_st *t); /* for one connection; aborts without memory */

#endif
