// SPDX-License-Identifier: Apache-2.0
/* The fake executor: plays, stops, limits, accidents, epochs, and what a folder keeps. */
#include "runner/exec/fake.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/test.h"

static int64_t now; /* milliseconds */
static int begun;   /* plays */

static int64_t clock_now(void *arg)
{
    (void)arg;
    return now;
}

static void note_play(const char *token, void *arg)
{
    (void)token, (void)arg;
    begun++;
}

static struct fake_cluster *cluster_at(const char *folder)
{
    static const struct exec_node node = {.name = "n1", .gpus = 8, .is_up = true};
    struct fake_cluster_conf conf = {.nodes = &node,
                                     .node_count = 1,
                                     .folder = folder,
                                     .start_ms = 100,
                                     .wall_ms = clock_now,
                                     .ran = note_play};
    struct fake_cluster *c;
    assert_int_equal(fake_cluster_new(&conf, &c, NULL), 0);
    now = 1000000;
    begun = 0;
    return c;
}

static int answered; /* status of the last answer */

static void on_done(const struct exec_answer *a, void *arg)
{
    (void)arg;
    answered = a->status;
}

static void on_greeted(const struct exec_greeting *g, void *arg)
{
    (void)arg;
    answered = g->status;
}

static int greet(struct executor *x, int64_t epoch)
{
    x->ops->greet(x, epoch, on_greeted, NULL);
    assert_true(exec_fake_answer(x));
    return answered;
}

static int start(struct executor *x, const char *token, const char *spec)
{
    struct exec_ask ask = {.token = token, .limit_ms = 60000, .spec = spec};
    answered = 1;
    x->ops->start(x, &ask, on_done, NULL);
    assert_int_equal(answered, 1); /* never inside the start */
    assert_true(exec_fake_answer(x));
    return answered;
}

static int forget(struct executor *x, const char *token)
{
    x->ops->forget(x, token, on_done, NULL);
    assert_true(exec_fake_answer(x));
    return answered;
}

static struct exec_status look(struct executor *x, const char *token)
{
    struct exec_status s;
    assert_int_equal(x->ops->poll(x, token, &s, NULL), 0);
    return s;
}

#define TOKEN "0123456789abcdef0123456789abcdef"
#define SLEEP "{\"command\":[\"sleep\",\"30\",\"3\"]}"

static void an_attempt_plays_its_command_once(void **state)
{
    struct fake_cluster *c = cluster_at(NULL);
    struct executor *x = exec_fake_new(NULL, c);
    size_t alive;
    (void)state;
    assert_int_equal(greet(x, 1), 0);
    assert_int_equal(look(x, TOKEN).state, EXEC_NONE);
    assert_int_equal(start(x, TOKEN, SLEEP), 0);
    assert_int_equal(start(x, TOKEN, SLEEP), 0);
    assert_int_equal(look(x, TOKEN).state, EXEC_STARTING);
    now += 5100;
    assert_int_equal(look(x, TOKEN).state, EXEC_RUNNING);
    assert_int_equal(look(x, TOKEN).run_ms, 5000);
    assert_int_equal(forget(x, TOKEN), -EBUSY);
    now += 60000;
    struct exec_status s = look(x, TOKEN);
    assert_int_equal(s.state, EXEC_OVER);
    assert_int_equal(s.run_ms, 30000);
    assert_int_equal(s.exit_code, 3);
    assert_string_equal(s.cause, "natural");
    assert_int_equal(begun, 1);
    assert_int_equal(fake_cluster_count(c, &alive), 1);
    assert_int_equal(alive, 0);
    assert_int_equal(forget(x, TOKEN), 0);
    assert_int_equal(forget(x, TOKEN), -ENOENT);
    x->ops->free(x);
    fake_cluster_free(c);
}

static void stops_limits_and_accidents_end_it(void **state)
{
    static const struct {
        int64_t stop_ms, limit_ms, lose_ms; /* after the start; 0: not */
        enum exec_state state;
        int64_t run_ms;
        const char *cause;
    } cases[] = {{10100, 0, 0, EXEC_OVER, 10000, "cancelled"},
                 {50, 0, 0, EXEC_NEVER_RAN, 0, ""},
                 {0, 7000, 0, EXEC_OVER, 7000, "limit"},
                 {0, 0, 4100, EXEC_LOST, 4000, "lost"},
                 {0, 0, 60, EXEC_NEVER_RAN, 0, ""},
                 {0, 0, 0, EXEC_OVER, 30000, "natural"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fake_cluster *c = cluster_at(NULL);
        struct executor *x = exec_fake_new(NULL, c);
        int64_t begin = now;
        assert_int_equal(greet(x, 1), 0);
        assert_int_equal(start(x, TOKEN, SLEEP), 0);
        if (cases[i].limit_ms) {
            x->ops->limit(x, TOKEN, cases[i].limit_ms, on_done, NULL);
            assert_true(exec_fake_answer(x));
            assert_int_equal(answered, 0);
        }
        now = begin + cases[i].stop_ms + cases[i].lose_ms;
        if (cases[i].stop_ms) {
            x->ops->stop(x, TOKEN, "cancelled", 0, on_done, NULL);
            assert_true(exec_fake_answer(x));
        }
        if (cases[i].lose_ms)
            assert_int_equal(fake_cluster_lose(c, TOKEN), 0);
        now = begin + 90000;
        struct exec_status s = look(x, TOKEN);
        assert_int_equal(s.state, cases[i].state);
        assert_int_equal(s.run_ms, cases[i].run_ms);
        assert_string_equal(s.cause, cases[i].cause);
        assert_int_equal(fake_cluster_lose(c, TOKEN), -ENOENT);
        x->ops->limit(x, TOKEN, 1, on_done, NULL);
        assert_true(exec_fake_answer(x));
        assert_int_equal(answered, -EALREADY);
        x->ops->free(x);
        fake_cluster_free(c);
    }
}

static void an_older_epoch_changes_nothing(void **state)
{
    struct fake_cluster *c = cluster_at(NULL);
    struct executor *old = exec_fake_new(NULL, c), *new = exec_fake_new(NULL, c);
    (void)state;
    assert_int_equal(greet(old, 4), 0);
    assert_int_equal(greet(new, 5), 0);
    assert_int_equal(greet(old, 4), -ESTALE);
    assert_int_equal(start(old, TOKEN, SLEEP), -ESTALE);
    assert_int_equal(look(new, TOKEN).state, EXEC_NONE);
    assert_int_equal(start(new, TOKEN, SLEEP), 0);
    assert_int_equal(forget(old, TOKEN), -ESTALE);
    old->ops->free(old);
    new->ops->free(new);
    fake_cluster_free(c);
}

static void count_token(const char *token, void *arg)
{
    assert_string_equal(token, TOKEN);
    ++*(int *)arg;
}

static void a_folder_keeps_attempts_and_epoch(void **state)
{
    char folder[] = "/tmp/ffXXXXXX", command[64];
    int found = 0;
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct fake_cluster *c = cluster_at(folder);
    struct executor *x = exec_fake_new(NULL, c);
    assert_int_equal(greet(x, 7), 0);
    assert_int_equal(start(x, TOKEN, SLEEP), 0);
    x->ops->free(x);
    fake_cluster_free(c);
    c = cluster_at(folder);
    x = exec_fake_new(NULL, c);
    now += 90000;
    assert_int_equal(greet(x, 6), -ESTALE);
    assert_int_equal(greet(x, 8), 0);
    assert_int_equal(x->ops->recover(x, count_token, &found, NULL), 0);
    assert_int_equal(found, 1);
    assert_int_equal(look(x, TOKEN).run_ms, 30000);
    assert_int_equal(forget(x, TOKEN), 0);
    x->ops->free(x);
    fake_cluster_free(c);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct fake_cluster_conf conf = {.folder = "/nonexistent", .wall_ms = clock_now};
    struct fake_cluster *c;
    struct err why;
    (void)state;
    assert_int_equal(fake_cluster_new(&conf, &c, &why), -ENOENT);
    assert_non_null(strstr(why.text, "/nonexistent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_plays_its_command_once),
        cmocka_unit_test(stops_limits_and_accidents_end_it),
        cmocka_unit_test(an_older_epoch_changes_nothing),
        cmocka_unit_test(a_folder_keeps_attempts_and_epoch),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
