// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "portal/form.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"

static const char *const types[] = {"any", "a100", "h100", NULL};
static const int64_t hour_ms = 3600000;

static const struct form_field fields[] = {
    {"name", "Name", FORM_TEXT, .max = 20},
    {"gpus", "GPUs", FORM_INT, .is_required = true, .min = 1, .max = 64},
    {"time_limit", "Time limit", FORM_DURATION, .min = 60000, .max = 48 * hour_ms,
     .value = "1h"},
    {"memory", "Memory", FORM_SIZE, .min = 1 << 20, .max = (int64_t)1 << 40},
    {"gpu_type", "GPU type", FORM_CHOICE, .choices = types, .value = "any"},
    {"project", "Project", FORM_SLUG, .max = 8},
    {"script", "Script", FORM_LINES, .max = 100},
    {"checkpoint", "Checkpoint", .type = FORM_BOOL},
};

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct form_result *check(const char *text)
{
    struct pairs p;
    assert_int_equal(pairs_parse(arena, text, strlen(text), &p, NULL), 0);
    return form_check(arena, fields, COUNT(fields), &p);
}

static const char *problem(const struct form_result *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].field->name, name) == 0)
            return f->values[i].problem;
    return NULL;
}

static void every_wrong_value_has_its_message(void **state)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {
        {"", "gpus", "GPUs: must be given"},
        {"gpus=", "gpus", "GPUs: must be given"},
        {"gpus=0", "gpus", "GPUs: 0 is less than 1"},
        {"gpus=-1", "gpus", "GPUs: -1 is less than 1"},
        {"gpus=9999", "gpus", "GPUs: 9999 is more than 64"},
        {"gpus=1e9", "gpus", "GPUs: \"1e9\" is not a whole number"},
        {"gpus=1.5", "gpus", "GPUs: \"1.5\" is not a whole number"},
        {"gpus=+5", "gpus", "GPUs: \" 5\" is not a whole number"},
        {"gpus=5abc", "gpus", "GPUs: \"5abc\" is not a whole number"},
        {"gpus=0x10", "gpus", "GPUs: \"0x10\" is not a whole number"},
        {"gpus=NaN", "gpus", "GPUs: \"NaN\" is not a whole number"},
        {"gpus=9223372036854775808", "gpus", "GPUs: 9223372036854775808 is more than 64"},
        {"gpus=-9223372036854775809", "gpus", "GPUs: -9223372036854775809 is less than 1"},
        {"gpus=99999999999999999999999999999999999999999999999999", "gpus",
         "GPUs: \"9999999999999999999999999999999999999999…\" is not a whole number"},
        {"time_limit=25:61", "time_limit",
         "Time limit: \"25:61\" is not a duration; write it like 90s, 30m, 2h, 1d12h or "
         "01:30:00"},
        {"time_limit=59s", "time_limit", "Time limit: 59s is less than 1m"},
        {"time_limit=3d", "time_limit", "Time limit: 3d is more than 2d"},
        {"time_limit=-1h", "time_limit",
         "Time limit: \"-1h\" is not a duration; write it like 90s, 30m, 2h, 1d12h or "
         "01:30:00"},
        {"memory=1K", "memory", "Memory: 1K is less than 1M"},
        {"memory=2T", "memory", "Memory: 2T is more than 1T"},
        {"memory=lots", "memory",
         "Memory: \"lots\" is not a size; write it like 512M, 16G or 1T"},
        {"gpu_type=v100", "gpu_type", "GPU type: \"v100\" is not one of the choices"},
        {"project=Vision", "project",
         "Project: \"Vision\" must be of a-z, 0-9 and '-', begin with a letter or digit, and "
         "have "
         "at most 8"},
        {"project=../etc", "project",
         "Project: \"../etc\" must be of a-z, 0-9 and '-', begin with a letter or digit, and "
         "have "
         "at most 8"},
        {"name=a%0Ab", "name", "Name: must be one line without control characters"},
        {"name=a%1B[2J", "name", "Name: must be one line without control characters"},
        {"name=aaaaaaaaaaaaaaaaaaaaa", "name", "Name: has 21 characters, allowed are 0 to 20"},
        {"script=a%07b", "script", "Script: holds a control character"},
        {"checkpoint=maybe", "checkpoint", "Checkpoint: \"maybe\" is not yes or no"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct form_result *f = check(cases[i].text);
        const char *got = problem(f, cases[i].field);
        assert_non_null(got);
        assert_string_equal(got, cases[i].message);
        assert_true(f->problems > 0);
    }
}

static void right_values_come_out_typed(void **state)
{
    struct form_result *f = check(
        "name=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4&gpus=64"
        "&time_limit=01:30:00&memory=16G&gpu_type=h100&project=vision"
        "&script=%23!/bin/sh%0D%0Aecho+hi%0D%0A&checkpoint=on&token=abc");
    (void)state;
    assert_int_equal(f->problems, 0);
    assert_int_equal(strlen(form_text(f, "name")), 24); /* twelve characters */
    assert_int_equal(form_number(f, "gpus"), 64);
    assert_int_equal(form_number(f, "time_limit"), 5400000);
    assert_int_equal(form_number(f, "memory"), (int64_t)16 << 30);
    assert_int_equal(form_number(f, "gpu_type"), 2);
    assert_string_equal(form_text(f, "project"), "vision");
    assert_string_equal(form_text(f, "script"), "#!/bin/sh\necho hi\n");
    assert_int_equal(form_number(f, "checkpoint"), 1);
    assert_true(form_given(f, "checkpoint"));
}

static void what_is_not_given_has_its_usual_value(void **state)
{
    struct form_result *f = check("gpus=1");
    (void)state;
    assert_int_equal(f->problems, 0);
    assert_int_equal(form_number(f, "time_limit"), hour_ms);
    assert_string_equal(form_text(f, "name"), "");
    assert_false(form_given(f, "time_limit"));
    assert_int_equal(form_number(f, "checkpoint"), 0);
}

static void a_field_that_is_not_declared_is_a_problem(void **state)
{
    struct form_result *f = check("gpus=1&is_admin=yes");
    (void)state;
    assert_int_equal(f->problems, 1);
    assert_string_equal(f->problem, "The form has no field \"is_admin\"");
}

static void what_was_written_is_kept_for_showing_it_again(void **state)
{
    struct form_result *f = check("gpus=9999&name=<script>&gpu_type=a100&checkpoint=on");
    AUTO(json_freep) json_t *j = form_json(f);
    const json_t *gpus = json_object_get(j, "gpus");
    const json_t *choices = json_object_get(json_object_get(j, "gpu_type"), "choices");
    (void)state;
    assert_string_equal(json_string_value(json_object_get(gpus, "value")), "9999");
    assert_string_equal(json_string_value(json_object_get(gpus, "problem")),
                        "GPUs: 9999 is more than 64");
    assert_true(json_is_true(json_object_get(gpus, "required")));
    assert_true(json_is_true(json_object_get(json_object_get(j, "checkpoint"), "checked")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "name"), "value")),
                        "<script>");
    assert_int_equal(json_array_size(choices), 3);
    assert_true(json_is_true(json_object_get(json_array_get(choices, 1), "selected")));
    assert_int_equal(json_integer_value(json_object_get(j, "problems")), 1);
}

static void the_page_may_add_problems_of_its_own(void **state)
{
    struct form_result *f = check("gpus=1&project=vision");
    (void)state;
    form_complain(f, "project", "Project: vision is closed");
    form_complain(f, NULL, "Not enough GPU-hours");
    assert_int_equal(f->problems, 2);
    assert_string_equal(problem(f, "project"), "Project: vision is closed");
}

static void an_empty_form_shows_the_usual_values_without_problems(void **state)
{
    struct form_result *f = form_empty(arena, fields, COUNT(fields));
    AUTO(json_freep) json_t *j = form_json(f);
    (void)state;
    assert_int_equal(f->problems, 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(j, "time_limit"), "value")), "1h");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_wrong_value_has_its_message),
        TEST(right_values_come_out_typed),
        TEST(what_is_not_given_has_its_usual_value),
        TEST(a_field_that_is_not_declared_is_a_problem),
        TEST(what_was_written_is_kept_for_showing_it_again),
        TEST(the_page_may_add_problems_of_its_own),
        TEST(an_empty_form_shows_the_usual_values_without_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
