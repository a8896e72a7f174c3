// SPDX-License-Identifier: Apache-2.0
/* Checks auth/login.c: who may try when, by numbers alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/login.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };
static const int64_t start_ms = 1800000000000;

static void waits_follow_the_table(void **state)
{
    (void)state;
    static const struct {
        int64_t account, address, quiet_ms, wait_ms;
    } cases[] = {
        {0, 0, 0, 0},
        {1, 0, 0, 0},
        {9, 29, 0, 0},
        {10, 0, 0, 10 * SECOND},
        {10, 0, 4 * SECOND, 6 * SECOND},
        {10, 0, 10 * SECOND, 0},
        {11, 0, 0, 20 * SECOND},
        {12, 0, 0, 40 * SECOND},
        {14, 0, 0, 160 * SECOND},
        {15, 0, 0, 5 * MINUTE},
        {1000000, 0, 0, 5 * MINUTE},
        {INT64_MAX, INT64_MAX, 0, 5 * MINUTE},
        {0, 30, 0, 10 * SECOND},
        {11, 30, 0, 20 * SECOND},
        {10, 32, 0, 40 * SECOND},
        {500, 500, 15 * MINUTE, 0},        /* a quiet window forgets */
        {11, 0, -5 * SECOND, 20 * SECOND}, /* the clock went back a little */
        {500, 500, -16 * MINUTE, 0},       /* and a lot */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct login_tries account = {cases[i].account, start_ms};
        struct login_tries address = {cases[i].address, start_ms};
        assert_int_equal(login_wait_ms(&account, &address, start_ms + cases[i].quiet_ms),
                         cases[i].wait_ms);
    }
}

static void an_hour_of_attacks_gets_fewer_than_100_tries(void **state)
{
    (void)state;
    struct login_tries account = {0}, address = {0};
    int tries = 0;
    for (int64_t t = 0; t < 60 * MINUTE; t += SECOND) {
        if (login_wait_ms(&account, &address, start_ms + t) > 0)
            continue;
        login_tries_add(&account, start_ms + t);
        tries++;
    }
    assert_in_range(tries, 11, 99);
}

static void patience_between_windows_gets_fewer_than_100_tries_an_hour(void **state)
{
    (void)state;
    struct login_tries account = {0}, address = {0};
    int tries = 0;
    for (int64_t t = 0; t < 60 * MINUTE; t += LOGIN_WINDOW_MS)
        for (int i = 0; i < LOGIN_ACCOUNT_FREE; i++, tries++) {
            assert_int_equal(login_wait_ms(&account, &address, start_ms + t), 0);
            login_tries_add(&account, start_ms + t);
        }
    assert_in_range(tries, 1, 99);
}

static void undo_takes_back_one_and_never_goes_below_none(void **state)
{
    (void)state;
    struct login_tries t = {0};
    login_tries_add(&t, start_ms);
    login_tries_add(&t, start_ms + 1);
    assert_int_equal(t.count, 2);
    login_tries_undo(&t);
    login_tries_undo(&t);
    login_tries_undo(&t);
    assert_int_equal(t.count, 0);
    login_tries_add(&t, start_ms + LOGIN_WINDOW_MS + 2);
    assert_int_equal(t.count, 1);
}

static void one_account_has_one_key_and_no_account_none(void **state)
{
    (void)state;
    static const struct {
        const char *login;
        size_t len;
        const char *key;
    } cases[] = {
        {"alice", 5, "north/alice"},
        {"ALICE", 5, "north/alice"},
        {"a.b-c@d", 7, "north/a.b-c@d"},
        {"", 0, NULL},
        {"alice ", 6, NULL},
        {"alice\0", 6, NULL},
        {"al\xc3\xad"
         "ce",
         6, NULL},
        {"../etc", 6, NULL},
    };
    char key[LOGIN_KEY_MAX];
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool is_one = login_account_key("north", cases[i].login, cases[i].len, key);
        assert_int_equal(is_one, cases[i].key != NULL);
        if (is_one)
            assert_string_equal(key, cases[i].key);
    }
}

static void one_network_has_one_key(void **state)
{
    (void)state;
    static const struct {
        const char *address, *key;
    } cases[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"},
        {"::1", "::/64"},
        {"what", "what"},
    };
    char key[LOGIN_KEY_MAX];
    for (size_t i = 0; i < COUNT(cases); i++) {
        login_address_key(cases[i].address, key);
        assert_string_equal(key, cases[i].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_follow_the_table),
        cmocka_unit_test(an_hour_of_attacks_gets_fewer_than_100_tries),
        cmocka_unit_test(patience_between_windows_gets_fewer_than_100_tries_an_hour),
        cmocka_unit_test(undo_takes_back_one_and_never_goes_below_none),
        cmocka_unit_test(one_account_has_one_key_and_no_account_none),
        cmocka_unit_test(one_network_has_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
