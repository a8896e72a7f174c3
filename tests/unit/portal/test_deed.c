// SPDX-License-Identifier: Apache-2.0
/* Forms that change something of people: their keys, and refusals that say what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/deed.h"
#include "runner/base/cleanup.h"

static const struct form_field fields[] = {DEED_KEY, DEED_REASON};

static void every_refusal_says_something_and_keeps_what_was_typed(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct request r = {.arena = a};
    (void)state;
    for (int i = ACT_DONE; i < ACT_ANSWERS; i++) {
        struct form_result *f = deed_form(&r, fields, COUNT(fields));
        struct act_result result = {.answer = (enum act_answer)i, .there_gpums = 1};
        deed_set(f, "reason", "as typed");
        int status = deed_refuse(&r, f, "reason", &result);
        if (i == ACT_DONE || i == ACT_SAME) {
            assert_int_equal(status, 0);
            assert_int_equal(f->problems, 0);
            continue;
        }
        assert_true(status >= 400 && status < 500);
        assert_int_equal(f->problems, 1);
        assert_true(strlen(f->values[1].problem) > 20);
        assert_string_equal(form_text(f, "reason"), "as typed");
    }
    arena_free(a);
}

static void a_key_used_for_something_else_is_renewed(void **state)
{
    struct arena *a = arena_new(64 * 1024);
    struct request r = {.arena = a};
    struct form_result *f = deed_form(&r, fields, COUNT(fields));
    const char *first = form_text(f, "key");
    (void)state;
    assert_int_equal(strlen(first), ACT_KEY_LEN);
    deed_refuse(&r, f, NULL, &(struct act_result){.answer = ACT_LAST_PI});
    assert_string_equal(form_text(f, "key"), first);
    deed_refuse(&r, f, NULL, &(struct act_result){.answer = ACT_OTHER_CONTENT});
    assert_string_not_equal(form_text(f, "key"), first);
    arena_free(a);
}

static void what_is_said_to_be_enough_is_enough(void **state)
{
    static const struct {
        int64_t there;
        const char *hours;
    } cases[] = {{1, "0.001"}, {3600, "0.001"}, {3601, "0.002"}, {3600000, "1.000"}};
    struct arena *a = arena_new(64 * 1024);
    struct request r = {.arena = a};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct form_result *f = deed_form(&r, fields, COUNT(fields));
        struct act_result result = {.answer = ACT_TOO_LITTLE, .there_gpums = cases[i].there};
        deed_refuse(&r, f, "reason", &result);
        assert_non_null(strstr(f->values[1].problem, cases[i].hours));
    }
    arena_free(a);
}

static void a_key_that_is_none_is_a_problem_of_the_whole_form(void **state)
{
    static const char *const keys[] = {"",
                                       "x",
                                       "0123456789abcdef0123456789abcde",
                                       "0123456789ABCDEF0123456789ABCDEF",
                                       "0123456789abcdef0123456789abcdeg",
                                       "0123456789abcdef0123456789abcdef0"};
    struct arena *a = arena_new(64 * 1024);
    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct pair pairs[] = {{"key", keys[i]}, {"reason", "because"}};
        struct request r = {.arena = a, .form = {pairs, COUNT(pairs)}};
        struct form_result *f = deed_check(&r, fields, COUNT(fields));
        assert_non_null(f->problem);
        assert_int_equal(strlen(form_text(f, "key")), ACT_KEY_LEN);
        assert_string_equal(form_text(f, "reason"), "because");
    }
    struct pair good[] = {{"key", "0123456789abcdef0123456789abcdef"}, {"reason", "because"}};
    struct request r = {.arena = a, .form = {good, COUNT(good)}};
    assert_int_equal(deed_check(&r, fields, COUNT(fields))->problems, 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_says_something_and_keeps_what_was_typed),
        cmocka_unit_test(a_key_used_for_something_else_is_renewed),
        cmocka_unit_test(what_is_said_to_be_enough_is_enough),
        cmocka_unit_test(a_key_that_is_none_is_a_problem_of_the_whole_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
