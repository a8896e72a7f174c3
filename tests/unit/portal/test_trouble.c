// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "portal/trouble.h"
#include "runner/base/cleanup.h"

static void a_trouble_is_new_once_while_it_lasts(void **state)
{
    static const struct {
        const char *what;
        int64_t now_ms;
        bool is_new;
    } cases[] = {
        {"the server is away", 1000, true},
        {"the server is away", 1001, false},
        {"the connection was lost", 1002, true}, /* another worker's words */
        {"the server is away", 1003, false},
        {"the connection was lost", 1004, false},
        {"the server is away", 1003 + TROUBLE_OVER_MS,
         false}, /* it lasts as long as it is met */
        {"the server is away", 1003 + 2 * TROUBLE_OVER_MS, false},
        {"the server is away", 1004 + 3 * TROUBLE_OVER_MS, true},
    };
    struct troubles t = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(trouble_is_new(&t, cases[i].what, cases[i].now_ms), cases[i].is_new);
}

static void the_one_not_met_for_longest_is_forgotten(void **state)
{
    struct troubles t = {0};
    char what[24];
    (void)state;
    for (int i = 0; i <= TROUBLES; i++) {
        snprintf(what, sizeof(what), "trouble %d", i);
        assert_true(trouble_is_new(&t, what, 100 + i));
    }
    assert_false(trouble_is_new(&t, "trouble 1", 200));
    assert_true(trouble_is_new(&t, "trouble 0", 200));
}

static void a_long_sentence_is_known_again(void **state)
{
    static char what[2 * sizeof(struct err)];
    struct troubles t = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(what) - 1; i++)
        what[i] = 'x';
    assert_true(trouble_is_new(&t, what, 1));
    assert_false(trouble_is_new(&t, what, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trouble_is_new_once_while_it_lasts),
        cmocka_unit_test(the_one_not_met_for_longest_is_forgotten),
        cmocka_unit_test(a_long_sentence_is_known_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
