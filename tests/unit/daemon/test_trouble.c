// SPDX-License-Identifier: Apache-2.0
/* When trouble is told, second after second. */
#include "runner/daemon/trouble.h"

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void what_lasts_is_told_once_a_minute_and_what_is_new_at_once(void **state)
{
    static const struct {
        int64_t at_ms;
        const char *text;
        bool want;
    } cases[] = {
        {5, "the agent is away", true},      {1005, "the agent is away", false},
        {60004, "the agent is away", false}, {60005, "the agent is away", true},
        {61005, "the agent is away", false}, {62005, "it answers nonsense", true},
        {63005, "the agent is away", true},  {64005, "the agent is away", false},
        {900000, "the agent is away", true},
    };
    struct trouble t = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err why;
        err_set(&why, -1, "%s", cases[i].text);
        if (trouble_is_news(&t, &why, cases[i].at_ms) != cases[i].want)
            fail_msg("case %zu: %s", i, cases[i].text);
    }
}

static void what_was_over_is_news_again(void **state)
{
    struct trouble t = {0};
    const struct err why = {"the disk is full"};
    (void)state;
    assert_true(trouble_is_news(&t, &why, 1000));
    trouble_end(&t);
    assert_true(trouble_is_news(&t, &why, 1001));
    assert_false(trouble_is_news(&t, &why, 1002));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lasts_is_told_once_a_minute_and_what_is_new_at_once),
        cmocka_unit_test(what_was_over_is_news_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
