// SPDX-License-Identifier: Apache-2.0
/* Checks auth/filter.c and auth/dn.c: no value changes a filter's shape, names compare as
 * names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "auth/dn.h"
#include "auth/filter.h"
#include "runner/base/cleanup.h"

static void values_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *login, *filter;
    } cases[] = {
        {"alice", "(uid=alice)"}, {"*", "(uid=\\2A)"}, {")(uid=*", "(uid=\\29\\28uid=\\2A)"},
        {"a\\b", "(uid=a\\5Cb)"}, {"%u", "(uid=%u)"},  {"", "(uid=)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = BUF_INIT(FILTER_MAX);
        struct filter_values values = {.login = cases[i].login};
        assert_int_equal(filter_expand("(uid=%u)", &values, &out, NULL), 0);
        assert_string_equal(buf_text(&out), cases[i].filter);
    }
}

static void every_word_is_known(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = BUF_INIT(FILTER_MAX);
    struct filter_values values = {"al", "cn=a(b),dc=x", 7};
    assert_int_equal(filter_expand("(a=%u)(b=%d)(c=%g)(d=%%)", &values, &out, NULL), 0);
    assert_string_equal(buf_text(&out), "(a=al)(b=cn=a\\28b\\29,dc=x)(c=7)(d=%)");
    assert_int_equal(filter_expand("(a=%s)", &values, &out, NULL), -EINVAL);
    assert_int_equal(filter_expand("(a=%", &values, &out, NULL), -EINVAL);
}

static void a_filter_that_is_too_long_fails(void **state)
{
    (void)state;
    static char login[FILTER_MAX + 1];
    memset(login, '*', FILTER_MAX);
    AUTO(buf_done) struct buf out = BUF_INIT(FILTER_MAX);
    struct filter_values values = {.login = login};
    assert_int_equal(filter_expand("(uid=%u)", &values, &out, NULL), -ENOMEM);
}

static void templates_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        int result;
    } cases[] = {
        {"(uid=%u)", 0},
        {"(&(objectClass=posixAccount)(|(uid=%u)(mail=%u)))", 0},
        {"(&(!(a=b))(uid=%u))", 0},
        {"(member:1.2.840.113556.1.4.1941:=%u)", 0},
        {"(uid=*%u)", 0},
        {"uid=%u", -EINVAL},
        {"(uid=%u", -EINVAL},
        {"(uid=%u))", -EINVAL},
        {"(uid=%u)(a=b)", -EINVAL},
        {"(&(uid=%u)", -EINVAL},
        {"(&uid=%u)", -EINVAL},
        {"(%u)", -EINVAL},
        {"(=%u)", -EINVAL},
        {"(uid=alice)", -EINVAL},
        {"(uid=%n)", -EINVAL},
        {"", -EINVAL},
        {"(", -EINVAL},
        {"(&", -EINVAL},
        {")", -EINVAL},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (filter_check(cases[i].template, true, NULL) != cases[i].result)
            fail_msg("%s: not %d", cases[i].template, cases[i].result);
}

static void names_compare_in_their_normal_form(void **state)
{
    (void)state;
    assert_true(dn_equal("uid=alice, OU=People,dc=X", "UID=Alice,ou=people,DC=x"));
    assert_true(dn_equal("cn=a\\2Cb,dc=x", "cn=a\\,b,dc=x"));
    assert_false(dn_equal("uid=alice,dc=x", "uid=alice,dc=y"));
    assert_false(dn_equal("", ""));
    assert_false(dn_equal("alice", "alice"));
    assert_true(dn_is_below("cn=a,ou=g,dc=x", "OU=g, dc=x"));
    assert_true(dn_is_below("ou=g,dc=x", "ou=g,dc=x"));
    assert_false(dn_is_below("cn=a,ou=gg,dc=x", "u=gg,dc=x"));
    assert_false(dn_is_below("cn=a\\,dc=x", "dc=x"));
    assert_false(dn_is_below("dc=x", "ou=g,dc=x"));
    assert_null(dn_normal("no name"));
    AUTO(cleanup_free) char *first = dn_first_value("cn=Big\\, Group,dc=x");
    assert_string_equal(first, "Big, Group");
    assert_null(dn_first_value(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(every_word_is_known),
        cmocka_unit_test(a_filter_that_is_too_long_fails),
        cmocka_unit_test(templates_are_checked),
        cmocka_unit_test(names_compare_in_their_normal_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
