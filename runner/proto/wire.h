// SPDX-License-Identifier: Apache-2.0
/* The wire between our programs: one JSON object a packet over AF_UNIX SOCK_SEQPACKET, with at
 * most one descriptor beside it.
 *
 *   request  {"verb": "start", "id": 7, …}
 *   reply    {"id": 7, "ok": true, …}
 *            {"id": 7, "ok": false, "errno": "ENOENT", "error": "one sentence"}
 *
 * A packet is at most WIRE_MAX bytes. Whoever sends something else (too large, not JSON, two
 * descriptors) gets -EBADMSG or -EMSGSIZE here, and its connection is closed by the caller.
 * Descriptors received are close-on-exec. Nothing here keeps state; any thread.
 */
#ifndef FF_PROTO_WIRE_H
#define FF_PROTO_WIRE_H

#include <stdint.h>
#include <sys/types.h>

#include "runner/base/err.h"
#include "runner/base/jget.h"

enum { WIRE_MAX = 64 * 1024 };

/* What one recvmsg(2) brought. */
struct packet {
    json_t *body;
    int fd; /* -1: none */
};

#define PACKET_NONE ((struct packet){.body = NULL, .fd = -1})

void packet_done(struct packet *p);   /* drops the body, closes the descriptor */
int packet_take_fd(struct packet *p); /* the caller closes it; -1 if there is none */

/* `wait_ms` is how long to wait for room or for a packet: 0 not at all (-EAGAIN), -1 for ever;
 * -ETIMEDOUT when it is over. `body` and `fd` (-1: none) stay the caller's.
 * -EMSGSIZE: larger than WIRE_MAX; -EPIPE, -ECONNRESET: the other side is gone. */
int wire_send(int sock, const json_t *body, int fd, int64_t wait_ms, struct err *e);
int wire_receive(int sock, int64_t wait_ms, struct packet *out, struct err *e);

/* A listening socket at `path` with exactly `mode`, owned by `owner` and `group` (-1: as it
 * comes). A dead socket in the way is removed; -EADDRINUSE: a live one. Returns the descriptor,
 * non-blocking, or a negative errno. */
struct wire_place {
    const char *path;
    mode_t mode;
    uid_t owner; /* (uid_t)-1: as it comes */
    gid_t group; /* (gid_t)-1: as it comes */
};
int wire_listen(const struct wire_place *at, struct err *e);

/* Returns a connected non-blocking descriptor or a negative errno. connect(2) on such a socket
 * does not wait: -EAGAIN means that the other side has too many waiting. */
int wire_connect(const char *path, struct err *e);

/* Who is at the other end, by the kernel's word. */
int wire_peer(int sock, uid_t *out_uid, pid_t *out_pid);

/* Replies. wire_ok() and wire_refusal() give a new object; wire_status() returns 0 for an ok
 * reply, or the negative errno and the sentence that the other side wrote. */
json_t *wire_ok(int64_t id);
json_t *wire_refusal(int64_t id, int code, const struct err *why);
int wire_status(const json_t *reply, struct err *e);

#endif
