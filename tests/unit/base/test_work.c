// SPDX-License-Identifier: Apache-2.0
/* Workers: every operation is answered once, or dropped once, and never from inside the start.
 * */
#include "runner/base/work.h"

#include <errno.h>
#include <pthread.h>
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

/* ---- several at once */

struct batch {
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t may_run;
    bool is_open; /* runs wait until it is */
    size_t sizes[400], count;
    int left;
};

static void batch_init(struct batch *b, int left)
{
    *b = (struct batch){.loop = loop_new(), .left = left};
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->may_run, NULL);
}

static void batch_done(struct batch *b)
{
    pthread_cond_destroy(&b->may_run);
    pthread_mutex_destroy(&b->mutex);
    loop_free(b->loop);
}

static void batch_open(struct batch *b)
{
    pthread_mutex_lock(&b->mutex);
    b->is_open = true;
    pthread_cond_broadcast(&b->may_run);
    pthread_mutex_unlock(&b->mutex);
}

static void note_batch(struct batch *b, size_t count)
{
    pthread_mutex_lock(&b->mutex);
    while (!b->is_open)
        pthread_cond_wait(&b->may_run, &b->mutex);
    b->sizes[b->count++] = count;
    pthread_mutex_unlock(&b->mutex);
}

static void run_batch(void *local, void *const *args, size_t count)
{
    (void)local;
    note_batch(args[0], count);
}

static void run_other(void *local, void *arg)
{
    (void)local;
    note_batch(arg, 0);
}

static void batch_answered(int status, void *arg)
{
    struct batch *b = arg;
    assert_int_equal(status, 0);
    if (--b->left == 0)
        loop_stop(b->loop);
}

static void what_waits_for_the_same_is_run_in_one(void **state)
{
    struct batch b;
    (void)state;
    batch_init(&b, 1 + WORK_MANY_MAX + 6 + 1);
    struct work_pool *pool = work_pool_new(b.loop, 1, 1000, NULL);
    work_start(pool, run_other, batch_answered, NULL, &b); /* keeps the worker until all wait */
    for (int i = 0; i < WORK_MANY_MAX + 5; i++)
        work_start_many(pool, run_batch, batch_answered, NULL, &b);
    work_start(pool, run_other, batch_answered, NULL, &b);
    work_start_many(pool, run_batch, batch_answered, NULL, &b);
    batch_open(&b);
    loop_run(b.loop);
    assert_int_equal(b.count, 4);
    assert_int_equal(b.sizes[0], 0);
    assert_int_equal(b.sizes[1], WORK_MANY_MAX);
    assert_int_equal(b.sizes[2], 6); /* the last one came along */
    assert_int_equal(b.sizes[3], 0);
    work_pool_free(pool);
    batch_done(&b);
}

struct passing {
    struct work_line *line;
    struct batch *batch;
    int own;
};

static void run_line(void *local, void *const *args, size_t count)
{
    note_batch(local, count);
    for (size_t i = 0; i < count; i++)
        (*(int *)args[i])++;
}

static void *pass(void *arg)
{
    struct passing *p = arg;
    for (int i = 0; i < 50; i++)
        work_line_pass(p->line, p->batch, &p->own);
    return NULL;
}

static void each_in_a_line_is_run_once_by_itself_or_another(void **state)
{
    struct batch b;
    struct passing all[8];
    pthread_t threads[8];
    size_t total = 0;
    (void)state;
    batch_init(&b, 0);
    b.is_open = true;
    struct work_line *line = work_line_new(run_line, 1);
    for (int i = 0; i < 8; i++) {
        all[i] = (struct passing){line, &b, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, pass, &all[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(all[i].own, 50);
    }
    for (size_t i = 0; i < b.count; i++)
        total += b.sizes[i];
    assert_int_equal(total, 400);
    work_line_free(line);
    batch_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_is_answered_exactly_once),
        cmocka_unit_test(a_cancelled_operation_is_dropped_and_not_answered),
        cmocka_unit_test(one_too_many_is_told_so_from_the_loop),
        cmocka_unit_test(what_waits_when_the_pool_goes_is_dropped),
        cmocka_unit_test(what_waits_for_the_same_is_run_in_one),
        cmocka_unit_test(each_in_a_line_is_run_once_by_itself_or_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
