// SPDX-License-Identifier: Apache-2.0
/* Which months an attempt is charged to: at a month's end and at its own, and that both
 * together are its total exactly. */
#include "quota/charge.h"

#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

/* The months of Europe/Berlin around its clock changes: of 29 March and 25 October 2026. */
#define FEB INT64_C(1769900400000)
#define MAR INT64_C(1772319600000)
#define APR INT64_C(1774994400000) /* 743 hours later: an hour is missing */
#define OCT INT64_C(1790805600000)
#define NOV INT64_C(1793487600000) /* 745 hours later: one came twice */
#define DEC INT64_C(1796079600000)
enum { HOUR = PRICE_HOUR_MS };

static const struct price_month spring[] = {{202602, FEB, MAR}, {202603, MAR, APR}};
static const struct price_month autumn[] = {{202610, OCT, NOV}, {202611, NOV, DEC}};
static const struct price_month plain[] = {
    {202610, 0, 1000}, {202611, 1000, 2000}, {202612, 2000, 3000}, {202701, 3000, 4000}};

static struct charge_months months_of(const struct price_month *months, int count)
{
    struct charge_months m = {.month_count = count};
    memcpy(m.months, months, sizeof(*months) * (size_t)count);
    return m;
}

static void post(struct charge_months *m, const struct charge_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        m->posted[m->posted_count++] = parts[i];
}

static void a_month_that_is_over_is_charged_what_was_metered_before_its_end(void **state)
{
    static const struct {
        struct charge_meter meter; /* gpus, weight, begin, run, at, left of the limit */
        struct charge_part wanted[3];
        int count;
    } cases[] = {
        {{2, 1000, 500, 400, 900, 9999}, {{0}}, 0}, /* the month goes on */
        {{2, 1000, 500, 700, 1200, 9999}, {{202610, 1000, 1000}}, 1},
        {{2, 1000, 500, 500, 1000, 9999}, {{202610, 1000, 1000}}, 1}, /* at the very end */
        {{2, 1000, 500, 499, 999, 9999}, {{0}}, 0},
        {{2, 1500, 500, 700, 1200, 9999}, {{202610, 1500, 1000}}, 1},
        {{2, 1, 500, 700, 1200, 9999}, {{202610, 1, 1000}}, 1},
        {{3, 333, 500, 700, 1200, 9999}, {{202610, 499, 1500}}, 1},
        {{1, 1000, 500, 100, 1200, 9999}, {{0}}, 0}, /* all of it ran after the end */
        {{1, 1000, 500, 200, 1200, 9999}, {{0}}, 0},
        {{1, 1000, 500, 201, 1200, 9999}, {{202610, 1, 1}}, 1},
        {{1, 1000, 1000, 200, 1200, 9999}, {{0}}, 0}, /* it began with the month */
        {{0, 1000, 500, 700, 1200, 9999}, {{0}}, 0},
        {{1, 1000, 500, 700, 1200, 300},
         {{202610, 300, 300}},
         1}, /* never more than the limit */
        {{1, 1000, 500, 700, 1200, 0}, {{0}}, 0},
        {{1, 1000, 500, 700, 1200, -5}, {{0}}, 0},
        {{1, 1000, 500, 1700, 2200, 9999}, {{202610, 500, 500}, {202611, 1000, 1000}}, 2},
        {{1, 1000, 500, 2700, 3200, 9999},
         {{202610, 500, 500}, {202611, 1000, 1000}, {202612, 1000, 1000}},
         3},
        {{1, 1000, 500, 2700, 3200, 700}, {{202610, 500, 500}, {202611, 200, 200}}, 2},
        {{1, 1000, 500, 1500, 3200, 9999}, {{202611, 300, 300}, {202612, 1000, 1000}}, 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charge_months m = months_of(plain, COUNT(plain));
        struct charge_part got[CHARGE_MONTHS_MAX];
        assert_int_equal(charge_past(&cases[i].meter, &m, got), cases[i].count);
        for (int k = 0; k < cases[i].count; k++) {
            assert_int_equal(got[k].month, cases[i].wanted[k].month);
            assert_int_equal(got[k].gpums, cases[i].wanted[k].gpums);
            assert_int_equal(got[k].raw_gpums, cases[i].wanted[k].raw_gpums);
        }
    }
}

static void a_posted_month_is_not_charged_again(void **state)
{
    struct charge_months m = months_of(plain, COUNT(plain));
    struct charge_part got[CHARGE_MONTHS_MAX];
    struct charge_meter meter = {2, 1000, 500, 700, 1200, 9999};
    (void)state;
    int n = charge_past(&meter, &m, got);
    post(&m, got, n);
    assert_int_equal(charge_past(&meter, &m, got), 0);
    meter.run_ms += 300;
    meter.at_ms += 300;
    assert_int_equal(charge_past(&meter, &m, got), 0);
    meter.run_ms = 2700; /* two further months have ended since */
    meter.at_ms = 3200;
    n = charge_past(&meter, &m, got);
    assert_int_equal(n, 2);
    assert_int_equal(got[0].month, 202611);
    assert_int_equal(got[0].gpums, 2000);
    assert_int_equal(got[1].month, 202612);
    post(&m, got, n);
    meter.run_ms = 100; /* a meter that lost its memory takes nothing back */
    assert_int_equal(charge_past(&meter, &m, got), 0);
}

static void what_is_left_goes_to_the_months_without_a_charge(void **state)
{
    static const struct {
        struct charge_total total; /* gpums, raw, begin, end */
        struct charge_part posted[2];
        int posted_count;
        struct charge_part wanted[3];
        int count;
    } cases[] = {
        {{100, 200, 100, 900}, {{0}}, 0, {{202610, 100, 200}}, 1},
        {{0, 0, 100, 900}, {{0}}, 0, {{0}}, 0},
        {{100, 200, 500, 1500}, {{0}}, 0, {{202610, 50, 100}, {202611, 50, 100}}, 2},
        {{100, 200, 500, 1500}, {{202610, 40, 80}}, 1, {{202611, 60, 120}}, 1},
        {{100, 200, 500, 2500}, {{202610, 40, 80}}, 1, {{202611, 40, 80}, {202612, 20, 40}}, 2},
        {{100, 200, 500, 2500},
         {{202610, 40, 80}, {202611, 50, 100}},
         2,
         {{202612, 10, 20}},
         1},
        {{100, 200, 500, 1500}, {{202610, 100, 200}}, 1, {{0}}, 0}, /* nothing is left */
        {{100, 200, 500, 1500}, {{202610, 120, 240}}, 1, {{0}}, 0},
        {{100, 200, 500, 1000}, {{202610, 40, 80}}, 1, {{202611, 60, 120}}, 1},
        {{100, 200, 500, 900},
         {{202610, 40, 80}},
         1,
         {{202611, 60, 120}},
         1},                                                       /* clock set back */
        {{1, 1000, 500, 2500}, {{0}}, 0, {{202612, 1, 1000}}, 1},  /* no raw part is lost */
        {{100, 200, 700, 700}, {{0}}, 0, {{202610, 100, 200}}, 1}, /* without length */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charge_months m = months_of(plain, COUNT(plain));
        struct charge_part got[CHARGE_MONTHS_MAX];
        post(&m, cases[i].posted, cases[i].posted_count);
        assert_int_equal(charge_rest(&cases[i].total, &m, got), cases[i].count);
        for (int k = 0; k < cases[i].count; k++) {
            assert_int_equal(got[k].month, cases[i].wanted[k].month);
            assert_int_equal(got[k].gpums, cases[i].wanted[k].gpums);
            assert_int_equal(got[k].raw_gpums, cases[i].wanted[k].raw_gpums);
        }
    }
}

static void a_total_that_no_month_can_take_is_told(void **state)
{
    struct charge_months m = months_of(plain, 1);
    struct charge_part got[CHARGE_MONTHS_MAX];
    struct charge_total late = {100, 100, 5000, 6000};
    (void)state;
    assert_int_equal(charge_rest(&late, &m, got), 0);
    assert_int_equal(charge_left(&late, &m), 100);
    post(&m, (struct charge_part[]){{202610, 40, 40}}, 1);
    assert_int_equal(charge_rest(&late, &m, got), 0);
    assert_int_equal(charge_left(&late, &m), 60);
}

static void an_hour_is_an_hour_when_the_clocks_change(void **state)
{
    static const struct {
        const struct price_month *months;
        int64_t begin_ms;
        int64_t first_hours, second_hours;
    } cases[] = {
        {spring, MAR - 10 * (int64_t)HOUR, 10, 20},
        {spring, MAR - 1 * (int64_t)HOUR, 1, 743},
        {autumn, OCT, 745, 3},
        {autumn, NOV - 5 * (int64_t)HOUR, 5, 100},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct charge_months m = months_of(cases[i].months, 2);
        struct charge_part got[CHARGE_MONTHS_MAX];
        int64_t first = cases[i].first_hours * HOUR, second = cases[i].second_hours * HOUR;
        struct charge_meter meter = {8,
                                     1000,
                                     cases[i].begin_ms,
                                     first + HOUR,
                                     cases[i].begin_ms + first + HOUR,
                                     first + second};
        assert_int_equal(charge_past(&meter, &m, got), 1);
        assert_int_equal(got[0].gpums, 8 * first);
        post(&m, got, 1);
        struct charge_total total = {8 * (first + second), 8 * (first + second),
                                     cases[i].begin_ms, cases[i].begin_ms + first + second};
        assert_int_equal(charge_rest(&total, &m, got), 1);
        assert_int_equal(got[0].month, cases[i].months[1].month);
        assert_int_equal(got[0].gpums, 8 * second);
    }
}

/* An attempt looked at every `step` ms until it ends; what is posted at last is its total. */
static void run_through(int64_t gpus, int64_t weight, int64_t begin, int64_t length,
                        int64_t step)
{
    struct charge_months m = months_of(plain, COUNT(plain));
    struct charge_part got[CHARGE_MONTHS_MAX];
    struct charge_total total = {0, gpus * length, begin, begin + length};
    int64_t sum = 0, raw = 0;
    assert_int_equal(price_gpums(gpus, length, weight, &total.gpums), 0);
    for (int64_t ran = 0; ran < length; ran += step) {
        struct charge_meter meter = {gpus, weight, begin, ran, begin + ran, length};
        post(&m, got, charge_past(&meter, &m, got));
    }
    post(&m, got, charge_rest(&total, &m, got));
    for (int i = 0; i < m.posted_count; i++) {
        assert_true(m.posted[i].gpums > 0 && m.posted[i].raw_gpums >= 0);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(m.posted[i].month, m.posted[k].month);
        sum += m.posted[i].gpums;
        raw += m.posted[i].raw_gpums;
    }
    assert_int_equal(sum, total.gpums);
    assert_true(raw <= total.raw_gpums); /* what is missing has no weighted part */
    assert_true((total.raw_gpums - raw) * weight < 1000);
}

static void the_months_come_to_the_total_whenever_it_is_looked_at(void **state)
{
    static const int64_t weights[] = {1, 333, 1000, 1777};
    (void)state;
    for (size_t w = 0; w < COUNT(weights); w++)
        for (int64_t begin = 0; begin < 2000; begin += 199)
            for (int64_t length = 0; begin + length < 4000; length += 173)
                for (int64_t step = 61; step < 3000; step = step * 3 + 7)
                    run_through(3, weights[w], begin, length, step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_that_is_over_is_charged_what_was_metered_before_its_end),
        cmocka_unit_test(a_posted_month_is_not_charged_again),
        cmocka_unit_test(what_is_left_goes_to_the_months_without_a_charge),
        cmocka_unit_test(a_total_that_no_month_can_take_is_told),
        cmocka_unit_test(an_hour_is_an_hour_when_the_clocks_change),
        cmocka_unit_test(the_months_come_to_the_total_whenever_it_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
