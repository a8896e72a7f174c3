// SPDX-License-Identifier: Apache-2.0
/* The asking side of the wire: asynchronous on the loop, or blocking for tools and workers.
 *
 * A client connects at its first call and again at the next call after the connection broke.
 * Calls go out at once, several may be in flight, replies may come in any order. `done` runs
 * exactly once, from the loop, never inside client_start(), never after client_cancel().
 */
#ifndef FF_PROTO_CLIENT_H
#define FF_PROTO_CLIENT_H

#include <stdbool.h>

#include "runner/base/loop.h"
#include "runner/proto/wire.h"

struct client;
struct client_call;

struct client_answer {
    int status;    /* 0, or a negative errno with its sentence in `why` */
    bool is_reply; /* true: the other side said so. false: we could not ask, or nobody
                      answered (-ECONNREFUSED, -ECONNRESET, -ETIMEDOUT …), and whether the
                      call was carried out is not known unless `was_sent` is false too */
    bool was_sent;
    struct packet packet; /* body: the whole reply (NULL when there is none), also of a refusal;
                   freed after `done` unless taken with packet_take_fd(), json_incref() */
    struct err why;
};

typedef void client_done_fn(struct client_answer *answer, void *arg);

/* `path` is copied. Nothing is opened yet. */
struct client *client_new(struct loop *l, const char *path);
/* A client on a socket that is connected already, for example one end of a socketpair; it is
 * taken over and closed at the end. Such a client cannot connect again. */
struct client *client_new_on(struct loop *l, int sock);
/* Cancels all calls: no `done` runs. */
void client_free(struct client *c);
AUTO_FREE(client_free, struct client)

/* `request` (with its "verb") is taken over, its "id" is set here; `fd` (-1: none) is taken
 * over. After timeout_ms without a reply `done` gets -ETIMEDOUT. The handle is valid until
 * then. */
struct client_call *client_start(struct client *c, json_t *request, int fd, int64_t timeout_ms,
                                 client_done_fn *done, void *arg);
/* The request may still be carried out; NULL is fine. */
void client_cancel(struct client_call *call);

/* One question on a connection of its own, blocking at most timeout_ms. `request` is taken
 * over, `fd` stays the caller's. On 0 `out` is the reply (packet_done() it); a refusal is its
 * errno and sentence. */
int client_ask(const char *path, json_t *request, int fd, int64_t timeout_ms,
               struct packet *out, struct err *e);
/* The same on a connected socket, for one that asks several times in order. After a failure
 * that is no refusal (-ETIMEDOUT, -EBADMSG …) a late reply may still come: close the socket. */
int client_ask_on(int sock, json_t *request, int fd, int64_t timeout_ms, struct packet *out,
                  struct err *e);

#endif
