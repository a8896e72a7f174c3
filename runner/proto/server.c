// SPDX-License-Identifier: Apache-2.0
/* Accepts, checks the peer, reads requests and sends the answers. A connection outlives its
 * closing only as long as calls of its are unanswered: they hold it by count. A reply that does
 * not fit into the socket's buffer means that the peer does not read: it is closed, nothing is
 * queued here. */
#include "runner/proto/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/base/xnew.h"

enum {
    PEERS_MAX = 256,
    CALLS_MAX = 64, /* unanswered calls of one peer; it is not read while it has so many */
    VERB_MAX = 32
};

struct peer {
    struct server *server; /* NULL once closed */
    struct peer *next, *previous;
    struct loop_watch *watch;
    int sock;
    uid_t uid;
    size_t calls;
    bool is_reading; /* inside on_packet(): do not free under its feet */
};

struct server {
    struct loop *loop;
    struct loop_watch *watch;
    int sock;
    char *path;
    uid_t *uids;
    size_t uid_count;
    server_call_fn *on_call;
    void *arg;
    struct peer *peers;
    size_t peer_count;
};

struct server_call {
    struct peer *peer;
    int64_t id;
    const char *verb;
    struct packet packet;
};

static void peer_free_unused(struct peer *p)
{
    if (!p->server && !p->calls && !p->is_reading)
        free(p);
}

static void peer_unlink(struct peer *p)
{
    struct server *s = p->server;
    if (p->previous)
        p->previous->next = p->next;
    else
        s->peers = p->next;
    if (p->next)
        p->next->previous = p->previous;
    s->peer_count--;
    p->server = NULL;
}

/* The caller frees it afterwards, with peer_free_unused(). */
static void peer_close(struct peer *p)
{
    if (!p->server)
        return;
    peer_unlink(p);
    loop_watch_free(p->watch);
    close(p->sock);
    p->watch = NULL;
    p->sock = -1;
}

static void on_packet(void *arg);

/* Stops reading from a peer that has too many calls open, and takes it up again. */
static void peer_throttle(struct peer *p)
{
    if (!p->server)
        return;
    if (p->calls >= CALLS_MAX) {
        loop_watch_free(TAKE(p->watch));
    } else if (!p->watch) {
        p->watch = loop_watch_new(p->server->loop, p->sock, on_packet, p);
    }
}

/* Makes the packet a call. -EBADMSG: it is not a request. */
static int call_new(struct peer *p, struct packet *packet, struct server_call **out)
{
    const char *verb;
    int64_t id;
    if (jget_text(packet->body, "verb", VERB_MAX, &verb, NULL) < 0 ||
        jget_i64_or(packet->body, "id", 0, INT64_MAX, 0, &id, NULL) < 0)
        return -EBADMSG;
    struct server_call *call = xnew(struct server_call);
    *call = (struct server_call){.peer = p, .id = id, .verb = verb, .packet = *packet};
    *packet = PACKET_NONE;
    p->calls++;
    *out = call;
    return 0;
}

static int read_call(struct peer *p)
{
    AUTO(packet_done) struct packet packet = PACKET_NONE;
    struct server_call *call = NULL;
    int r = wire_receive(p->sock, 0, &packet, NULL);
    if (r == 0)
        r = call_new(p, &packet, &call);
    if (r < 0)
        return r;
    peer_throttle(p);
    p->server->on_call(call, p->server->arg);
    return 0;
}

static void on_packet(void *arg)
{
    struct peer *p = arg;
    p->is_reading = true;
    int r = read_call(p);
    if (r < 0 && r != -EAGAIN && r != -EINTR)
        peer_close(p);
    p->is_reading = false;
    peer_free_unused(p);
}

static bool is_allowed(const struct server *s, uid_t uid)
{
    for (size_t i = 0; i < s->uid_count; i++)
        if (s->uids[i] == uid)
            return true;
    return false;
}

static void on_peer(void *arg)
{
    struct server *s = arg;
    AUTO(cleanup_close) int sock = accept4(s->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid;
    if (sock < 0 || wire_peer(sock, &uid, NULL) < 0 || !is_allowed(s, uid) ||
        s->peer_count >= PEERS_MAX)
        return;
    struct peer *p = xnew(struct peer);
    *p = (struct peer){.server = s, .next = s->peers, .sock = sock, .uid = uid};
    sock = -1;
    if (s->peers)
        s->peers->previous = p;
    s->peers = p;
    s->peer_count++;
    p->watch = loop_watch_new(s->loop, p->sock, on_packet, p);
}

int server_new(struct loop *l, const struct server_options *o, struct server **out,
               struct err *e)
{
    int sock = wire_listen(&o->at, e);
    if (sock < 0)
        return sock;
    struct server *s = xnew(struct server);
    s->loop = l;
    s->sock = sock;
    s->path = xdup(o->at.path);
    s->uids = xnew_array(uid_t, o->uid_count + 1);
    for (size_t i = 0; i < o->uid_count; i++)
        s->uids[i] = o->uids[i];
    s->uid_count = o->uid_count;
    s->on_call = o->on_call;
    s->arg = o->arg;
    s->watch = loop_watch_new(l, sock, on_peer, s);
    *out = s;
    return 0;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    while (s->peers) {
        struct peer *p = s->peers;
        peer_close(p);
        peer_free_unused(p);
    }
    loop_watch_free(s->watch);
    close(s->sock);
    unlink(s->path);
    free(s->path);
    free(s->uids);
    free(s);
}

void server_leave(struct server *s)
{
    for (struct peer *p = s->peers; p; p = p->next)
        close(p->sock);
    close(s->sock);
}

const char *server_verb(const struct server_call *call)
{
    return call->verb;
}

const json_t *server_body(const struct server_call *call)
{
    return call->packet.body;
}

int server_take_fd(struct server_call *call)
{
    return packet_take_fd(&call->packet);
}

/* Sends `body`, then the call is gone. */
static void answer(struct server_call *call, json_t *body, int fd)
{
    struct peer *p = call->peer;
    int r = p->server ? wire_send(p->sock, body, fd, 0, NULL) : 0;
    json_decref(body);
    if (fd >= 0)
        close(fd);
    packet_done(&call->packet);
    free(call);
    p->calls--;
    if (r < 0)
        peer_close(p);
    peer_throttle(p);
    peer_free_unused(p);
}

void server_reply(struct server_call *call, json_t *reply, int fd)
{
    json_t *body = wire_ok(call->id);
    if (reply)
        json_object_update_missing(body, reply);
    json_decref(reply);
    answer(call, body, fd);
}

void server_refuse(struct server_call *call, int code, const struct err *why)
{
    server_refuse_with(call, code, why, NULL);
}

void server_refuse_with(struct server_call *call, int code, const struct err *why,
                        json_t *facts)
{
    json_t *body = wire_refusal(call->id, code, why);
    if (facts)
        json_object_update_missing(body, facts);
    json_decref(facts);
    answer(call, body, -1);
}
