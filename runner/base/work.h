// SPDX-License-Identifier: Apache-2.0
/* A small pool of threads for calls that block (MariaDB, LDAP), with answers as events.
 *
 * `run` is called on a worker with the worker's own state (a database connection) and the
 * argument; then `done` is called on the loop. While `run` has the argument nobody else touches
 * it: ownership is handed over and back, and there is no other sharing.
 */
#ifndef FF_BASE_WORK_H
#define FF_BASE_WORK_H

#include <stddef.h>

struct loop;
struct work_pool;
struct work;

/* What each worker has for itself. `open` runs on the worker when it starts, `close` when it
 * ends. */
struct work_local {
    void *(*open)(void *arg);
    void (*close)(void *local);
    void *arg;
};

typedef void work_run_fn(void *local, void *arg); /* on a worker */
typedef void work_done_fn(int status, void *arg); /* on the loop */

/* `queue_max` operations may wait; one more fails with -EBUSY. `local` may be NULL. */
struct work_pool *work_pool_new(struct loop *l, int threads, size_t queue_max,
                                const struct work_local *local);

/* Waits for running operations; those that still wait and all answers go to `drop`. */
void work_pool_free(struct work_pool *p);

/* Runs `run` on a worker, then `done(0, arg)` on the loop; `done(-EBUSY, arg)` if too many
 * wait. `done` is called exactly once and never inside work_start(). After work_cancel(), or
 * when the pool goes, `drop(arg)` is called instead (on the loop, once no worker uses `arg`);
 * NULL drops nothing. The handle is valid until `done` or work_cancel(). */
struct work *work_start(struct work_pool *p, work_run_fn *run, work_done_fn *done,
                        void (*drop)(void *arg), void *arg);
void work_cancel(struct work *w);

#endif
