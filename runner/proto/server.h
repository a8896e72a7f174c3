// SPDX-License-Identifier: Apache-2.0
/* The answering side of the wire, on the loop.
 *
 *   static void on_call(struct server_call *call, void *arg)
 *   {
 *       if (!strcmp(server_verb(call), "hello"))
 *           server_reply(call, json_pack("{ss}", "host", host), -1);
 *       else
 *           server_refuse(call, -ENOSYS, NULL);
 *   }
 *
 * Peers whose uid (by SO_PEERCRED) is not in the list are closed before a byte is read. A peer
 * that sends what is not a request, or does not read its replies, is closed. Each call is
 * answered exactly once, now or later, in any order; an answer to a peer that left is dropped.
 * Loop thread only.
 */
#ifndef FF_PROTO_SERVER_H
#define FF_PROTO_SERVER_H

#include <stddef.h>

#include "runner/base/loop.h"
#include "runner/proto/wire.h"

struct server;
struct server_call;

typedef void server_call_fn(struct server_call *call, void *arg);

struct server_options {
    struct wire_place at;
    const uid_t *uids; /* who may call; copied */
    size_t uid_count;
    server_call_fn *on_call;
    void *arg;
};

int server_new(struct loop *l, const struct server_options *options, struct server **out,
               struct err *e);
/* Closes everything and removes the socket's path. Calls not yet answered stay valid: answering
 * them later frees them. */
void server_free(struct server *s);
AUTO_FREE(server_free, struct server)

/* For a forked child: closes the sockets it shares, so that neither the address nor a
 * connection stays open when the parent ends. The parent's server goes on; the child's must not
 * be used again. */
void server_leave(struct server *s);

const char *server_verb(const struct server_call *call);
const json_t *server_body(const struct server_call *call); /* lives until the answer */
int server_take_fd(struct server_call *call);              /* caller closes it; -1: none */

/* Answers and frees the call. `reply` (may be NULL) is an object without "id" and "ok", taken
 * over; `fd` (-1: none) is taken over too and closed after it was sent. */
void server_reply(struct server_call *call, json_t *reply, int fd);
/* `code` is a negative errno; `why` may be NULL: then the errno's own text. */
void server_refuse(struct server_call *call, int code, const struct err *why);
/* A refusal that carries facts, for example the state of what exists already. `facts` is taken.
 */
void server_refuse_with(struct server_call *call, int code, const struct err *why,
                        json_t *facts);

#endif
