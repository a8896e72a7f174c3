// SPDX-License-Identifier: Apache-2.0
/* The only place in the lower layers that knows libcrypto. A failure there is an abort: these
 * functions take bytes and cannot fail on any input. */
#include "runner/base/digest.h"

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "runner/base/random.h"
#include "runner/base/xnew.h"

void digest_sha256(const void *data, size_t len, unsigned char out[DIGEST_BYTES])
{
    unsigned n = 0;
    if (EVP_Digest(data, len, out, &n, EVP_sha256(), NULL) != 1 || n != DIGEST_BYTES)
        abort();
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 unsigned char out[DIGEST_BYTES])
{
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) || n != DIGEST_BYTES)
        abort();
}

void digest_sha256_hex(const void *data, size_t len, char out[DIGEST_HEX])
{
    unsigned char raw[DIGEST_BYTES];
    digest_sha256(data, len, raw);
    random_hex_of(out, raw, sizeof(raw));
}

struct digest {
    EVP_MD_CTX *context;
};

struct digest *digest_new(void)
{
    struct digest *d = xnew(struct digest);
    d->context = EVP_MD_CTX_new();
    if (!d->context || EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1)
        abort();
    return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    if (EVP_DigestUpdate(d->context, data, len) != 1)
        abort();
}

void digest_end(struct digest *d, char out[DIGEST_HEX])
{
    unsigned char raw[DIGEST_BYTES];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(d->context, raw, &n) != 1 || n != DIGEST_BYTES)
        abort();
    random_hex_of(out, raw, sizeof(raw));
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    free(d);
}

bool digest_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
