// SPDX-License-Identifier: Apache-2.0
/* One connection: the filter between the socket and evhttp, and its clock.
 *
 * Inwards nothing reaches evhttp but the bytes of requests that the gate has passed, one
 * request at a time: what a client sends ahead waits until the reply before it is out. Outwards
 * at most one block (64 KiB) is under way, and evhttp believes a byte written only when the
 * kernel has it, so that a close never cuts a reply. Deadlines are absolute: the head of a
 * request, its body, the reply; a stream has its reply's time for each block. What is refused
 * is answered here, the rest of what the client says is read and thrown away for a moment, so
 * that the answer arrives.
 *
 * evhttp owns the bufferevent that conn_new() makes and frees it; the connection goes with it.
 */
#ifndef FF_PORTAL_CONN_H
#define FF_PORTAL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "portal/gate.h"

struct bufferevent;
struct conn;
struct evbuffer;
struct event_base;
struct ssl_st;

enum { CONN_BLOCK = 64 * 1024 };

struct conn_times {
    int64_t
        head_ms; /* from the accept (a later request: its first byte) to the end of the head */
    int64_t body_ms; /* from there to the end of the body */
    int64_t
        reply_ms; /* from there until the reply is with the kernel; for a stream, each block */
    int64_t idle_ms;   /* between two requests */
    int64_t linger_ms; /* after a refusal */
};

/* What all connections share; it outlives them. */
struct conn_host {
    struct event_base *base;
    struct gate_limits limits;
    struct conn_times times;
    int requests_max; /* on one connection */
    /* The address is known: false ends the connection at once. */
    bool (*on_open)(struct conn *c, const struct sockaddr *address, void *arg);
    /* Writes the whole answer to a request that the gate refused. */
    void (*on_refuse)(const struct conn *c, struct evbuffer *out, void *arg);
    void (*on_close)(struct conn *c, void *arg); /* `c` is freed after this */
    void *arg;
    void *tree; /* of all connections; starts as NULL */
};

/* The bufferevent for evhttp; takes `tls` over (NULL: plain). Aborts when memory is out: evhttp
 * would go on without the gate. */
struct bufferevent *conn_new(struct conn_host *host, struct ssl_st *tls);
struct conn *conn_find(struct conn_host *host, struct bufferevent *of_evhttp);

void conn_set_peer(struct conn *c, void *peer); /* a place for what on_open() found */
void *conn_peer(const struct conn *c);
const char *conn_address(const struct conn *c); /* "192.0.2.7", "2001:db8::1" */
const struct gate *conn_gate(const struct conn *c);
bool conn_is_tls(const struct conn *c);
bool conn_will_close(const struct conn *c); /* after the reply to this request */

/* Wakes what waits for writing; call after every evhttp_send_…(). */
void conn_push(struct conn *c);
void conn_hold(struct conn *c); /* before a piece is added, so that it leaves whole */
/* Bytes of replies that the kernel does not have yet. */
size_t conn_unsent(const struct conn *c);
void conn_stream(struct conn *c); /* this reply is a stream: a deadline for each block */
void conn_watch(struct conn *c);  /* notice that the client goes while nothing is written */
void conn_next(struct conn *c);   /* the reply is out */
void conn_abort(struct conn *c);  /* ends it now; the events come later, from the loop */

#endif
