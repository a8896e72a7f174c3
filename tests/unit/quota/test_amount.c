// SPDX-License-Identifier: Apache-2.0
/* GPU-hours as typed and as printed. */
#include "quota/amount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void hours_become_exact_gpums(void **state)
{
    static const struct {
        const char *text;
        int64_t gpums;
    } cases[] = {
        {"1", 3600000},   {"118.5", 426600000}, {"0.001", 3600},
        {"0.010", 36000}, {"1.25", 4500000},    {"1000000000", INT64_C(3600000000000000)},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t n = -1;
        assert_int_equal(amount_parse(cases[i].text, &n, NULL), 0);
        assert_int_equal(n, cases[i].gpums);
    }
}

static void everything_else_is_refused_with_value_and_remedy(void **state)
{
    static const char *const cases[] = {"-1",
                                        "0",
                                        "0.000",
                                        "0.0001",
                                        "9223372036854775808",
                                        "NaN",
                                        "1e309",
                                        "0x10",
                                        " 5",
                                        "5 ",
                                        "",
                                        "+1",
                                        "1,5",
                                        ".5",
                                        "1.",
                                        "inf",
                                        "1h",
                                        "--1",
                                        "5\n",
                                        "1.2.3",
                                        "1000000000.001",
                                        "99999999999999999999999999999999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t n = 42;
        struct err e = {""};
        char value[44];
        snprintf(value, sizeof(value), "'%.40s'", cases[i]);
        assert_int_equal(amount_parse(cases[i], &n, &e), -EINVAL);
        assert_int_equal(n, 42);
        assert_non_null(strstr(e.text, value));
        assert_non_null(strstr(e.text, "like 118.5"));
    }
}

static void amounts_are_printed_with_three_decimals(void **state)
{
    static const struct {
        int64_t gpums;
        const char *hours, *minutes, *seconds;
    } cases[] = {
        {0, "0.000", "0.000", "0.000"},
        {3600000, "1.000", "60.000", "3600.000"},
        {1800, "0.001", "0.030", "1.800"}, /* half a thousandth rounds away from zero */
        {1799, "0.000", "0.030", "1.799"},
        {-1800, "-0.001", "-0.030", "-1.800"},
        {-1, "0.000", "0.000", "-0.001"},
        {INT64_MAX, "2562047788015.216", "153722867280912.930", "9223372036854775.807"},
        {INT64_MIN, "-2562047788015.216", "-153722867280912.930", "-9223372036854775.808"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[AMOUNT_TEXT];
        amount_text(cases[i].gpums, AMOUNT_HOURS, text);
        assert_string_equal(text, cases[i].hours);
        amount_text(cases[i].gpums, AMOUNT_MINUTES, text);
        assert_string_equal(text, cases[i].minutes);
        amount_text(cases[i].gpums, AMOUNT_SECONDS, text);
        assert_string_equal(text, cases[i].seconds);
    }
}

static void weights_are_thousandths(void **state)
{
    int64_t n = 0;
    (void)state;
    assert_int_equal(amount_parse_weight("0.25", &n, NULL), 0);
    assert_int_equal(n, 250);
    assert_int_equal(amount_parse_weight("100", &n, NULL), 0);
    assert_int_equal(n, 100000);
    static const char *const bad[] = {"0", "-1", "100.001", "0.0001", "x", ""};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(amount_parse_weight(bad[i], &n, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_become_exact_gpums),
        cmocka_unit_test(everything_else_is_refused_with_value_and_remedy),
        cmocka_unit_test(amounts_are_printed_with_three_decimals),
        cmocka_unit_test(weights_are_thousandths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
