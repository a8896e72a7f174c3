// SPDX-License-Identifier: Apache-2.0
/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), computed by OpenSSL's libcrypto. */
#ifndef FF_BASE_DIGEST_H
#define FF_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/cleanup.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 };

void digest_sha256(const void *data, size_t len, unsigned char out[DIGEST_BYTES]);
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char out[DIGEST_BYTES]);
void digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX]);

/* SHA-256 of what comes in pieces; digest_end() gives the sum once, after the last. */
struct digest;
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, char out[DIGEST_HEX]);
void digest_free(struct digest *d); /* NULL is fine */
AUTO_FREE(digest_free, struct digest)

/* Compares in a time that depends on `len` alone. */
bool digest_equal(const void *a, const void *b, size_t len);

#endif
