// SPDX-License-Identifier: Apache-2.0
/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), computed by OpenSSL's libcrypto. */
#ifndef FF_BASE_DIGEST_H
#define FF_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 };

void digest_sha256(const void *data, size_t len, unsigned char out[DIGEST_BYTES]);
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char out[DIGEST_BYTES]);
void digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX]);

/* Compares in a time that depends on `len` alone. */
bool digest_equal(const void *a, const void *b, size_t len);

#endif
