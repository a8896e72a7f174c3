// SPDX-License-Identifier: Apache-2.0
/* One request and the reply to it.
 *
 * The request, with all that its arena holds, lives until exactly one of the replies below is
 * given; each of them frees it. That is so even when the client has gone meanwhile: then the
 * reply goes nowhere, and nobody but the core needs to care (request_is_gone() saves useless
 * work).
 *
 * From the moment a page's `load` is started until its `show` is called a worker has the
 * request, and only what is marked "any thread" may be used; all else belongs to the loop.
 */
#ifndef FF_PORTAL_REQUEST_H
#define FF_PORTAL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "portal/pairs.h"
#include "runner/base/arena.h"
#include "runner/base/err.h"

struct evbuffer;
struct exchange;
struct site;

enum request_method { REQUEST_GET, REQUEST_HEAD, REQUEST_POST };

struct request {         /* any thread may read; what a comment gives away may be written */
    struct arena *arena; /* dies with the reply; for load and show to use */
    enum request_method method;
    const char *path;    /* as it came, without the query: "/jobs/7" */
    const char *address; /* the client's: "192.0.2.7" */
    bool is_tls;
    bool wants_json; /* errors as application/problem+json */
    struct pairs query, params, form;
    json_t *json;             /* the body of an API call; an object, or NULL */
    struct evbuffer *body;    /* the body of an upload, or NULL */
    void *session;            /* the portal's; its hooks set it */
    void *state;              /* the page's: from load to show */
    struct err err;           /* the page's: what went wrong, for request_fail() */
    const char *segments[32]; /* the path, decoded; the router's */
    int segments_count;
    const struct site *site;
    struct exchange *exchange;
    struct cleanup_step *cleanup;
};

const char *request_target(const struct request *r); /* path and query, as they were sent */
const char *request_header(const struct request *r, const char *name); /* NULL if not there */
const char *request_cookie(struct request *r, const char *name);       /* NULL also if twice */
/* One after the other the values of the cookies whose names begin so, from *place = 0 on; NULL
 * after the last. */
const char *request_cookie_next(struct request *r, const char *prefix, size_t *place);
const char *request_query(const struct request *r, const char *name); /* NULL if not there */
const char *request_param(const struct request *r, const char *name); /* never NULL */
/* A param that is a number from 1 on, or -ENOENT: what has no such number is not there. */
int request_param_i64(const struct request *r, const char *name, int64_t *out);
/* It was sent from a page of this site, by Origin and Sec-Fetch-Site; true without either. */
bool request_is_own_site(const struct request *r);
/* Calls free_it(thing) when the request dies, the last one first. */
void request_keep(struct request *r, void (*free_it)(void *thing), void *thing);

/* Adds a field to the reply, even of a name that is there. */
void request_set_header(struct request *r, const char *name, const char *value);
bool request_is_gone(const struct request *r);
/* Calls on_gone(arg) once if the client goes before the reply; reply from within, or later. */
void request_on_gone(struct request *r, void (*on_gone)(void *arg), void *arg);

void request_html(struct request *r, int status, const char *view, json_t *data);
/* With status 400 and above a problem document. */
void request_json(struct request *r, int status, json_t *body);
/* A page or a problem document, as the client wants. NULL title or detail: what is usual. */
void request_problem(struct request *r, int status, const char *title, const char *detail);
/* From a negative errno; r->err is shown where the client can mend it and logged otherwise: for
 * 503 once while it lasts. */
void request_fail(struct request *r, int code);
/* 503, and r->err is logged once while it lasts. */
void request_unavailable(struct request *r);
/* 303 to a path of this site; anything else goes to "/". */
void request_redirect(struct request *r, const char *own_path);

struct request_file {
    const char *type;     /* "text/plain; charset=utf-8" */
    const char *filename; /* as the user named it; NULL: shown in place, not saved */
    const char *etag;     /* quoted; NULL: none. A client that has it gets 304 */
    bool may_cache;       /* for good: the address changes with the content */
};
void request_bytes(struct request *r, const struct request_file *f, struct evbuffer *body);
/* Sends `length` bytes of the regular file from `offset` on (-1: to its end), or a pipe or
 * socket until its end (length -1) or for length bytes. Takes the descriptor over. At most two
 * blocks of 64 KiB are in memory; a file that ends early ends the connection. */
void request_stream(struct request *r, const struct request_file *f, int fd, int64_t offset,
                    int64_t length);
void request_drop(struct request *r); /* no reply: the connection is closed */

#endif
