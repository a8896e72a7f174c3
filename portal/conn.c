// SPDX-License-Identifier: Apache-2.0
/* The filter under evhttp. `socket` is the lower bufferevent (plain or TLS), `face` the one
 * evhttp has.
 *
 *   HEAD ─▶ BODY ─▶ REPLY ─▶ HEAD …        any ─▶ LINGER ─▶ the end */
#include "portal/conn.h"

#include <netdb.h>
#include <search.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "runner/base/xnew.h"

enum conn_state { CONN_HEAD, CONN_BODY, CONN_REPLY, CONN_LINGER };

struct conn {
    struct bufferevent *face; /* first: the key of the tree */
    struct bufferevent *socket;
    struct conn_host *host;
    struct ssl_st *tls; /* the socket's */
    struct event *clock;
    enum conn_state state;
    bool is_open;  /* the address was asked for */
    bool is_fresh; /* in HEAD: no byte of this request has come */
    bool is_stream;
    int requests;
    struct gate gate;
    int64_t body_left;
    size_t in_flight; /* bytes at the front of face's output that are copied below */
    void *peer;
    char address[64];
};

static void deadline(struct conn *c, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(c->clock, &tv);
}

void conn_abort(struct conn *c)
{
    evutil_socket_t fd = bufferevent_getfd(c->socket);
    event_del(c->clock);
    c->state = CONN_LINGER;
    evbuffer_drain(bufferevent_get_input(c->socket),
                   SIZE_MAX); /* a full one would not be read */
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR); /* the loop then reads the end, and evhttp frees everything */
}

static void say_goodbye(struct conn *c)
{
    if (c->tls && SSL_is_init_finished(c->tls))
        SSL_shutdown(c->tls);
}

static void on_refusal_flushed(struct evbuffer *out, const struct evbuffer_cb_info *info,
                               void *arg)
{
    struct conn *c = arg;
    (void)info;
    if (evbuffer_get_length(out))
        return;
    say_goodbye(c);
    shutdown(bufferevent_getfd(c->socket), SHUT_WR);
}

static void refuse(struct conn *c)
{
    struct evbuffer *out = bufferevent_get_output(c->socket);
    c->state = CONN_LINGER;
    deadline(c, c->host->times.linger_ms);
    c->host->on_refuse(c, out, c->host->arg);
    evbuffer_add_cb(out, on_refusal_flushed, c);
}

static void refuse_late(struct conn *c, const char *reason)
{
    if (c->tls && !SSL_is_init_finished(c->tls)) {
        conn_abort(c);
        return;
    }
    c->gate.status = 408;
    c->gate.reason = reason;
    refuse(c);
    evbuffer_drain(bufferevent_get_input(c->socket), SIZE_MAX);
}

static void open_once(struct conn *c)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    if (c->is_open)
        return;
    c->is_open = true;
    deadline(c, c->host->times.head_ms);
    bufferevent_set_timeouts(c->face, NULL, NULL); /* ours are the only clocks */
    if (getpeername(bufferevent_getfd(c->socket), (struct sockaddr *)&from, &len) < 0 ||
        getnameinfo((struct sockaddr *)&from, len, c->address, sizeof(c->address), NULL, 0,
                    NI_NUMERICHOST) ||
        !c->host->on_open(c, (struct sockaddr *)&from, c->host->arg))
        conn_abort(c);
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    if (!c->is_open)
        open_once(c);
    else if (c->state == CONN_HEAD && !c->is_fresh)
        refuse_late(c, "the head of the request did not come in time");
    else if (c->state == CONN_BODY)
        refuse_late(c, "the body of the request did not come in time");
    else
        conn_abort(c);
}

static void begin_reply(struct conn *c)
{
    c->state = CONN_REPLY;
    c->is_stream = false;
    deadline(c, c->host->times.reply_ms);
}

static enum bufferevent_filter_result read_head(struct conn *c, struct evbuffer *from,
                                                struct evbuffer *to)
{
    struct gate *g = &c->gate;
    size_t len = evbuffer_get_length(from);
    if (len == 0)
        return BEV_NEED_MORE;
    if (c->is_fresh && c->requests > 0)
        deadline(c, c->host->times.head_ms);
    c->is_fresh = false;
    if (len >
        c->host->limits.head_max + 1) /* one byte more than may be, for the gate to refuse */
        len = c->host->limits.head_max + 1;
    const char *head = (const char *)evbuffer_pullup(from, (ev_ssize_t)len);
    enum gate_verdict verdict = GATE_MORE;
    if (head)
        verdict = gate_feed(g, &c->host->limits, head, len);
    else
        conn_abort(c);
    if (verdict == GATE_MORE)
        return BEV_NEED_MORE;
    if (verdict == GATE_REFUSE) {
        refuse(c);
        evbuffer_drain(from, SIZE_MAX);
        return BEV_NEED_MORE;
    }
    evbuffer_drain(from, g->head_start);
    evbuffer_remove_buffer(from, to, g->head_end - g->head_start);
    c->requests++;
    c->body_left = g->body_bytes;
    c->state = CONN_BODY;
    deadline(c, c->host->times.body_ms);
    if (c->body_left == 0)
        begin_reply(c);
    return BEV_OK;
}

static enum bufferevent_filter_result read_body(struct conn *c, struct evbuffer *from,
                                                struct evbuffer *to)
{
    size_t n = evbuffer_get_length(from);
    if (n == 0)
        return BEV_NEED_MORE;
    if ((int64_t)n > c->body_left)
        n = (size_t)c->body_left;
    evbuffer_remove_buffer(from, to, n);
    c->body_left -= (int64_t)n;
    if (c->body_left == 0)
        begin_reply(c);
    return BEV_OK;
}

static enum bufferevent_filter_result on_in(struct evbuffer *from, struct evbuffer *to,
                                            ev_ssize_t limit, enum bufferevent_flush_mode mode,
                                            void *arg)
{
    struct conn *c = arg;
    (void)limit;
    (void)mode;
    open_once(c);
    if (c->state == CONN_HEAD)
        return read_head(c, from, to);
    if (c->state == CONN_BODY)
        return read_body(c, from, to);
    if (c->state == CONN_LINGER)
        evbuffer_drain(from, SIZE_MAX);
    return BEV_NEED_MORE; /* in REPLY the next request waits */
}

static size_t copy_block(struct evbuffer *from, struct evbuffer *to)
{
    struct evbuffer_iovec space;
    size_t n = evbuffer_get_length(from);
    if (n > CONN_BLOCK)
        n = CONN_BLOCK;
    if (n == 0 || evbuffer_reserve_space(to, (ev_ssize_t)n, &space, 1) < 1)
        return 0;
    evbuffer_copyout(from, space.iov_base, n);
    space.iov_len = n;
    evbuffer_commit_space(to, &space, 1);
    return n;
}

/* Copies the next block below when the last one is with the kernel. BEV_OK tells evhttp that
 * all is written, so it comes only then. */
static enum bufferevent_filter_result on_out(struct evbuffer *from, struct evbuffer *to,
                                             ev_ssize_t limit, enum bufferevent_flush_mode mode,
                                             void *arg)
{
    struct conn *c = arg;
    (void)limit;
    (void)mode;
    if (evbuffer_get_length(to) > 0 || c->state == CONN_LINGER) /* whoever waits may be gone */
        return BEV_NEED_MORE;
    evbuffer_drain(from, c->in_flight);
    c->in_flight = copy_block(from, to);
    if (c->is_stream) {
        if (c->in_flight)
            deadline(c, c->host->times.reply_ms);
        else
            event_del(c->clock);
    }
    return c->in_flight ? BEV_NEED_MORE : BEV_OK;
}

static int compare(const void *a, const void *b)
{
    const struct conn *x = a, *y = b;
    return x->face < y->face ? -1 : x->face > y->face;
}

static void on_free(void *arg)
{
    struct conn *c = arg;
    tdelete(c, &c->host->tree, compare);
    event_free(c->clock);
    c->host->on_close(c, c->host->arg);
    free(c);
}

struct bufferevent *conn_new(struct conn_host *host, struct ssl_st *tls)
{
    struct conn *c = xnew(struct conn);
    c->host = host;
    c->tls = tls;
    c->is_fresh = true;
    c->socket = tls ? bufferevent_openssl_socket_new(
                          host->base, -1, tls, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
                    : bufferevent_socket_new(host->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!c->socket)
        abort();
    bufferevent_setwatermark(c->socket, EV_READ, 0, CONN_BLOCK);
    c->face =
        bufferevent_filter_new(c->socket, on_in, on_out, BEV_OPT_CLOSE_ON_FREE, on_free, c);
    c->clock = evtimer_new(host->base, on_clock, c);
    if (!c->face || !c->clock || !tsearch(c, &host->tree, compare))
        abort();
    deadline(c, 0); /* the descriptor comes after this function; ask for the address then */
    return c->face;
}

struct conn *conn_find(struct conn_host *host, struct bufferevent *of_evhttp)
{
    struct conn wanted = {.face = of_evhttp};
    struct conn **found = tfind(&wanted, &host->tree, compare);
    return found ? *found : NULL;
}

void conn_set_peer(struct conn *c, void *peer)
{
    c->peer = peer;
}

void *conn_peer(const struct conn *c)
{
    return c->peer;
}

const char *conn_address(const struct conn *c)
{
    return c->address;
}

const struct gate *conn_gate(const struct conn *c)
{
    return &c->gate;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls != NULL;
}

bool conn_will_close(const struct conn *c)
{
    return !c->gate.is_persistent || c->requests >= c->host->requests_max;
}

void conn_hold(struct conn *c)
{
    bufferevent_disable(c->face, EV_WRITE);
}

void conn_push(struct conn *c)
{
    bufferevent_enable(c->face, EV_WRITE);
    bufferevent_trigger(c->socket, EV_WRITE, 0);
}

size_t conn_unsent(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->face));
}

void conn_stream(struct conn *c)
{
    c->is_stream = true;
    event_del(c->clock);
}

void conn_watch(struct conn *c)
{
    bufferevent_enable(c->face, EV_READ);
}

void conn_next(struct conn *c)
{
    if (conn_will_close(c)) {
        say_goodbye(c);
        return;
    }
    c->gate = (struct gate){0};
    c->state = CONN_HEAD;
    c->is_fresh = true;
    c->is_stream = false;
    deadline(c, c->host->times.idle_ms);
    bufferevent_trigger(c->socket, EV_READ, BEV_TRIG_DEFER_CALLBACKS); /* what was sent ahead */
}
