// SPDX-License-Identifier: Apache-2.0
/* http_bench PORT REQUEST CLIENTS SECONDS: one request over and over on kept TLS connections.
 *
 * REQUEST is a file with a whole HTTP/1.1 request; each run of 32 'K's in it becomes a new
 * random key of that length. Each client sends, waits for the reply, sends again; all in one
 * thread, so that on a small machine the server keeps its cores. A reply of 2xx counts as
 * done, 4xx as refused, all else as failed. A connection that the server ends after a reply (it
 * allows so many requests on each) is opened again. It trusts any certificate: it is for a
 * server that was started next to it. Handshakes are not in the times. Prints one line of JSON
 * (figures.h).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"
#include "tests/bench/figures.h"

enum {
    CLIENTS_MAX = 256,
    SECONDS_MAX = 600,
    REQUEST_MAX = 16 * 1024,
    REPLY_MAX = 64 * 1024,
    KEY_LEN = 32,
    PATIENCE_MS = 10000, /* for a reply */
};

struct client {
    SSL *tls;
    char *request, *reply;
    size_t sent, have;
    int64_t begin_us;
    bool is_waiting; /* for a reply */
    bool is_last;    /* the server closes after this reply */
};

struct bench {
    SSL_CTX *tls;
    char *request;
    size_t request_len;
    int64_t port, clients, seconds;
    int epoll;
    struct figures figures;
};

static const char key_mark[] = "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK";

static void fail(struct bench *b, const char *why)
{
    if (!b->figures.failed++)
        fprintf(stderr, "http_bench: %s\n", why);
}

static int connect_port(int64_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -errno;
}

/* Connects and shakes hands, blocking; from then on the connection does not block. */
static int client_open(struct bench *b, struct client *c)
{
    int fd = connect_port(b->port);
    if (fd < 0)
        return fd;
    c->tls = SSL_new(b->tls);
    SSL_set_fd(c->tls, fd);
    if (SSL_connect(c->tls) != 1)
        return -EPROTO;
    BIO_socket_nbio(fd, 1);
    c->request = xalloc(b->request_len + 1, 1);
    c->reply = xalloc(REPLY_MAX + 1, 1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void client_close(struct client *c)
{
    if (c->tls) {
        close(SSL_get_fd(c->tls));
        SSL_free(c->tls);
    }
    free(c->request);
    free(c->reply);
    *c = (struct client){0};
}

static int client_reopen(struct bench *b, struct client *c)
{
    client_close(c);
    return client_open(b, c);
}

static void client_begin(struct bench *b, struct client *c)
{
    memcpy(c->request, b->request, b->request_len + 1);
    for (char *at = c->request; (at = strstr(at, key_mark)); at += KEY_LEN) {
        char key[KEY_LEN + 1];
        random_hex(key, KEY_LEN / 2);
        memcpy(at, key, KEY_LEN);
    }
    c->sent = c->have = 0;
    c->is_waiting = true;
    c->begin_us = figures_now_us();
}

/* The reply's whole length, or 0 while its head is not all there. */
static size_t reply_length(const struct client *c)
{
    const char *end = strstr(c->reply, "\r\n\r\n");
    const char *length = strcasestr(c->reply, "\r\ncontent-length:");
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->reply) + 4;
    return head + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static void client_finish(struct bench *b, struct client *c)
{
    char class = strlen(c->reply) > 9 ? c->reply[9] : '?';
    c->is_waiting = false;
    c->is_last = strcasestr(c->reply, "\r\nconnection: close\r\n") != NULL;
    if (class == '2') {
        figures_add(&b->figures, figures_now_us() - c->begin_us);
        return;
    }
    if (class == '4' && !b->figures.refused++)
        fprintf(stderr, "http_bench: first refusal: %.600s\n", c->reply);
    if (class != '4')
        fail(b, c->reply);
}

/* Sends and receives what goes. -1: the connection is lost. */
static int client_step(struct bench *b, struct client *c)
{
    while (c->is_waiting && c->sent < b->request_len) {
        int n = SSL_write(c->tls, c->request + c->sent, (int)(b->request_len - c->sent));
        if (n <= 0)
            return SSL_want(c->tls) == SSL_NOTHING ? -1 : 0;
        c->sent += (size_t)n;
    }
    while (c->is_waiting) {
        int n = SSL_read(c->tls, c->reply + c->have, (int)(REPLY_MAX - c->have));
        if (n <= 0)
            return SSL_want(c->tls) == SSL_NOTHING || c->have == REPLY_MAX ? -1 : 0;
        c->have += (size_t)n;
        c->reply[c->have] = '\0';
        size_t whole = reply_length(c);
        if (whole && c->have >= whole)
            client_finish(b, c);
    }
    return 0;
}

/* One step, and the next request after a reply while there is time. 1 if the client is idle. */
static int client_go_on(struct bench *b, struct client *c, bool is_over)
{
    for (;;) {
        if (client_step(b, c) < 0) {
            fail(b, "the server closed a connection");
            c->is_waiting = false;
            return 1;
        }
        if (c->is_waiting)
            return 0;
        if (is_over)
            return 1;
        if (c->is_last && client_reopen(b, c) < 0) {
            fail(b, "a connection could not be opened again");
            return 1;
        }
        client_begin(b, c);
    }
}

static int64_t drive(struct bench *b, struct client *clients)
{
    struct epoll_event events[64];
    int64_t begin = figures_now_us(), end = begin + b->seconds * 1000000, busy = b->clients;
    for (int64_t i = 0; i < b->clients; i++) {
        client_begin(b, &clients[i]);
        busy -= client_go_on(b, &clients[i], false);
    }
    while (busy > 0) {
        int n = epoll_wait(b->epoll, events, COUNT(events), PATIENCE_MS);
        if (n == 0) {
            fail(b, "no reply within 10 s");
            break;
        }
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c->is_waiting)
                busy -= client_go_on(b, c, figures_now_us() >= end);
        }
    }
    return figures_now_us() - begin;
}

static int run_all(struct bench *b, struct err *e)
{
    struct client *clients = xnew_array(struct client, (size_t)b->clients);
    int r = 0;
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->tls = SSL_CTX_new(TLS_client_method());
    for (int64_t i = 0; r == 0 && i < b->clients; i++)
        if ((r = client_open(b, &clients[i])) < 0)
            err_set(e, r, "port %d: %s", (int)b->port, strerror(-r));
    if (r == 0) {
        int64_t whole_us = drive(b, clients);
        figures_print(&b->figures, whole_us);
        r = b->figures.failed ? err_set(e, -EIO, "some requests failed") : 0;
    }
    for (int64_t i = 0; i < b->clients; i++)
        client_close(&clients[i]);
    SSL_CTX_free(b->tls);
    close(b->epoll);
    figures_done(&b->figures);
    free(clients);
    return r;
}

static int run(char **argv, struct err *e)
{
    struct bench b = {0};
    if (parse_i64(argv[1], 1, 65535, &b.port) < 0 ||
        parse_i64(argv[3], 1, CLIENTS_MAX, &b.clients) < 0 ||
        parse_i64(argv[4], 1, SECONDS_MAX, &b.seconds) < 0)
        return err_set(e, -EINVAL, "PORT, CLIENTS and SECONDS are numbers");
    AUTO(cleanup_free) char *request = xalloc(REQUEST_MAX + 1, 1);
    FILE *f = fopen(argv[2], "re");
    b.request = request;
    b.request_len = f ? fread(request, 1, REQUEST_MAX, f) : 0;
    if (f)
        fclose(f);
    if (b.request_len == 0 || b.request_len == REQUEST_MAX)
        return err_set(e, -EINVAL, "%s: cannot be read, is empty or too long", argv[2]);
    return run_all(&b, e);
}

int main(int argc, char **argv)
{
    struct err e;
    if (argc != 5) {
        fprintf(stderr, "usage: http_bench PORT REQUEST CLIENTS SECONDS\n");
        return 2;
    }
    if (run(argv, &e) < 0) {
        fprintf(stderr, "http_bench: %s\n", e.text);
        return 1;
    }
    return 0;
}
