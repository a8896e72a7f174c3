// SPDX-License-Identifier: Apache-2.0
/* evhttp with our connections under it. The listener is ours, so that it can pause; evhttp
 * accepts from it. */
#include "portal/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "portal/error_page.h"
#include "portal/exchange.h"
#include "portal/peers.h"
#include "portal/tls.h"
#include "runner/base/cleanup.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum {
    BACKLOG = 511,               /* the kernel cuts it to somaxconn */
    ACCEPT_PAUSE_MS = 200,       /* after EMFILE, unless a connection closes before */
    CUT_OFF_TOLD_MS = 60 * 1000, /* at most one line in so long */
    HEAD_SLACK = 1024,           /* evhttp counts line ends otherwise than the gate */
};

struct httpd {
    struct httpd *next; /* in `all` */
    struct httpd_options options;
    struct loop *loop;
    struct conn_host host;
    struct peers *peers;
    struct ssl_ctx_st *tls;
    struct evhttp *http;
    struct evconnlistener *listener; /* evhttp's, once bound */
    struct loop_timer *pause;
    int connections;
    int port;
    int64_t cut_off_told_ms; /* 0: never */
    int cut_off;             /* connections since then */
    bool is_ending;
};

/* evhttp takes the listener's argument for itself, so an error of accept(2) must find its
 * server. */
static struct httpd *all;

static void go_on(struct httpd *h)
{
    loop_timer_free(h->pause);
    h->pause = NULL;
    if (!h->is_ending && h->connections < h->options.connections_max)
        evconnlistener_enable(h->listener);
}

static void on_pause_over(void *arg)
{
    go_on(arg);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    int code = errno;
    struct httpd *h = all;
    (void)arg;
    evconnlistener_disable(listener);
    while (h && h->listener != listener)
        h = h->next;
    if (!h || h->pause)
        return;
    log_warning("accept: %s; pausing with %d connections open", strerror(code), h->connections);
    h->pause = loop_timer_new(h->loop, ACCEPT_PAUSE_MS, 0, on_pause_over, h);
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct httpd *h = arg;
    (void)base;
    if (++h->connections >= h->options.connections_max)
        evconnlistener_disable(h->listener);
    return conn_new(&h->host, h->tls ? tls_accept(h->tls) : NULL);
}

static void tell_cut_off(struct httpd *h, const struct conn *c)
{
    int64_t now = now_mono_ms();
    h->cut_off++;
    if (h->cut_off_told_ms && now - h->cut_off_told_ms < CUT_OFF_TOLD_MS)
        return;
    log_warning("%s: closed, the address has %d connections already (%d closed since the last "
                "such line); see connections_per_address in [portal]",
                conn_address(c), h->options.per_address_max, h->cut_off);
    h->cut_off_told_ms = now;
    h->cut_off = 0;
}

static bool on_open(struct conn *c, const struct sockaddr *address, void *arg)
{
    struct httpd *h = arg;
    struct peer *peer = peers_enter(h->peers, address);
    conn_set_peer(c, peer);
    if (!peer)
        tell_cut_off(h, c);
    return peer != NULL;
}

static void on_close(struct conn *c, void *arg)
{
    struct httpd *h = arg;
    peers_leave(h->peers, conn_peer(c));
    h->connections--;
    if (!h->is_ending)
        go_on(h);
}

static void on_refuse(const struct conn *c, struct evbuffer *out, void *arg)
{
    struct httpd *h = arg;
    log_debug("%s: refused with %d: %s", conn_address(c), conn_gate(c)->status,
              conn_gate(c)->reason);
    error_refusal(h->options.site, conn_gate(c), conn_is_tls(c), out);
}

static bool is_as_the_gate_saw_it(const struct conn *c, struct evhttp_request *ev)
{
    static const enum gate_method methods[] = {
        [REQUEST_GET] = GATE_GET, [REQUEST_HEAD] = GATE_HEAD, [REQUEST_POST] = GATE_POST};
    int fields = 0;
    const struct evkeyval *field;
    TAILQ_FOREACH(field, evhttp_request_get_input_headers(ev), next)
    fields++;
    enum evhttp_cmd_type type = evhttp_request_get_command(ev);
    enum request_method m = type == EVHTTP_REQ_POST   ? REQUEST_POST
                            : type == EVHTTP_REQ_HEAD ? REQUEST_HEAD
                                                      : REQUEST_GET;
    return gate_agrees(conn_gate(c), methods[m], fields,
                       evbuffer_get_length(evhttp_request_get_input_buffer(ev)));
}

static void on_evhttp_request(struct evhttp_request *ev, void *arg)
{
    struct httpd *h = arg;
    struct conn *c = conn_find(
        &h->host, evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev)));
    struct request *r = request_new(h->options.site, ev, c);
    if (!r)
        return;
    conn_watch(c);
    if (is_as_the_gate_saw_it(c, ev))
        h->options.on_request(r, h->options.arg);
    else
        request_problem(r, 400, NULL, NULL);
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 ==
               127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return 0;
    return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port
                                        : ((struct sockaddr_in6 *)&a)->sin6_port);
}

static int explain(int code, const char *where, struct err *e)
{
    if (code == -EADDRINUSE)
        return err_set(e, code,
                       "listen %s: another program has this port; end it, or set another "
                       "port in `listen`",
                       where);
    if (code == -EACCES)
        return err_set(e, code,
                       "listen %s: ports below 1024 need root or CAP_NET_BIND_SERVICE; "
                       "set another port in `listen`",
                       where);
    return err_set(e, code, "listen %s: %s", where, strerror(-code));
}

/* "192.0.2.1:443" or "[::1]:443" */
static int read_address(const char *listen, struct sockaddr_storage *out, socklen_t *len,
                        struct err *e)
{
    char host[64] = "";
    int64_t port = 0;
    struct sockaddr_in *a = (struct sockaddr_in *)out;
    struct sockaddr_in6 *b = (struct sockaddr_in6 *)out;
    const char *colon = strrchr(listen, ':');
    bool is_literal = listen[0] == '[' && colon && colon[-1] == ']';
    size_t n = colon ? (size_t)(colon - listen) - (is_literal ? 2 : 0) : sizeof(host);
    if (n < sizeof(host) && parse_i64(colon + 1, 0, 65535, &port) == 0) {
        memcpy(host, listen + is_literal, n);
        if (is_literal && inet_pton(AF_INET6, host, &b->sin6_addr) == 1) {
            b->sin6_family = AF_INET6;
            b->sin6_port = htons((uint16_t)port);
            *len = sizeof(*b);
            return 0;
        }
        if (inet_pton(AF_INET, host, &a->sin_addr) == 1) {
            a->sin_family = AF_INET;
            a->sin_port = htons((uint16_t)port);
            *len = sizeof(*a);
            return 0;
        }
    }
    return err_set(e, -EINVAL, "listen %s: not of the form 192.0.2.1:443 or [::1]:443", listen);
}

static int open_socket(const struct httpd_options *o, int *out_fd, struct err *e)
{
    struct sockaddr_storage a = {0};
    socklen_t len = 0;
    int yes = 1;
    int r = read_address(o->listen, &a, &len, e);
    if (r < 0)
        return r;
    if (!o->cert_file && !is_loopback((struct sockaddr *)&a))
        return err_set(e, -EINVAL,
                       "listen %s: plain HTTP is for loopback alone; set `certificate` "
                       "and `key`",
                       o->listen);
    AUTO(cleanup_close)
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
        bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, BACKLOG) < 0)
        return explain(-errno, o->listen, e);
    *out_fd = fd;
    fd = -1;
    return 0;
}

static void start_evhttp(struct httpd *h, int fd)
{
    struct event_base *base = loop_base(h->loop);
    const struct httpd_options *o = &h->options;
    h->http = evhttp_new(base);
    h->listener = evconnlistener_new(base, NULL, NULL,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!h->http || !h->listener)
        abort();
    evconnlistener_set_error_cb(h->listener, on_accept_error);
    evhttp_set_bevcb(h->http, on_accept, h);
    evhttp_set_gencb(h->http, on_evhttp_request, h);
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(h->http, (ev_ssize_t)o->head_max + HEAD_SLACK);
    evhttp_set_max_body_size(h->http, (ev_ssize_t)o->body_max);
    evhttp_set_default_content_type(h->http, NULL);
    evhttp_bind_listener(h->http, h->listener);
}

int httpd_start(struct loop *l, const struct httpd_options *o, struct httpd **out,
                struct err *e)
{
    struct ssl_ctx_st *tls = NULL;
    AUTO(cleanup_close) int fd = -1;
    int r = o->cert_file ? tls_new(o->cert_file, o->key_file, &tls, e) : 0;
    if (r == 0)
        r = open_socket(o, &fd, e);
    if (r < 0) {
        tls_free(tls);
        return r;
    }
    struct httpd *h = xnew(struct httpd);
    h->options = *o;
    h->loop = l;
    h->tls = tls;
    h->port = port_of(fd);
    h->peers = peers_new(o->per_address_max);
    h->host = (struct conn_host){
        .base = loop_base(l),
        .limits = {o->head_max, o->fields_max, o->body_max, o->hosts},
        .times = o->times,
        .requests_max = o->requests_max,
        .on_open = on_open,
        .on_refuse = on_refuse,
        .on_close = on_close,
        .arg = h,
    };
    start_evhttp(h, fd);
    fd = -1; /* the listener's */
    h->next = all;
    all = h;
    *out = h;
    return 0;
}

void httpd_free(struct httpd *h)
{
    if (!h)
        return;
    struct httpd **place = &all;
    while (*place != h)
        place = &(*place)->next;
    *place = h->next;
    h->is_ending = true;
    loop_timer_free(h->pause);
    evhttp_free(h->http);
    while (h->connections > 0) /* libevent frees its bufferevents from the loop */
        event_base_loop(loop_base(h->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    peers_free(h->peers);
    tls_free(h->tls);
    free(h);
}

int httpd_port(const struct httpd *h)
{
    return h->port;
}

int httpd_connections(const struct httpd *h)
{
    return h->connections;
}

int httpd_reload(struct httpd *h, struct err *e)
{
    struct ssl_ctx_st *fresh;
    int r = h->tls ? tls_new(h->options.cert_file, h->options.key_file, &fresh, e) : 0;
    if (r < 0 || !h->tls)
        return r;
    tls_free(h->tls); /* open connections hold their own reference */
    h->tls = fresh;
    return 0;
}
