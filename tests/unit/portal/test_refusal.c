// SPDX-License-Identifier: Apache-2.0
/* Refusals say the number and the remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/place.h"
#include "portal/refusal.h"
#include "portal/shown.h"
#include "runner/base/cleanup.h"

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static void a_spent_budget_names_hold_free_and_what_fits(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct spec s = {
        .project = "climate", .nodes = 1, .gpus_per_node = 8, .time_limit_ms = 48 * HOUR};
    struct place_result p = {
        .answer = PLACE_NO_BUDGET, .hold_gpums = 384 * HOUR, .free_gpums = 120 * HOUR};
    (void)state;
    struct refusal r = refusal_of(a, &s, &p, NULL, 0);
    assert_int_equal(r.status, 422);
    assert_string_equal(r.type, "no-budget");
    assert_string_equal(r.detail,
                        "The job would hold 384.0 GPU-hours (8 GPUs for 2 d), but project "
                        "climate has 120.0 free for you.");
    assert_string_equal(r.remedy,
                        "8 GPUs for at most 15 h would fit. Ask for fewer GPUs or less "
                        "time, or ask the project's PI for more GPU-hours.");
    assert_string_equal(r.at_field, "At most 15 h fits with 8 GPUs");
    p.hold_gpums = 768 * HOUR;
    assert_non_null(
        strstr(refusal_of(a, &s, &p, NULL, 0).detail, "(8 GPUs for 2 d, counted ×2)"));
    arena_free(a);
}

static void a_spent_budget_names_the_allocation_that_was_asked_for(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct spec s = {.project = "climate",
                     .allocation = 3,
                     .nodes = 1,
                     .gpus_per_node = 1,
                     .time_limit_ms = 2 * HOUR};
    struct place_result p = {
        .answer = PLACE_NO_BUDGET, .hold_gpums = 2 * HOUR, .free_gpums = HOUR};
    (void)state;
    struct refusal r = refusal_of(a, &s, &p, NULL, 0);
    assert_string_equal(r.detail, "The job would hold 2.0 GPU-hours (1 GPU for 2 h), but "
                                  "allocation 3 of project climate has 1.0 free for you.");
    assert_string_equal(r.remedy,
                        "1 GPU for at most 1 h would fit. Ask for fewer GPUs or less time, "
                        "choose another allocation, or ask the project's PI for more "
                        "GPU-hours.");
    p.free_gpums = 0;
    assert_string_equal(refusal_of(a, &s, &p, NULL, 0).remedy,
                        "Wait until running jobs give back what they do not use, choose "
                        "another allocation, or ask the project's PI for more GPU-hours.");
    arena_free(a);
}

static void an_allocation_that_cannot_be_used_says_why(void **state)
{
    static const struct {
        int64_t from_ms, until_ms;
        const char *at_field, *detail;
    } cases[] = {
        {0, 90 * DAY, "Ended on 31 March 1970",
         "The term of allocation 3 of project climate ended on 31 March 1970."},
        {120 * DAY, 200 * DAY, "Begins on 1 May 1970",
         "The term of allocation 3 of project climate, which has 5.0 GPU-hours free, begins on "
         "1 May 1970."},
        {0, 200 * DAY, "Closed",
         "Allocation 3 of project climate is closed; 5.0 GPU-hours of it are free."},
    };
    struct arena *a = arena_new(64 * 1024);
    struct spec s = {.project = "climate", .allocation = 3};
    struct place_result p = {.answer = PLACE_NO_ALLOCATION};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct balance b = {.allocation_id = 3,
                            .from_ms = cases[i].from_ms,
                            .until_ms = cases[i].until_ms,
                            .free_gpums = 5 * HOUR};
        struct refusal r = refusal_of(a, &s, &p, &b, 100 * DAY);
        assert_string_equal(r.field, "allocation");
        assert_string_equal(r.at_field, cases[i].at_field);
        assert_string_equal(r.detail, cases[i].detail);
        assert_string_equal(r.remedy,
                            "Choose another allocation, or none: then the one that ends first "
                            "and has enough is taken.");
    }
    assert_string_equal(refusal_of(a, &s, &p, NULL, 0).detail,
                        "Project climate has no allocation 3.");
    s.allocation = 0;
    assert_string_equal(refusal_of(a, &s, &p, NULL, 0).field, "project");
    arena_free(a);
}

static void amounts_that_differ_a_little_are_shown_to_differ(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    struct shown_pair p = shown_hours_pair(a, 8 * HOUR + 3600, 8 * HOUR);
    assert_string_equal(p.a, "8.001");
    assert_string_equal(p.b, "8.000");
    assert_string_equal(shown_hours(a, 12096), "0.003");
    assert_string_equal(shown_hours(a, 1), "<0.001");
    assert_string_equal(shown_hours(a, 0), "0.0");
    arena_free(a);
}

/* What fits must really fit: its hold is not more than what is free. */
static void what_is_said_to_fit_fits(void **state)
{
    static const int64_t limits[] = {1000, 59999, 90 * 60000, 48 * HOUR, 744 * HOUR};
    static const int64_t frees[] = {0, 1, 999, 3600000, 118 * HOUR + 7, INT64_C(1) << 50};
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++)
        for (size_t k = 0; k < COUNT(frees); k++)
            for (int64_t gpus = 1; gpus <= 64; gpus *= 4) {
                int64_t fit = refusal_fitting_ms(limits[i], gpus * limits[i], frees[k]);
                assert_true(fit >= 0 && fit * gpus <= frees[k]);
                assert_int_equal(fit % 1000, 0);
            }
}

static void a_limit_says_whose_it_is_how_much_it_is_and_what_was_asked(void **state)
{
    static const struct {
        struct place_result result;
        const char *type, *field, *detail;
    } cases[] = {
        {{.answer = PLACE_TOO_LONG, .limit_scope = "everyone", .limit_value = 24 * HOUR},
         "too-long",
         "time_limit",
         "Jobs of one person may run for at most 1 d, and this one asks for 2 d."},
        {{.answer = PLACE_TOO_LONG, .limit_scope = "project", .limit_value = HOUR},
         "too-long",
         "time_limit",
         "Jobs of project climate may run for at most 1 h, and this one asks for 2 d."},
        {{.answer = PLACE_TYPE_REFUSED, .limit_scope = "person", .limit_text = "a100,t4"},
         "gpu-type-refused",
         "gpu_type",
         "Your jobs may use these GPU types alone: a100,t4. This one asks for h100."},
        {{.answer = PLACE_TOO_MANY_GPUS, .limit_scope = "tenant", .limit_value = 4},
         "too-many-gpus",
         "gpus_per_node",
         "Jobs of the project's university may have at most 4 GPUs at once, and this one alone "
         "needs 16."},
        {{.answer = PLACE_TOO_MANY_WAITING,
          .limit_scope = "person",
          .limit_value = 20,
          .limit_there = 21},
         "too-many-waiting",
         "",
         "Your jobs may wait in the queue up to 20 at a time, and 21 wait there now."},
    };
    struct arena *a = arena_new(64 * 1024);
    struct spec s = {.project = "climate",
                     .nodes = 2,
                     .gpus_per_node = 8,
                     .time_limit_ms = 48 * HOUR,
                     .gpu_type = "h100"};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct refusal r = refusal_of(a, &s, &cases[i].result, NULL, 0);
        assert_string_equal(r.type, cases[i].type);
        assert_string_equal(r.field, cases[i].field);
        assert_string_equal(r.detail, cases[i].detail);
        assert_int_equal(r.status, 422);
        assert_true(r.remedy && *r.remedy);
    }
    arena_free(a);
}

static void every_answer_has_a_sentence_and_a_remedy(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct spec s = {.project = "climate",
                     .nodes = 1,
                     .gpus_per_node = 1,
                     .time_limit_ms = HOUR,
                     .gpu_type = "any"};
    (void)state;
    for (int i = PLACE_OTHER_CONTENT; i <= PLACE_TOO_MANY_WAITING; i++) {
        struct place_result p = {.answer = (enum place_answer)i, .hold_gpums = HOUR};
        struct refusal r = refusal_of(a, &s, &p, NULL, 0);
        assert_true(r.detail && *r.detail && r.remedy && *r.remedy && *r.type && r.field);
        assert_true(r.status >= 400 && r.status < 500);
    }
    arena_free(a);
}

static void a_key_is_32_digits(void **state)
{
    (void)state;
    assert_true(place_is_key("0123456789abcdef0123456789abcdef"));
    assert_false(place_is_key("0123456789abcdef0123456789abcde"));
    assert_false(place_is_key("0123456789abcdef0123456789abcdef0"));
    assert_false(place_is_key("0123456789ABCDEF0123456789abcdef"));
    assert_false(place_is_key(""));
}

static void the_form_offers_what_the_cluster_has(void **state)
{
    struct cluster c = {.nodes = 2,
                        .gpus_per_node = 8,
                        .gpus = 12,
                        .prices = {{"a100", 1000}, {"h100", 2500}},
                        .price_count = 2};
    struct cluster unknown = {0};
    (void)state;
    struct spec_limits l = cluster_limits(&c, HOUR);
    assert_int_equal(l.gpus_per_node, 8);
    assert_int_equal(l.gpus, 12);
    assert_int_equal(cluster_limits(&unknown, HOUR).gpus_per_node, 64);
    assert_int_equal(cluster_weight(&c, "any"), 2500);
    assert_int_equal(cluster_weight(&c, "a100"), 1000);
    assert_int_equal(cluster_weight(&c, "v100"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spent_budget_names_hold_free_and_what_fits),
        cmocka_unit_test(a_spent_budget_names_the_allocation_that_was_asked_for),
        cmocka_unit_test(an_allocation_that_cannot_be_used_says_why),
        cmocka_unit_test(amounts_that_differ_a_little_are_shown_to_differ),
        cmocka_unit_test(what_is_said_to_fit_fits),
        cmocka_unit_test(a_limit_says_whose_it_is_how_much_it_is_and_what_was_asked),
        cmocka_unit_test(every_answer_has_a_sentence_and_a_remedy),
        cmocka_unit_test(a_key_is_32_digits),
        cmocka_unit_test(the_form_offers_what_the_cluster_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
