// SPDX-License-Identifier: Apache-2.0
/* Values from outside: what is taken, what is refused, and as what. */
#include "runner/base/parse.h"

#include <errno.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void whole_numbers_are_digits_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t n;
    } cases[] = {
        {"0", 0, 0},
        {"7", 0, 7},
        {"-1", 0, -1},
        {"", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 5", -EINVAL, 0},
        {"5 ", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"007", -EINVAL, 0},
        {"1.5", -EINVAL, 0},
        {"1e9", -EINVAL, 0},
        {"NaN", -EINVAL, 0},
        {"5abc", -EINVAL, 0},
        {"101", -ERANGE, 0},
        {"9223372036854775808", -ERANGE, 0},
        {"99999999999999999999x", -EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t n = 0;
        assert_int_equal(parse_i64(cases[i].text, -100, 100, &n), cases[i].r);
        assert_int_equal(n, cases[i].n);
    }
}

static void durations_have_units_or_a_clock(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t ms;
    } cases[] = {
        {"90", 0, 90000},
        {"90s", 0, 90000},
        {"30m", 0, 1800000},
        {"2h", 0, 7200000},
        {"1d12h", 0, 129600000},
        {"02:30:00", 0, 9000000},
        {"100:00:01", 0, 360001000},
        {"25:61", -EINVAL, 0},
        {"1:2:3", -EINVAL, 0},
        {"00:60:00", -EINVAL, 0},
        {"12h1d", -EINVAL, 0},
        {"1h1h", -EINVAL, 0},
        {"1d12", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"h", -EINVAL, 0},
        {"-1h", -EINVAL, 0},
        {"1.5h", -EINVAL, 0},
        {"2 h", -EINVAL, 0},
        {"99999999999d", -ERANGE, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ms = 0;
        assert_int_equal(parse_duration_ms(cases[i].text, 0, INT64_C(4000000000), &ms),
                         cases[i].r);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void gpu_hours_are_exact_to_a_thousandth(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t milli;
    } cases[] = {
        {"118.5", 0, 118500},   {"0.001", 0, 1},       {"8", 0, 8000},
        {"0.0001", -EINVAL, 0}, {"1.", -EINVAL, 0},    {".5", -EINVAL, 0},
        {"-1", -EINVAL, 0},     {"1e309", -EINVAL, 0}, {"NaN", -EINVAL, 0},
        {"0x10", -EINVAL, 0},   {" 5", -EINVAL, 0},    {"9223372036854775807", -ERANGE, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t milli = 0;
        assert_int_equal(parse_gpu_hours(cases[i].text, INT64_C(1000000000000), &milli),
                         cases[i].r);
        assert_int_equal(milli, cases[i].milli);
    }
}

static void sizes_are_powers_of_1024(void **state)
{
    int64_t n = 0;
    (void)state;
    assert_int_equal(parse_size_bytes("16G", 0, INT64_MAX, &n), 0);
    assert_int_equal(n, INT64_C(16) << 30);
    assert_int_equal(parse_size_bytes("16GB", 0, INT64_MAX, &n), -EINVAL);
    assert_int_equal(parse_size_bytes("9999999999T", 0, INT64_MAX, &n), -ERANGE);
}

static void days_count_from_1970_and_know_leap_years(void **state)
{
    int64_t days = -1;
    (void)state;
    assert_int_equal(parse_day("2000-03-01", &days), 0);
    assert_int_equal(days, 11017);
    assert_int_equal(parse_day("2026-11-23", &days), 0);
    assert_int_equal(days, 20780);
    assert_int_equal(parse_day("2100-02-29", &days), -ERANGE);
    assert_int_equal(parse_day("2024-02-29", &days), 0);
    assert_int_equal(parse_day("2024-2-29", &days), -EINVAL);
}

static void utf8_is_checked_to_the_letter(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool is_good;
    } cases[] = {
        {"plain", 5, true},         {"\xf0\x9f\x94\xa5", 4, true},
        {"\xc3\xa9", 2, true},      {"\xc0\x80", 2, false},
        {"\xed\xa0\x80", 3, false}, {"\xf4\x90\x80\x80", 4, false},
        {"\xe2\x82", 2, false},     {"a\0b", 3, false},
        {"\xff", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(parse_is_utf8(cases[i].bytes, cases[i].len), cases[i].is_good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_digits_and_nothing_else),
        cmocka_unit_test(durations_have_units_or_a_clock),
        cmocka_unit_test(gpu_hours_are_exact_to_a_thousandth),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(days_count_from_1970_and_know_leap_years),
        cmocka_unit_test(utf8_is_checked_to_the_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
