// SPDX-License-Identifier: Apache-2.0
/* Inside the HTTP core: a request's tie to evhttp and to its connection. Pages do not include
 * this.
 *
 * The loop alone uses an exchange. It lives until evhttp has let go of its request: mostly as
 * long as the request, longer when the request is dropped while the connection still stands. */
#ifndef FF_PORTAL_EXCHANGE_H
#define FF_PORTAL_EXCHANGE_H

#include <stdbool.h>

#include "portal/request.h"

struct conn;
struct evhttp_connection;
struct evhttp_request;

struct exchange {
    struct request *request;   /* NULL once dropped */
    struct evhttp_request *ev; /* ours from the moment the client has gone */
    struct conn *conn;         /* NULL: the client has gone */
    bool is_evhttps;           /* evhttp frees `ev` */
    bool *survives;            /* false when it is freed within on_gone() */
    void (*on_gone)(void *arg);
    void *gone_arg;
};

/* Takes what evhttp has read. NULL: it was not well formed, and has been answered. */
struct request *request_new(const struct site *s, struct evhttp_request *ev, struct conn *c);
/* After the reply was handed to evhttp, or the client's end. */
void request_free(struct request *r);

/* Read the body as what the route expects. 0 or the status to answer; the sentence is in
 * r->err. */
int request_read_form(struct request *r);
int request_read_json(struct request *r);
int request_read_upload(struct request *r);

/* The reply's fields: safety, type, Cache-Control, Connection. */
void request_fields(struct request *r, const char *type, const char *cache);
void request_file_fields(struct request *r, const struct request_file *f);
/* Sends the head and begins a reply of unknown length, or of the Content-Length that was set.
 */
void request_begin(struct request *r, int status);
/* Sends one piece; on_sent runs when the kernel has it. */
void request_piece(struct request *r, struct evbuffer *piece,
                   void (*on_sent)(struct evhttp_connection *ev, void *arg), void *arg);
void request_end(struct request *r); /* and frees the request */

#endif
