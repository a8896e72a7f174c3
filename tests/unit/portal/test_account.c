// SPDX-License-Identifier: Apache-2.0
/* The machine's accounts: which groups go with a job, and who has no account. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "portal/account.h"
#include "runner/base/cleanup.h"
#include "runner/proto/agent_calls.h"

enum { MIN = 1000, MANY = 300 };

static void groups_of_the_system_and_ones_own_are_left_out(void **state)
{
    static const struct {
        gid_t groups[4];
        int count;
        const char *text;
    } cases[] = {
        {{5000}, 1, ""},
        {{5000, 27, 999, 100}, 4, ""},
        {{5000, 1000, 44, 4294967294u}, 4, "1000 4294967294"},
        {{7000, 5000, 6000}, 3, "7000 6000"},
        {{0}, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf gids = BUF_INIT(1000);
        assert_int_equal(account_gids(cases[i].groups, cases[i].count, 5000, MIN, &gids), 0);
        assert_string_equal(buf_text(&gids), cases[i].text);
    }
}

static void more_groups_than_a_job_may_have_are_counted_and_the_rest_fits(void **state)
{
    AUTO(buf_done) struct buf gids = BUF_INIT(1000);
    gid_t groups[MANY];
    (void)state;
    for (int i = 0; i < MANY; i++)
        groups[i] = 4294960000u + (gid_t)i;
    assert_int_equal(account_gids(groups, MANY, 5000, MIN, &gids), MANY - AGENT_GROUPS_MAX);
    assert_false(gids.failed);
}

static void who_is_nobody_or_the_systems_has_no_account(void **state)
{
    static const char *const logins[] = {"no-such-login-here", "root"};
    (void)state;
    for (size_t i = 0; i < COUNT(logins); i++) {
        struct account a;
        struct err why;
        assert_int_equal(account_find(logins[i], MIN, &a, &why), -ENOENT);
        assert_null(a.gids);
    }
}

static void an_account_has_its_uid_and_gid(void **state)
{
    struct account a;
    struct err why;
    (void)state;
    assert_int_equal(account_find("root", 0, &a, &why), 0);
    assert_int_equal(a.uid, 0);
    assert_int_equal(a.gid, 0);
    free(a.gids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_the_system_and_ones_own_are_left_out),
        cmocka_unit_test(more_groups_than_a_job_may_have_are_counted_and_the_rest_fits),
        cmocka_unit_test(who_is_nobody_or_the_systems_has_no_account),
        cmocka_unit_test(an_account_has_its_uid_and_gid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
