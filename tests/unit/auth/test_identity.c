// SPDX-License-Identifier: Apache-2.0
/* Checks auth/identity.c: what may become part of a person, and what may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "auth/identity.h"

static const char dn[] = "uid=alice,ou=people,dc=north,dc=example";
static char long_text[5000];

static const struct {
    enum identity_field field;
    const char *value;
    size_t len; /* 0: strlen */
    bool is_fit;
} cases[] = {
    {IDENTITY_LOGIN, "alice", 0, true},
    {IDENTITY_LOGIN, "_a.b-c9", 0, true},
    {IDENTITY_LOGIN, "abcdefghijklmnopqrstuvwxyz012345", 0, true},
    {IDENTITY_LOGIN, "abcdefghijklmnopqrstuvwxyz0123456", 0, false},
    {IDENTITY_LOGIN, "", 0, false},
    {IDENTITY_LOGIN, "9alice", 0, false},
    {IDENTITY_LOGIN, "-rf", 0, false},
    {IDENTITY_LOGIN, "..", 0, false},
    {IDENTITY_LOGIN, "a/b", 0, false},
    {IDENTITY_LOGIN, "a b", 0, false},
    {IDENTITY_LOGIN, "a:b", 0, false},
    {IDENTITY_LOGIN, "a\nb", 0, false},
    {IDENTITY_LOGIN, "alice\0", 6, false},
    {IDENTITY_LOGIN, "\xc3\xa9lise", 0, false},
    {IDENTITY_LOGIN, long_text, 4999, false},
    {IDENTITY_ID, "93240f44-7bc9-1041-88dd-038656503e93", 0, true},
    {IDENTITY_ID, "", 0, false},
    {IDENTITY_ID, "a b", 0, false},
    {IDENTITY_ID, "\xff\xfe", 0, false},
    {IDENTITY_ID, long_text, 129, false},
    {IDENTITY_NAME, "Alice \xc3\x85ngstr\xc3\xb6m <script>", 0, true},
    {IDENTITY_NAME, "   ", 0, false},
    {IDENTITY_NAME, "a\x1b[31m", 0, false},
    {IDENTITY_NAME, "a\x7f", 0, false},
    {IDENTITY_NAME, "\xc3(", 0, false},
    {IDENTITY_NAME, long_text, 256, true},
    {IDENTITY_NAME, long_text, 257, false},
    {IDENTITY_MAIL, "alice@north.example", 0, true},
    {IDENTITY_MAIL, "alice", 0, false},
    {IDENTITY_MAIL, "@north.example", 0, false},
    {IDENTITY_MAIL, "alice@", 0, false},
    {IDENTITY_MAIL, "a@b@c", 0, false},
    {IDENTITY_MAIL, "a@b\r\nBcc: c@d", 0, false},
    {IDENTITY_UID, "20001", 0, true},
    {IDENTITY_UID, "1", 0, true},
    {IDENTITY_UID, "4294967294", 0, true},
    {IDENTITY_UID, "4294967295", 0, false},
    {IDENTITY_UID, "4294967296", 0, false},
    {IDENTITY_UID, "0", 0, false},
    {IDENTITY_UID, "00", 0, false},
    {IDENTITY_UID, "-1", 0, false},
    {IDENTITY_UID, "1e3", 0, false},
    {IDENTITY_UID, " 7", 0, false},
    {IDENTITY_UID, "0x10", 0, false},
    {IDENTITY_UID, "99999999999999999999", 0, false},
    {IDENTITY_UID, "7\0008", 3, false},
    {IDENTITY_GID, "30001", 0, true},
    {IDENTITY_GID, "0", 0, false},
    {IDENTITY_TENANT, "north", 0, true},
    {IDENTITY_TENANT, "North", 0, false},
    {IDENTITY_TENANT, "", 0, false},
    {IDENTITY_TENANT, "-n", 0, false},
};

static void each_field_takes_only_what_fits(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(identity_freep) struct identity *who = identity_new("north", dn);
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].value);
        struct err e = {0};
        int r = identity_set(who, cases[i].field, cases[i].value, len, &e);
        if ((r == 0) != cases[i].is_fit)
            fail_msg("case %zu: %d %s", i, r, e.text);
        if (r < 0) {
            assert_int_equal(r, -EINVAL);
            assert_string_not_equal(e.text, "");
            assert_int_equal(who->uid, -1);
            assert_string_equal(who->login, "");
            assert_string_equal(who->name, "");
        }
    }
}

static void the_sentence_names_field_value_and_remedy(void **state)
{
    (void)state;
    AUTO(identity_freep) struct identity *who = identity_new("north", dn);
    struct err e = {0};
    assert_int_equal(identity_set(who, IDENTITY_UID, "0", 1, &e), -EINVAL);
    assert_string_equal(e.text, "uid number '0': it should be a number from 1 to 4294967294");
    assert_int_equal(identity_set(who, IDENTITY_LOGIN, "", 0, &e), -EINVAL);
    assert_string_equal(e.text, "login: 0 bytes; it should be UTF-8 of 1 to 32 bytes");
}

static void groups_are_found_by_name_and_by_dn(void **state)
{
    (void)state;
    AUTO(identity_freep) struct identity *who = identity_new("north", dn);
    assert_int_equal(identity_add_group(who, "physics", "cn=Physics,ou=g,dc=x", 7, NULL), 0);
    assert_int_equal(identity_add_group(who, "Admins", "cn=Admins, ou=g, dc=x", -1, NULL), 0);
    assert_int_equal(identity_add_group(who, "Admins", "CN=admins,OU=g,DC=x", 9, NULL), 0);
    assert_int_equal(who->group_count, 2);
    assert_int_equal(who->groups[1].gid, 9);
    assert_true(identity_in_group(who, "admins"));
    assert_true(identity_in_group(who, "cn=ADMINS,ou=g,dc=x"));
    assert_true(identity_in_group(who, "PHYSICS"));
    assert_false(identity_in_group(who, "cn=admins,dc=x"));
    assert_false(identity_in_group(who, "admin"));
    assert_false(identity_in_group(who, ""));
    assert_false(identity_in_group(who, "=broken"));
}

static void a_group_that_cannot_be_one_is_refused(void **state)
{
    (void)state;
    AUTO(identity_freep) struct identity *who = identity_new("north", dn);
    assert_int_equal(identity_add_group(who, "", "cn=a,dc=x", -1, NULL), -EINVAL);
    assert_int_equal(identity_add_group(who, "a\nb", "cn=a,dc=x", -1, NULL), -EINVAL);
    assert_int_equal(identity_add_group(who, "a", "", -1, NULL), -EINVAL);
    assert_int_equal(identity_add_group(who, "a", "not a dn", -1, NULL), -EINVAL);
    assert_int_equal(who->group_count, 0);
    for (int i = 0; i < IDENTITY_GROUPS_MAX; i++) {
        char name[64];
        snprintf(name, sizeof(name), "cn=g%d,dc=x", i);
        assert_int_equal(identity_add_group(who, "g", name, -1, NULL), 0);
    }
    assert_int_equal(identity_add_group(who, "g", "cn=one-more,dc=x", -1, NULL), -E2BIG);
}

static void a_copy_is_whole_and_its_own(void **state)
{
    (void)state;
    AUTO(identity_freep) struct identity *who = identity_new("north", dn);
    assert_int_equal(identity_set(who, IDENTITY_LOGIN, "alice", 5, NULL), 0);
    assert_int_equal(identity_add_group(who, "g", "cn=g,dc=x", 7, NULL), 0);
    who->is_admin = true;
    struct identity *copy = identity_dup(who);
    assert_int_equal(identity_set(who, IDENTITY_LOGIN, "bob", 3, NULL), 0);
    assert_string_equal(copy->login, "alice");
    assert_string_equal(copy->dn, dn);
    assert_true(copy->is_admin);
    assert_int_equal(copy->groups[0].gid, 7);
    identity_free(copy);
    identity_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_takes_only_what_fits),
        cmocka_unit_test(the_sentence_names_field_value_and_remedy),
        cmocka_unit_test(groups_are_found_by_name_and_by_dn),
        cmocka_unit_test(a_group_that_cannot_be_one_is_refused),
        cmocka_unit_test(a_copy_is_whole_and_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
