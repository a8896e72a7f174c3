// SPDX-License-Identifier: Apache-2.0
/* An allocation in words: its term, its forecast, its notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "portal/shown.h"
#include "portal/shown_budget.h"
#include "runner/base/cleanup.h"

#define HOUR INT64_C(3600000)
#define DAY FORECAST_DAY_MS
#define JANUARY INT64_C(1767222000000) /* 2026-01-01 00:00 in Berlin */
#define NOW (JANUARY + 100 * DAY)

static struct budget_row row(void)
{
    return (struct budget_row){.project = "climate",
                               .title = "Climate",
                               .tenant = "north",
                               .is_project_open = true,
                               .allocation_id = 7,
                               .from_ms = JANUARY,
                               .until_ms = JANUARY + 365 * DAY,
                               .is_open = true,
                               .free_gpums = 50 * HOUR,
                               .held_gpums = 10 * HOUR,
                               .used_gpums = 40 * HOUR,
                               .recent_gpums = 30 * HOUR};
}

static const char *text(const json_t *j, const char *name)
{
    return json_string_value(json_object_get(j, name));
}

static void an_allocation_is_told_with_its_last_day_and_the_pace(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct budget_row b = row();
    (void)state;
    json_t *j = shown_budget(a, &b, NOW);
    assert_string_equal(text(j, "term"), "1 January 2026 to 31 December 2026");
    assert_string_equal(text(j, "forecast"), "at this pace until 10 June 2026");
    assert_string_equal(text(j, "free"), "50.0");
    assert_string_equal(text(j, "total"), "100.0");
    assert_int_equal(json_integer_value(json_object_get(j, "used_permille")), 400);
    assert_int_equal(json_integer_value(json_object_get(j, "held_permille")), 100);
    assert_int_equal(json_array_size(json_object_get(j, "notices")), 0);
    assert_null(json_object_get(j, "share"));
    json_decref(j);
    arena_free(a);
}

static void what_takes_no_jobs_says_why_instead_of_a_forecast(void **state)
{
    static const struct {
        bool is_project_open, is_open;
        int64_t from, until;
        const char *words;
    } cases[] = {
        {false, true, JANUARY, NOW + DAY, "the project is closed"},
        {true, false, JANUARY, NOW + DAY, "closed"},
        {true, true, NOW + DAY, NOW + 2 * DAY, "not begun yet"},
        {true, true, JANUARY, NOW, "the term is over"},
    };
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct budget_row b = row();
        b.is_project_open = cases[i].is_project_open;
        b.is_open = cases[i].is_open;
        b.from_ms = cases[i].from;
        b.until_ms = cases[i].until;
        json_t *j = shown_budget(a, &b, NOW);
        assert_string_equal(text(j, "forecast"), cases[i].words);
        assert_true(json_is_false(json_object_get(j, "is_open")));
        json_decref(j);
    }
    arena_free(a);
}

static void passed_thresholds_become_notices(void **state)
{
    static const struct {
        int64_t free, used, days;
        const char *first, *second;
    } cases[] = {
        {100, 0, 100, NULL, NULL},
        {25, 75, 100, "More than 75 % of it is used.", NULL},
        {9, 91, 100, "More than 90 % of it is used.", NULL},
        {0, 100, 100, "All of it is used.", NULL},
        {1, 399, 100, "It is as good as used up: 1.0 GPU-hours are left.", NULL},
        {100, 0, 30, "The term ends in 30 days; what is not used by then expires.", NULL},
        {100, 0, 1, "The term ends in 1 day; what is not used by then expires.", NULL},
        {0, 100, 2, "All of it is used.",
         "The term ends in 2 days; what is not used by then expires."},
        {0, 100, 0, NULL, NULL}, /* over */
    };
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct budget_row b = row();
        b.free_gpums = cases[i].free * HOUR;
        b.held_gpums = 0;
        b.used_gpums = cases[i].used * HOUR;
        b.until_ms = NOW + cases[i].days * DAY;
        json_t *j = shown_budget(a, &b, NOW), *list = json_object_get(j, "notices");
        const char *wanted[] = {cases[i].first, cases[i].second};
        size_t count = (cases[i].first != NULL) + (cases[i].second != NULL);
        assert_int_equal(json_array_size(list), count);
        for (size_t k = 0; k < count; k++)
            assert_string_equal(text(json_array_get(list, k), "text"), wanted[k]);
        json_decref(j);
    }
    arena_free(a);
}

static void what_is_all_held_is_said_to_be_free_for_nobody(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct budget_row b = row();
    (void)state;
    b.free_gpums = 0;
    json_t *j = shown_budget(a, &b, NOW), *list = json_object_get(j, "notices");
    assert_string_equal(text(json_array_get(list, json_array_size(list) - 1), "text"),
                        "Nothing is free for a new job until jobs give back what they hold.");
    json_decref(j);
    arena_free(a);
}

static void members_are_told_to_who_runs_the_project_and_his_own_part_to_another(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct budget_member rows[] = {
        {0, 3, "bob", "north", "Bob", "member", JANUARY, 0, 0, false, 0, 0},
        {7, 3, "bob", "north", "Bob", "member", JANUARY, 2 * HOUR, HOUR, false, 0, 0},
        {7, 4, "ann", "north", "Ann", "pi", JANUARY, 5 * HOUR, 0, false, 0, 0},
        {8, 3, "bob", "north", "Bob", "member", JANUARY, 9 * HOUR, 0, false, 0, 0},
    };
    struct budget_member_list l = {rows, COUNT(rows)};
    struct budget_row b = row();
    (void)state;
    json_t *j = shown_budget(a, &b, NOW);
    shown_budget_put_members(a, j, &l, 4, true);
    assert_int_equal(json_array_size(json_object_get(j, "members")), 2);
    assert_null(json_object_get(j, "mine"));
    shown_budget_put_members(a, j, &l, 3, false);
    assert_int_equal(json_array_size(json_object_get(j, "members")), 0);
    assert_string_equal(text(json_object_get(j, "mine"), "mine_used"), "2.0");
    assert_string_equal(text(json_object_get(j, "mine"), "mine_held"), "1.0");
    shown_budget_put_members(a, j, &l, 99, false);
    assert_string_equal(text(json_object_get(j, "mine"), "mine_used"), "0.0");
    json_decref(j);
    arena_free(a);
}

static void rows_are_gathered_by_project(void **state)
{
    struct budget_row rows[] = {row(), row(), row()};
    struct budget_list list = {rows, COUNT(rows)};
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    rows[1].allocation_id = 8;
    rows[2].project = "optics";
    rows[2].project_id = 2;
    rows[2].allocation_id = 0;
    json_t *projects = shown_budgets(a, &list, NOW);
    assert_int_equal(json_array_size(projects), 2);
    json_t *optics = json_array_get(projects, 1);
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(projects, 0), "allocations")), 2);
    assert_string_equal(text(optics, "project"), "optics");
    assert_true(json_is_false(json_object_get(optics, "has_allocations")));
    json_decref(projects);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_told_with_its_last_day_and_the_pace),
        cmocka_unit_test(what_takes_no_jobs_says_why_instead_of_a_forecast),
        cmocka_unit_test(passed_thresholds_become_notices),
        cmocka_unit_test(what_is_all_held_is_said_to_be_free_for_nobody),
        cmocka_unit_test(members_are_told_to_who_runs_the_project_and_his_own_part_to_another),
        cmocka_unit_test(rows_are_gathered_by_project),
    };
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
