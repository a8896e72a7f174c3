// SPDX-License-Identifier: Apache-2.0
/* Tokens: sessions, the API's, and those that bind a form to its session.
 *
 * A token is 256 random bits as 64 lower-case hexadecimal digits. Only its hash is stored, so
 * that a copied database opens no session: the caller looks the hash up, which also makes the
 * time of a look-up independent of the token. Pure; any thread.
 */
#ifndef FF_AUTH_TOKEN_H
#define FF_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum { TOKEN_TEXT = 65 }; /* 64 digits and the NUL */

void token_make(char out[TOKEN_TEXT]);

/* Is it of the one form that token_make() writes? Check before anything else is done with it.
 */
bool token_is_form(const char *text, size_t len);

/* SHA-256 of the token's text, in hexadecimal: what is stored. */
void token_hash(const char *token, char out[TOKEN_TEXT]);

/* Equal, in a time that does not depend on where they differ. Both are 64 digits, or never
 * equal. */
bool token_equal(const char *a, const char *b);

/* The form token of one session and one action ("POST /jobs"): HMAC-SHA-256 under the site's
 * form key. Nothing is stored; it ends with its session. */
void token_form(const char *key, size_t key_len, const char *session_hash, const char *action,
                char out[TOKEN_TEXT]);
bool token_form_check(const char *key, size_t key_len, const char *session_hash,
                      const char *action, const char *given, size_t given_len);

#endif
