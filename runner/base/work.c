// SPDX-License-Identifier: Apache-2.0
/* Two queues under one mutex: what waits for a worker, and what waits for the loop. An eventfd
 * wakes the loop. A line is a queue of threads under another. Besides comm/ this is the only
 * file with a mutex. */
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
    work_many_fn *run_many; /* instead of `run` */
    work_done_fn *done;     /* NULL once cancelled; the loop alone reads and writes it */
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

/* Takes out of what waits all that are to run together with the first; returns how many. */
static size_t pop_many(struct queue *q, struct work *first, struct work *out[WORK_MANY_MAX])
{
    size_t count = 0;
    out[count++] = first;
    if (!first->run_many)
        return count;
    struct work **link = &q->first;
    while (*link && count < WORK_MANY_MAX) {
        struct work *w = *link;
        if (w->run_many != first->run_many) {
            link = &w->next;
            continue;
        }
        *link = w->next;
        if (!w->next)
            q->last = link;
        q->count--;
        out[count++] = w;
    }
    return count;
}

static void run_works(void *local, struct work *const *works, size_t count)
{
    void *args[WORK_MANY_MAX];
    for (size_t i = 0; i < count; i++)
        args[i] = works[i]->arg;
    if (works[0]->run_many)
        works[0]->run_many(local, args, count);
    else
        works[0]->run(local, args[0]);
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
        struct work *works[WORK_MANY_MAX];
        size_t count = pop_many(&p->waiting, w, works);
        pthread_mutex_unlock(&p->mutex);
        run_works(local, works, count);
        pthread_mutex_lock(&p->mutex);
        for (size_t i = 0; i < count; i++)
            answer(p, works[i]);
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

/* `like`, as one of the pool. */
static struct work *start(struct work_pool *p, const struct work *like)
{
    struct work *w = xnew(struct work);
    *w = *like;
    w->pool = p;
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

struct work *work_start(struct work_pool *p, work_run_fn *run, work_done_fn *done,
                        void (*drop_arg)(void *arg), void *arg)
{
    return start(p, &(struct work){.run = run, .done = done, .drop = drop_arg, .arg = arg});
}

struct work *work_start_many(struct work_pool *p, work_many_fn *run, work_done_fn *done,
                             void (*drop_arg)(void *arg), void *arg)
{
    return start(p,
                 &(struct work){.run_many = run, .done = done, .drop = drop_arg, .arg = arg});
}

void work_cancel(struct work *w)
{
    if (w)
        w->done = NULL;
}

/* ---- a line of threads */

struct passer {
    struct passer *next;
    void *arg;
    pthread_cond_t turn;
    bool is_first, is_done; /* its turn has come to run for all; another has run for it */
};

struct work_line {
    pthread_mutex_t mutex;
    struct passer *first, **last;
    work_many_fn *run;
    int at_once, running;
};

struct work_line *work_line_new(work_many_fn *run, int at_once)
{
    struct work_line *l = xnew(struct work_line);
    pthread_mutex_init(&l->mutex, NULL);
    l->last = &l->first;
    l->run = run;
    l->at_once = at_once;
    return l;
}

void work_line_free(struct work_line *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* Lets the first in line begin, unless as many as may are at it. */
static void call_next(struct work_line *l)
{
    if (!l->first || l->first->is_first || l->running == l->at_once)
        return;
    l->running++;
    l->first->is_first = true;
    pthread_cond_signal(&l->first->turn);
}

/* Runs for all in line, of whom the caller is the first. With the mutex held. */
static void run_line(struct work_line *l, void *local)
{
    struct passer *passers[WORK_MANY_MAX];
    void *args[WORK_MANY_MAX];
    size_t count = 0;
    for (; l->first && count < WORK_MANY_MAX; l->first = l->first->next) {
        passers[count] = l->first;
        args[count++] = l->first->arg;
    }
    if (!l->first)
        l->last = &l->first;
    pthread_mutex_unlock(&l->mutex);
    l->run(local, args, count);
    pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < count; i++) {
        passers[i]->is_done = true;
        pthread_cond_signal(&passers[i]->turn);
    }
    l->running--;
    call_next(l);
}

void work_line_pass(struct work_line *l, void *local, void *arg)
{
    struct passer p = {.arg = arg};
    pthread_cond_init(&p.turn, NULL);
    pthread_mutex_lock(&l->mutex);
    *l->last = &p;
    l->last = &p.next;
    call_next(l);
    while (!p.is_first && !p.is_done)
        pthread_cond_wait(&p.turn, &l->mutex);
    if (p.is_first)
        run_line(l, local);
    pthread_mutex_unlock(&l->mutex);
    pthread_cond_destroy(&p.turn);
}
