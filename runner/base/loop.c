// SPDX-License-Identifier: Apache-2.0
/* A thin coat over libevent's core: base, signals, timers, readable descriptors. */
#include "runner/base/loop.h"

#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "runner/base/xnew.h"

struct loop {
    struct event_base *base;
    struct event *term, *interrupt, *hup;
    void (*on_hup)(void *arg);
    void *hup_arg;
};

struct loop_timer {
    struct event *event;
    struct timeval interval;
    void (*on_tick)(void *arg);
    void *arg;
};

struct loop_watch {
    struct event *event;
    void (*on_ready)(void *arg);
    void *arg;
};

static struct timeval to_timeval(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void on_end(evutil_socket_t sig, short what, void *arg)
{
    struct loop *l = arg;
    (void)what;
    signal((int)sig, SIG_DFL); /* the second one is final */
    event_base_loopbreak(l->base);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
    struct loop *l = arg;
    (void)sig;
    (void)what;
    if (l->on_hup)
        l->on_hup(l->hup_arg);
}

struct loop *loop_new(void)
{
    struct loop *l = xnew(struct loop);
    signal(SIGPIPE, SIG_IGN);
    l->base = event_base_new();
    if (!l->base)
        abort();
    l->term = evsignal_new(l->base, SIGTERM, on_end, l);
    l->interrupt = evsignal_new(l->base, SIGINT, on_end, l);
    l->hup = evsignal_new(l->base, SIGHUP, on_hangup, l);
    event_add(l->term, NULL);
    event_add(l->interrupt, NULL);
    event_add(l->hup, NULL);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    event_free(l->term);
    event_free(l->interrupt);
    event_free(l->hup);
    event_base_free(l->base);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

void loop_on_hup(struct loop *l, void (*on_hup)(void *arg), void *arg)
{
    l->on_hup = on_hup;
    l->hup_arg = arg;
}

void loop_run(struct loop *l)
{
    event_base_dispatch(l->base);
}

void loop_stop(struct loop *l)
{
    event_base_loopbreak(l->base);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *t = arg;
    (void)fd;
    (void)what;
    if (evutil_timerisset(&t->interval))
        event_add(t->event, &t->interval);
    t->on_tick(t->arg); /* last: it may free the timer */
}

struct loop_timer *loop_timer_new(struct loop *l, int64_t first_ms, int64_t interval_ms,
                                  void (*on_tick)(void *arg), void *arg)
{
    struct loop_timer *t = xnew(struct loop_timer);
    struct timeval first = to_timeval(first_ms);
    t->interval = to_timeval(interval_ms);
    t->on_tick = on_tick;
    t->arg = arg;
    t->event = evtimer_new(l->base, on_timer, t);
    event_add(t->event, &first);
    return t;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    free(t);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *w = arg;
    (void)fd;
    (void)what;
    w->on_ready(w->arg);
}

struct loop_watch *loop_watch_new(struct loop *l, int fd, void (*on_ready)(void *arg),
                                  void *arg)
{
    struct loop_watch *w = xnew(struct loop_watch);
    w->on_ready = on_ready;
    w->arg = arg;
    w->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, w);
    event_add(w->event, NULL);
    return w;
}

void loop_watch_free(struct loop_watch *w)
{
    if (!w)
        return;
    event_free(w->event);
    free(w);
}
