// SPDX-License-Identifier: Apache-2.0
/* Workers: every operation is answered once, or dropped once, and never from inside the start.
 * */
#include "runner/base/work.h"

#include <errno.h>
#include <stdbool.h>

#include "runner/base/loop.h"
#include "tests/unit/test.h"

struct job {
    struct loop *loop;
    int runs, answers, drops, status;
    int *left; /* the loop stops when it reaches 0 */
};

static void run(void *local, void *arg)
{
    struct job *j = arg;
    (void)local;
    j->runs++;
}

static void done(int status, void *arg)
{
    struct job *j = arg;
    j->answers++;
    j->status = status;
    if (--*j->left == 0)
        loop_stop(j->loop);
}

static void drop(void *arg)
{
    struct job *j = arg;
    j->drops++;
    if (--*j->left == 0)
        loop_stop(j->loop);
}

static void an_operation_is_answered_exactly_once(void **state)
{
    struct loop *loop = loop_new();
    struct work_pool *pool = work_pool_new(loop, 3, 1000, NULL);
    struct job jobs[100] = {0};
    int left = 100;
    (void)state;
    for (int i = 0; i < 100; i++) {
        jobs[i].loop = loop;
        jobs[i].left = &left;
        work_start(pool, run, done, drop, &jobs[i]);
        assert_int_equal(jobs[i].answers, 0);
    }
    loop_run(loop);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(jobs[i].runs, 1);
        assert_int_equal(jobs[i].answers, 1);
        assert_int_equal(jobs[i].drops, 0);
    }
    work_pool_free(pool);
    loop_free(loop);
}

static void a_cancelled_operation_is_dropped_and_not_answered(void **state)
{
    struct loop *loop = loop_new();
    struct work_pool *pool = work_pool_new(loop, 1, 1000, NULL);
    int left = 1;
    struct job j = {.loop = loop, .left = &left};
    (void)state;
    work_cancel(work_start(pool, run, done, drop, &j));
    loop_run(loop);
    assert_int_equal(j.answers, 0);
    assert_int_equal(j.drops, 1);
    work_pool_free(pool);
    loop_free(loop);
}

static void one_too_many_is_told_so_from_the_loop(void **state)
{
    struct loop *loop = loop_new();
    struct work_pool *pool = work_pool_new(loop, 1, 0, NULL);
    int left = 1;
    struct job j = {.loop = loop, .left = &left};
    (void)state;
    work_start(pool, run, done, drop, &j);
    assert_int_equal(j.answers, 0);
    loop_run(loop);
    assert_int_equal(j.status, -EBUSY);
    assert_int_equal(j.runs, 0);
    work_pool_free(pool);
    loop_free(loop);
}

static void what_waits_when_the_pool_goes_is_dropped(void **state)
{
    struct loop *loop = loop_new();
    struct work_pool *pool = work_pool_new(loop, 1, 1000, NULL);
    struct job jobs[20] = {0};
    int left = 1000, total = 0;
    (void)state;
    for (int i = 0; i < 20; i++) {
        jobs[i].loop = loop;
        jobs[i].left = &left;
        work_start(pool, run, done, drop, &jobs[i]);
    }
    work_pool_free(pool);
    for (int i = 0; i < 20; i++)
        total += jobs[i].drops;
    assert_int_equal(total, 20);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_is_answered_exactly_once),
        cmocka_unit_test(a_cancelled_operation_is_dropped_and_not_answered),
        cmocka_unit_test(one_too_many_is_told_so_from_the_loop),
        cmocka_unit_test(what_waits_when_the_pool_goes_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
