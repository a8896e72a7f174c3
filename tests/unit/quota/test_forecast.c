// SPDX-License-Identifier: Apache-2.0
/* The forecast of an allocation, at its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quota/forecast.h"
#include "runner/base/cleanup.h"

#define DAY FORECAST_DAY_MS
#define HOUR INT64_C(3600000)
#define NOW (1000 * DAY)

static void what_is_left_lasts_as_long_as_the_last_thirty_days_say(void **state)
{
    static const struct {
        int64_t from, until, free, held, recent;
        enum forecast_kind kind;
        int64_t at;
    } cases[] = {
        /* 30 hours in 30 days is one a day */
        {NOW - 100 * DAY, NOW + 100 * DAY, 10 * HOUR, 0, 30 * HOUR, FORECAST_ENDS,
         NOW + 10 * DAY},
        {NOW - 100 * DAY, NOW + 100 * DAY, 6 * HOUR, 4 * HOUR, 30 * HOUR, FORECAST_ENDS,
         NOW + 10 * DAY},
        {NOW - 100 * DAY, NOW + 100 * DAY, 0, 10 * HOUR, 30 * HOUR, FORECAST_ENDS,
         NOW + 10 * DAY},
        {NOW - 100 * DAY, NOW + 10 * DAY, 10 * HOUR, 0, 30 * HOUR, FORECAST_LASTS, 0},
        {NOW - 100 * DAY, NOW + 10 * DAY + 1, 10 * HOUR, 0, 30 * HOUR, FORECAST_ENDS,
         NOW + 10 * DAY},
        /* a term of ten days so far: three hours a day */
        {NOW - 10 * DAY, NOW + 100 * DAY, 30 * HOUR, 0, 30 * HOUR, FORECAST_ENDS,
         NOW + 10 * DAY},
        /* of an hour so far: counted as a day */
        {NOW - HOUR, NOW + 100 * DAY, 30 * HOUR, 0, 30 * HOUR, FORECAST_ENDS, NOW + DAY},
        {NOW, NOW + 100 * DAY, 30 * HOUR, 0, 30 * HOUR, FORECAST_ENDS, NOW + DAY},
        {NOW + 1, NOW + 100 * DAY, 30 * HOUR, 0, 0, FORECAST_FUTURE, 0},
        {NOW - 100 * DAY, NOW, 30 * HOUR, 0, 30 * HOUR, FORECAST_OVER, 0},
        {NOW - 100 * DAY, NOW + DAY, 0, 0, 30 * HOUR, FORECAST_SPENT, 0},
        {NOW - 100 * DAY, NOW + DAY, 0, 0, 0, FORECAST_SPENT, 0},
        {NOW - 100 * DAY, NOW + DAY, HOUR, HOUR, 0, FORECAST_IDLE, 0},
        {NOW - 100 * DAY, NOW + DAY, HOUR, HOUR, -HOUR, FORECAST_IDLE,
         0}, /* more was refunded */
        {0, INT64_MAX, INT64_MAX, INT64_MAX, 1, FORECAST_LASTS, 0},
        {0, INT64_MAX, 1, 0, INT64_MAX, FORECAST_ENDS, NOW},
        {NOW - 100 * DAY, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, FORECAST_ENDS,
         NOW + 60 * DAY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct forecast_ask ask = {NOW,           cases[i].from, cases[i].until,
                                   cases[i].free, cases[i].held, cases[i].recent};
        struct forecast f = forecast_of(&ask);
        assert_int_equal(f.kind, cases[i].kind);
        assert_int_equal(f.at_ms, cases[i].at);
    }
}

static void the_end_is_never_after_the_term_nor_before_now(void **state)
{
    (void)state;
    for (int64_t recent = 1; recent < 4000 * HOUR; recent = recent * 3 + 1)
        for (int64_t there = 1; there < 4000 * HOUR; there = there * 5 + 7)
            for (int64_t days = 1; days < 800; days += 97) {
                struct forecast_ask ask = {NOW,   NOW - days * DAY, NOW + days * DAY, there, 0,
                                           recent};
                struct forecast f = forecast_of(&ask);
                assert_true(f.kind == FORECAST_LASTS || f.kind == FORECAST_ENDS);
                if (f.kind == FORECAST_ENDS)
                    assert_in_range(f.at_ms, NOW, ask.until_ms - 1);
            }
}

static void thresholds_are_passed_at_whole_per_cents_of_what_was_granted(void **state)
{
    static const struct {
        int64_t free, held, used;
        int threshold;
    } cases[] = {
        {0, 0, 0, 0},
        {100, 0, 0, 0},
        {26, 0, 74, 0},
        {25, 0, 75, 75},
        {0, 25, 75, 75},
        {11, 0, 89, 75},
        {10, 0, 90, 90},
        {0, 1, 99, 90},
        {0, 0, 100, 100},
        {0, 0, 1, 100},
        {1, 0, INT64_MAX, 100},
        {INT64_MAX, INT64_MAX, INT64_MAX, 0},
        /* used up: less than half a per cent is left */
        {4, 0, 996, 100},
        {5, 0, 995, 90},
        {0, 4, 996, 100},
        {3, 2, 995, 90},
        {0, INT64_MAX, INT64_MAX, 0},
        {9, 0, 27, 75},
        {10, 0, 29, 0},
        {101, 0, 899, 75},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(forecast_threshold(cases[i].free, cases[i].held, cases[i].used),
                         cases[i].threshold);
}

static void a_term_ends_soon_in_its_last_thirty_days(void **state)
{
    (void)state;
    assert_true(forecast_term_ends_soon(0, NOW + 30 * DAY, NOW));
    assert_false(forecast_term_ends_soon(0, NOW + 30 * DAY + 1, NOW));
    assert_true(forecast_term_ends_soon(0, NOW + 1, NOW));
    assert_false(forecast_term_ends_soon(0, NOW, NOW));
    assert_false(forecast_term_ends_soon(NOW + 1, NOW + 2, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_lasts_as_long_as_the_last_thirty_days_say),
        cmocka_unit_test(the_end_is_never_after_the_term_nor_before_now),
        cmocka_unit_test(thresholds_are_passed_at_whole_per_cents_of_what_was_granted),
        cmocka_unit_test(a_term_ends_soon_in_its_last_thirty_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
