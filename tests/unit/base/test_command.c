// SPDX-License-Identifier: Apache-2.0
/* Programs run for their output: how they end, what of it is kept, what is killed. */
#include "runner/base/command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "runner/base/loop.h"
#include "tests/unit/test.h"

struct told {
    struct loop *loop;
    int count, status, exit_code, signal_no;
    char out[200], err[200], why[300];
    size_t out_len;
    bool is_cut;
};

static void on_done(const struct command_answer *a, void *arg)
{
    struct told *t = arg;
    t->count++;
    t->status = a->status;
    t->exit_code = a->exit_code;
    t->signal_no = a->signal_no;
    t->out_len = a->out_len;
    t->is_cut = a->is_cut;
    snprintf(t->out, sizeof(t->out), "%s", a->out ? a->out : "");
    snprintf(t->err, sizeof(t->err), "%s", a->err ? a->err : "");
    snprintf(t->why, sizeof(t->why), "%s", a->why.text);
    loop_stop(t->loop);
}

static struct told run(const char *const *argv, const char *const *env, int64_t timeout_ms,
                       size_t out_max)
{
    struct told t = {.loop = loop_new()};
    struct command_ask ask = {argv, env, timeout_ms, out_max};
    command_start(t.loop, &ask, on_done, &t);
    assert_int_equal(t.count, 0);
    loop_run(t.loop);
    loop_free(t.loop);
    assert_int_equal(t.count, 1);
    return t;
}

static struct told shell(const char *text, int64_t timeout_ms, size_t out_max)
{
    const char *argv[] = {"/bin/sh", "-c", text, NULL};
    return run(argv, NULL, timeout_ms, out_max);
}

static void output_status_and_signal_are_told(void **state)
{
    static const struct {
        const char *text;
        int exit_code, signal_no;
        const char *out, *err;
    } cases[] = {{"echo a; echo b >&2; exit 3", 3, 0, "a\n", "b\n"},
                 {"kill -9 $$", -1, SIGKILL, "", ""},
                 {"true", 0, 0, "", ""},
                 {"cat", 0, 0, "", ""}, /* no input */
                 {"exec >&- 2>&-; exit 4", 4, 0, "", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct told t = shell(cases[i].text, 10000, 100);
        assert_int_equal(t.status, 0);
        assert_int_equal(t.exit_code, cases[i].exit_code);
        assert_int_equal(t.signal_no, cases[i].signal_no);
        assert_string_equal(t.out, cases[i].out);
        assert_string_equal(t.err, cases[i].err);
        assert_false(t.is_cut);
    }
}

static void the_environment_is_what_was_given(void **state)
{
    const char *argv[] = {"/usr/bin/env", NULL}, *env[] = {"A=1", "B=x y", NULL};
    (void)state;
    assert_string_equal(run(argv, env, 10000, 100).out, "A=1\nB=x y\n");
    assert_string_equal(run(argv, NULL, 10000, 100).out, "");
}

static void output_beyond_the_limit_is_cut_and_the_program_ends(void **state)
{
    struct told t = shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 5", 10000, 150);
    (void)state;
    assert_int_equal(t.exit_code, 5);
    assert_int_equal(t.out_len, 150);
    assert_true(t.is_cut);
}

static void who_takes_too_long_is_killed_with_all_below(void **state)
{
    struct told t = shell("echo first; sleep 1000 & sleep 1000", 200, 100);
    (void)state;
    assert_int_equal(t.status, -ETIMEDOUT);
    assert_string_equal(t.out, "first\n");
}

static void what_it_leaves_behind_is_killed(void **state)
{
    struct told t = shell("sleep 1000 & echo gone", 60000, 100);
    (void)state;
    assert_int_equal(t.status, 0);
    assert_string_equal(t.out, "gone\n");
}

static void what_cannot_be_started_is_told(void **state)
{
    const char *argv[] = {"/nonexistent", NULL};
    struct told t = run(argv, NULL, 1000, 100);
    (void)state;
    assert_int_equal(t.status, -ENOENT);
    assert_non_null(strstr(t.why, "/nonexistent"));
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void after_a_cancel_nothing_is_told(void **state)
{
    struct told t = {.loop = loop_new()};
    const char *argv[] = {"/bin/sleep", "1000", NULL};
    (void)state;
    command_cancel(command_start(
        t.loop, &(struct command_ask){.argv = argv, .timeout_ms = 60000, .out_max = 10},
        on_done, &t));
    command_cancel(NULL);
    struct loop_timer *timer = loop_timer_new(t.loop, 50, 0, stop_loop, t.loop);
    loop_run(t.loop);
    assert_int_equal(t.count, 0);
    loop_timer_free(timer);
    loop_free(t.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_status_and_signal_are_told),
        cmocka_unit_test(the_environment_is_what_was_given),
        cmocka_unit_test(output_beyond_the_limit_is_cut_and_the_program_ends),
        cmocka_unit_test(who_takes_too_long_is_killed_with_all_below),
        cmocka_unit_test(what_it_leaves_behind_is_killed),
        cmocka_unit_test(what_cannot_be_started_is_told),
        cmocka_unit_test(after_a_cancel_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
