// SPDX-License-Identifier: Apache-2.0
/* Checks auth/token.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "auth/token.h"
#include "runner/base/cleanup.h"

static const char key[] = "0123456789abcdef0123456789abcdef";
enum { KEY_LEN = sizeof(key) - 1, MANY = 20000 };

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, TOKEN_TEXT);
}

static void tokens_have_their_form_and_never_repeat(void **state)
{
    (void)state;
    AUTO(cleanup_free) char *all = calloc(MANY, TOKEN_TEXT);
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++) {
        token_make(all + i * TOKEN_TEXT);
        assert_true(token_is_form(all + i * TOKEN_TEXT, strlen(all + i * TOKEN_TEXT)));
    }
    qsort(all, MANY, TOKEN_TEXT, by_text);
    for (size_t i = 1; i < MANY; i++)
        assert_true(memcmp(all + (i - 1) * TOKEN_TEXT, all + i * TOKEN_TEXT, TOKEN_TEXT) < 0);
}

static void only_one_form_is_a_token(void **state)
{
    (void)state;
    char token[TOKEN_TEXT];
    token_make(token);
    assert_false(token_is_form(token, 63));
    assert_false(token_is_form("", 0));
    token[5] = 'A';
    assert_false(token_is_form(token, 64));
    token[5] = '\0';
    assert_false(token_is_form(token, 64));
    token[5] = 'g';
    assert_false(token_is_form(token, 64));
}

static void the_hash_is_sha256_of_the_text(void **state)
{
    (void)state;
    char hash[TOKEN_TEXT];
    token_hash("abc", hash); /* FIPS 180-4's example */
    assert_string_equal(hash,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void equal_means_all_digits(void **state)
{
    (void)state;
    char a[TOKEN_TEXT], b[TOKEN_TEXT];
    token_make(a);
    memcpy(b, a, sizeof(a));
    assert_true(token_equal(a, b));
    for (size_t i = 0; i < 64; i++) {
        b[i] = b[i] == '0' ? '1' : '0';
        assert_false(token_equal(a, b));
        b[i] = a[i];
    }
    assert_false(token_equal("", ""));
    assert_false(token_equal(a, "abc"));
}

static void a_form_token_fits_its_session_its_action_and_its_key(void **state)
{
    (void)state;
    char session[TOKEN_TEXT], other[TOKEN_TEXT], form[TOKEN_TEXT];
    token_make(session);
    token_make(other);
    token_form(key, KEY_LEN, session, "POST /jobs", form);
    assert_true(token_form_check(key, KEY_LEN, session, "POST /jobs", form, 64));
    assert_false(token_form_check(key, KEY_LEN, other, "POST /jobs", form, 64));
    assert_false(token_form_check(key, KEY_LEN, session, "POST /job", form, 64));
    assert_false(token_form_check(key, KEY_LEN, session, "", form, 64));
    assert_false(token_form_check("x123456789abcdef0123456789abcdef", KEY_LEN, session,
                                  "POST /jobs", form, 64));
    assert_false(token_form_check(key, KEY_LEN, session, "POST /jobs", form, 63));
    assert_false(token_form_check(key, KEY_LEN, session, "POST /jobs", "", 0));
    assert_false(token_form_check(key, KEY_LEN, session, "POST /jobs", session, 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_have_their_form_and_never_repeat),
        cmocka_unit_test(only_one_form_is_a_token),
        cmocka_unit_test(the_hash_is_sha256_of_the_text),
        cmocka_unit_test(equal_means_all_digits),
        cmocka_unit_test(a_form_token_fits_its_session_its_action_and_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
