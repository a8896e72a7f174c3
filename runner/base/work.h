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
struct work_line;

/* What each worker has for itself. `open` runs on the worker when it starts, `close` when it
 * ends. */
struct work_local {
    void *(*open)(void *arg);
    void (*close)(void *local);
    void *arg;
};

typedef void work_run_fn(void *local, void *arg); /* on a worker */
typedef void work_done_fn(int status, void *arg); /* on the loop */

/* Several at once, on one worker: what costs little more for many than for one. */
enum { WORK_MANY_MAX = 64 };
typedef void work_many_fn(void *local, void *const *args, size_t count);

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

/* The same, but the worker whose turn it is takes along whatever waits for the same `run`, at
 * most WORK_MANY_MAX in all: before others that came in between. Nothing ever waits for more to
 * come. */
struct work *work_start_many(struct work_pool *p, work_many_fn *run, work_done_fn *done,
                             void (*drop)(void *arg), void *arg);

/* The same among workers that are at something longer, of which this is one step: at_once of
 * them are at it at a time, and who comes meanwhile waits in line. The first in line then does it
 * for all who wait, at most WORK_MANY_MAX, with its own `local`.
 *
 * work_line_pass() blocks until `arg` was among the args of one `run`, on this thread or on
 * another's. work_line_free(): when nobody is in it. */
struct work_line *work_line_new(work_many_fn *run, int at_once);
void work_line_pass(struct work_line *l, void *local, void *arg);
void work_line_free(struct work_line *l);

#endif
