// SPDX-License-Identifier: Apache-2.0
/* Sets OpenSSL up. The key is checked before OpenSSL opens it. */
#include "portal/tls.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "runner/base/secret.h"

static int fail(SSL_CTX *t, struct err *e, const char *what, const char *file)
{
    const char *cause = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    SSL_CTX_free(t);
    return err_set(e, -EINVAL, "TLS %s %s: %s", what, file, cause ? cause : "not usable");
}

static int on_alpn(SSL *s, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)s;
    (void)arg;
    int r = SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof(ours) - 1, in,
                                  in_len);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void harden(SSL_CTX *t)
{
    SSL_CTX_set_min_proto_version(t, TLS1_2_VERSION);
    SSL_CTX_set_options(t, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(t, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cipher_list(t, "ECDHE+AESGCM:ECDHE+CHACHA20"); /* 1.2; 1.3 has its own list */
    SSL_CTX_set_alpn_select_cb(t, on_alpn, NULL);
}

int tls_new(const char *cert_file, const char *key_file, struct ssl_ctx_st **out, struct err *e)
{
    int r = secret_check(key_file, e);
    if (r < 0)
        return r;
    SSL_CTX *t = SSL_CTX_new(TLS_server_method());
    if (!t)
        return fail(t, e, "library for", cert_file);
    harden(t);
    if (SSL_CTX_use_certificate_chain_file(t, cert_file) != 1)
        return fail(t, e, "certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(t, key_file, SSL_FILETYPE_PEM) != 1)
        return fail(t, e, "key", key_file);
    if (SSL_CTX_check_private_key(t) != 1)
        return fail(t, e, "certificate does not belong to the key", key_file);
    *out = t;
    return 0;
}

void tls_free(struct ssl_ctx_st *t)
{
    SSL_CTX_free(t);
}

struct ssl_st *tls_accept(struct ssl_ctx_st *t)
{
    SSL *s = SSL_new(t);
    if (!s)
        abort();
    return s;
}
