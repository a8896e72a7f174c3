// SPDX-License-Identifier: Apache-2.0
/* The event loop of a program: made first in main, freed last.
 *
 * SIGTERM and SIGINT end the loop (a second one ends the process); SIGPIPE is ignored; SIGHUP
 * calls `on_hup` if there is one. Everything else belongs to libevent, whose base `loop_base()`
 * lends.
 */
#ifndef FF_BASE_LOOP_H
#define FF_BASE_LOOP_H

#include <stdint.h>

struct event_base;
struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);
void loop_on_hup(struct loop *l, void (*on_hup)(void *arg), void *arg);
void loop_run(struct loop *l); /* returns after a signal or loop_stop() */
void loop_stop(struct loop *l);

/* A timer that calls `on_tick` every interval_ms until freed with loop_timer_free(); the first
 * call comes after first_ms. With interval_ms 0 it fires once. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *l, int64_t first_ms, int64_t interval_ms,
                                  void (*on_tick)(void *arg), void *arg);
void loop_timer_free(struct loop_timer *t);

/* Calls `on_ready` whenever `fd` is readable, until freed with loop_watch_free(). The
 * descriptor stays the caller's. */
struct loop_watch;
struct loop_watch *loop_watch_new(struct loop *l, int fd, void (*on_ready)(void *arg),
                                  void *arg);
void loop_watch_free(struct loop_watch *w);

#endif
