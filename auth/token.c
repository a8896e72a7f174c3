// SPDX-License-Identifier: Apache-2.0
/* Makes and compares tokens with base's random numbers and digests. */
#include "auth/token.h"

#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/digest.h"
#include "runner/base/random.h"

enum { TOKEN_DIGITS = TOKEN_TEXT - 1 };

void token_make(char out[TOKEN_TEXT])
{
    unsigned char raw[DIGEST_BYTES];
    random_bytes(raw, sizeof(raw));
    random_hex_of(out, raw, sizeof(raw));
    explicit_bzero(raw, sizeof(raw));
}

bool token_is_form(const char *text, size_t len)
{
    if (len != TOKEN_DIGITS)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

void token_hash(const char *token, char out[TOKEN_TEXT])
{
    digest_sha256_hex(token, strlen(token), out);
}

bool token_equal(const char *a, const char *b)
{
    return strlen(a) == TOKEN_DIGITS && strlen(b) == TOKEN_DIGITS &&
           digest_equal(a, b, TOKEN_DIGITS);
}

/* Both parts are hashed to a fixed length first, so no two pairs of (session, action) make the
 * same message. */
void token_form(const char *key, size_t key_len, const char *session_hash, const char *action,
                char out[TOKEN_TEXT])
{
    unsigned char message[2 * DIGEST_BYTES], raw[DIGEST_BYTES];
    digest_sha256(session_hash, strlen(session_hash), message);
    digest_sha256(action, strlen(action), message + DIGEST_BYTES);
    digest_hmac(key, key_len, message, sizeof(message), raw);
    random_hex_of(out, raw, sizeof(raw));
}

bool token_form_check(const char *key, size_t key_len, const char *session_hash,
                      const char *action, const char *given, size_t given_len)
{
    char wanted[TOKEN_TEXT];
    if (!token_is_form(given, given_len))
        return false;
    token_form(key, key_len, session_hash, action, wanted);
    return digest_equal(wanted, given, TOKEN_DIGITS);
}
