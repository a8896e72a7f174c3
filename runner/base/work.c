// SPDX-License-Identifier: Apache-2.0
/* Two queues under one mutex: what waits for a worker, and what waits for the loop. An eventfd
 * wakes the loop. Besides comm/ this is the only file with a mutex. */
#include "runner/base/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/base/loop.h"
#include "runner/base/xnew.h"

struct work {
    struct work *next;
    struct work_pool *pool;
    work_run_fn *run;
    work_done_fn *done; /* NULL once cancelled; the loop alone reads and writes it */
    void (*drop)(void *arg);
    void *arg;
    int status;
};

struct queue {
    struct work *first, **last;
    size_t count;
};

struct work_pool {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct queue waiting, answered;
    bool closing;
    int wake_fd;
    struct loop_watch *watch;
    struct work_local local;
    size_t queue_max;
    int thread_count;
    pthread_t threads[];
};

static void push(struct queue *q, struct work *w)
{
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
    q->count++;
}

static struct work *pop(struct queue *q)
{
    struct work *w = q->first;
    if (!w)
        return NULL;
    q->first = w->next;
    if (!q->first)
        q->last = &q->first;
    q->count--;
    return w;
}

static void answer(struct work_pool *p, struct work *w)
{
    uint64_t one = 1;
    push(&p->answered, w);
    (void)!write(p->wake_fd, &one, sizeof(one));
}

static void *worker(void *arg)
{
    struct work_pool *p = arg;
    void *local = p->local.open ? p->local.open(p->local.arg) : NULL;
    pthread_mutex_lock(&p->mutex);
    while (!p->closing) {
        struct work *w = pop(&p->waiting);
        if (!w) {
            pthread_cond_wait(&p->more, &p->mutex);
            continue;
        }
        pthread_mutex_unlock(&p->mutex);
        w->run(local, w->arg);
        pthread_mutex_lock(&p->mutex);
        answer(p, w);
    }
    pthread_mutex_unlock(&p->mutex);
    if (p->local.close)
        p->local.close(local);
    return NULL;
}

static void drop(struct work *w)
{
    if (w->drop)
        w->drop(w->arg);
    free(w);
}

static void on_answers(void *arg)
{
    struct work_pool *p = arg;
    uint64_t count;
    (void)!read(p->wake_fd, &count, sizeof(count));
    pthread_mutex_lock(&p->mutex);
    struct work *w = p->answered.first;
    p->answered = (struct queue){.last = &p->answered.first};
    pthread_mutex_unlock(&p->mutex);
    for (struct work *next; w; w = next) {
        next = w->next;
        if (!w->done) {
            drop(w);
            continue;
        }
        struct work once = *w;
        free(w);
        once.done(once.status, once.arg);
    }
}

struct work_pool *work_pool_new(struct loop *l, int threads, size_t queue_max,
                                const struct work_local *local)
{
    struct work_pool *p = xalloc(1, sizeof(*p) + (size_t)threads * sizeof(p->threads[0]));
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->more, NULL);
    p->waiting.last = &p->waiting.first;
    p->answered.last = &p->answered.first;
    p->queue_max = queue_max;
    if (local)
        p->local = *local;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        abort();
    p->watch = loop_watch_new(l, p->wake_fd, on_answers, p);

    sigset_t all, before; /* signals go to the loop's thread alone */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (; p->thread_count < threads; p->thread_count++)
        if (pthread_create(&p->threads[p->thread_count], NULL, worker, p))
            abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p;
}

void work_pool_free(struct work_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->closing = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    for (struct work *w; (w = pop(&p->waiting));)
        drop(w);
    for (struct work *w; (w = pop(&p->answered));)
        drop(w);
    loop_watch_free(p->watch);
    close(p->wake_fd);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

struct work *work_start(struct work_pool *p, work_run_fn *run, work_done_fn *done,
                        void (*drop_arg)(void *arg), void *arg)
{
    struct work *w = xnew(struct work);
    *w = (struct work){.pool = p, .run = run, .done = done, .drop = drop_arg, .arg = arg};
    pthread_mutex_lock(&p->mutex);
    if (p->waiting.count >= p->queue_max) {
        w->status = -EBUSY;
        answer(p, w);
    } else {
        push(&p->waiting, w);
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->mutex);
    return w;
}

void work_cancel(struct work *w)
{
    if (w)
        w->done = NULL;
}
