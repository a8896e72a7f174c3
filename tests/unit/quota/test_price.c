// SPDX-License-Identifier: Apache-2.0
/* The arithmetic of GPU-time: floors once, never overflows, loses nothing between months. */
#include "quota/price.h"

#include <errno.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void a_price_is_floored_and_never_overflows(void **state)
{
    static const struct {
        int64_t gpus, run_ms, weight, gpums;
        int r;
    } cases[] = {
        {1, 3600000, 1000, 3600000, 0},
        {8, 1500, 1000, 12000, 0},
        {3, 333, 333, 332, 0}, /* 332.667 */
        {0, 3600000, 1000, 0, 0},
        {1, 0, 1000, 0, 0},
        {1, 1, 999, 0, 0},
        {-1, 1, 1, -7, -ERANGE},
        {1, -1, 1, -7, -ERANGE},
        {1, 1, -1, -7, -ERANGE},
        {INT64_MAX, 2, 1, -7, -ERANGE},
        {1 << 20, INT64_C(1) << 40, 100000, -7, -ERANGE},
        {1, INT64_MAX, 1, INT64_MAX / 1000, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t n = -7;
        assert_int_equal(price_gpums(cases[i].gpus, cases[i].run_ms, cases[i].weight, &n),
                         cases[i].r);
        assert_int_equal(n, cases[i].gpums);
    }
}

static const struct price_month months[] = {
    {202610, 0, 1000}, {202611, 1000, 2000}, {202612, 2000, 3000}};

static void a_charge_is_shared_out_by_the_time_in_each_month(void **state)
{
    static const struct {
        int64_t charge, begin_ms, end_ms, wanted[3];
    } cases[] = {
        {100, 0, 500, {100, 0, 0}},
        {100, 500, 1500, {50, 50, 0}},
        {100, 0, 3000, {33, 33, 34}}, /* the last takes what flooring left */
        {7, 999, 2001, {0, 6, 1}},
        {100, 1000, 2000, {0, 100, 0}}, /* half-open: ends where the next begins */
        {100, 1500, 1500, {0, 100, 0}}, /* without length: the month of its begin */
        {100, 1500, 1400, {0, 100, 0}}, /* the clock was stepped back */
        {0, 0, 3000, {0, 0, 0}},
        {INT64_MAX, 0, 3000, {INT64_MAX / 3, INT64_MAX / 3, INT64_MAX - INT64_MAX / 3 * 2}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t out[3] = {-1, -1, -1}, sum = 0;
        price_by_month(cases[i].charge, cases[i].begin_ms, cases[i].end_ms, months, 3, out);
        for (int k = 0; k < 3; k++)
            sum += out[k];
        assert_int_equal(sum, cases[i].charge);
        for (int k = 0; k < 3; k++)
            assert_in_range(out[k] - cases[i].wanted[k] + 1, 0, 2);
    }
}

static void no_charge_is_lost_whatever_the_times(void **state)
{
    (void)state;
    for (int64_t begin = 0; begin < 3000; begin += 77)
        for (int64_t end = begin; end <= 3000; end += 131)
            for (int64_t charge = 0; charge < 4000; charge += 997) {
                int64_t out[3], sum = 0;
                price_by_month(charge, begin, end, months, 3, out);
                for (int k = 0; k < 3; k++) {
                    assert_true(out[k] >= 0);
                    sum += out[k];
                }
                assert_int_equal(sum, charge);
            }
}

static void hours_are_printed_with_one_decimal(void **state)
{
    static const struct {
        int64_t gpums;
        const char *text;
    } cases[] = {
        {0, "0.0"},         {3600000, "1.0"},   {180000, "0.1"},      {179999, "0.0"},
        {44999999, "12.5"}, {-3600000, "-1.0"}, {360000000, "100.0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[32];
        price_hours_text(cases[i].gpums, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_price_is_floored_and_never_overflows),
        cmocka_unit_test(a_charge_is_shared_out_by_the_time_in_each_month),
        cmocka_unit_test(no_charge_is_lost_whatever_the_times),
        cmocka_unit_test(hours_are_printed_with_one_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
