// SPDX-License-Identifier: Apache-2.0
/* The HTTP server: listens, speaks TLS, limits, and hands over whole requests.
 *
 *   struct httpd_options o = HTTPD_DEFAULTS;
 *   o.listen = "127.0.0.1:8443"; o.cert_file = …; o.key_file = …; o.hosts = …;
 *   o.site = &site; o.on_request = router_on_request; o.arg = router;
 *   r = httpd_start(loop, &o, &httpd, &e);
 *
 * What the gate refuses, what is late and what is too much is answered here. At connections_max
 * and when the process has no descriptor left, accepting pauses; more than per_address_max
 * connections of one address are closed at once, which at most one line a minute tells.
 * Everything happens on the loop.
 */
#ifndef FF_PORTAL_HTTPD_H
#define FF_PORTAL_HTTPD_H

#include <stddef.h>
#include <stdint.h>

#include "portal/conn.h"
#include "runner/base/err.h"

struct httpd;
struct loop;
struct request;
struct site;

struct httpd_options {
    const char *listen;               /* "192.0.2.1:443", "[::1]:8443"; port 0: a free one */
    const char *cert_file, *key_file; /* PEM; both NULL: plain HTTP, on loopback only */
    const char *const *hosts;         /* the site's names, without port, NULL-terminated */
    int connections_max, per_address_max;
    int requests_max; /* on one connection */
    size_t head_max;  /* bytes of request line and fields */
    int fields_max;
    int64_t body_max; /* bytes */
    struct conn_times times;
    const struct site *site;
    void (*on_request)(struct request *r, void *arg); /* must lead to one reply */
    void *arg;
};

/* 256 connections are some forty browsers behind one address, as a campus has it; a slow client
 * has 10 s for its request's head, and must take 64 KiB in 60 s. */
#define HTTPD_DEFAULTS                                                                         \
    ((struct httpd_options){.connections_max = 4000,                                           \
                            .per_address_max = 256,                                            \
                            .requests_max = 1000,                                              \
                            .head_max = 8192,                                                  \
                            .fields_max = 64,                                                  \
                            .body_max = 1024 * 1024,                                           \
                            .times = {.head_ms = 10000,                                        \
                                      .body_ms = 30000,                                        \
                                      .reply_ms = 60000,                                       \
                                      .idle_ms = 30000,                                        \
                                      .linger_ms = 2000}})

/* The options' strings stay the caller's and must live as long. -EADDRINUSE and other errors of
 * the socket, -EINVAL (address, certificate, plain HTTP beyond loopback), -EACCES (key
 * readable). */
int httpd_start(struct loop *l, const struct httpd_options *o, struct httpd **out,
                struct err *e);

/* Closes all connections. Requests that workers or pages still have live on and are answered to
 * nobody; free the pool of workers after this. */
void httpd_free(struct httpd *h);

int httpd_port(const struct httpd *h);
int httpd_connections(const struct httpd *h);
int httpd_reload(struct httpd *h,
                 struct err *e); /* certificate and key; the old stay if it fails */

#endif
