// SPDX-License-Identifier: Apache-2.0
/* A list of calls and a connection. A call that does not fit into the socket's buffer waits
 * until a reply arrives: the buffer is full only while the other side has calls of ours unread.
 * Failing to connect is told to each call by a timer of its own, so that `done` never runs
 * inside client_start(). */
#include "runner/proto/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/now.h"
#include "runner/base/xnew.h"

struct client_call {
    struct client *client;
    struct client_call *next, *previous;
    struct loop_timer *timer; /* its deadline, or the failure that waits to be told */
    json_t *request;
    int fd;
    int64_t id;
    client_done_fn *done;
    void *arg;
    struct client_answer answer;
};

struct client {
    struct loop *loop;
    char *path; /* NULL: cannot connect again */
    int sock;   /* -1: not connected */
    struct loop_watch *watch;
    int64_t last_id;
    struct client_call *first, *last; /* in the order of their start */
};

struct client *client_new(struct loop *l, const char *path)
{
    struct client *c = xnew(struct client);
    c->loop = l;
    c->path = xdup(path);
    c->sock = -1;
    return c;
}

static void on_reply(void *arg);

struct client *client_new_on(struct loop *l, int sock)
{
    struct client *c = client_new(l, NULL);
    c->sock = sock;
    c->watch = loop_watch_new(l, sock, on_reply, c);
    return c;
}

static void disconnect(struct client *c)
{
    loop_watch_free(TAKE(c->watch));
    if (c->sock >= 0)
        close(c->sock);
    c->sock = -1;
}

static void call_unlink(struct client_call *call)
{
    struct client *c = call->client;
    if (call->previous)
        call->previous->next = call->next;
    else
        c->first = call->next;
    if (call->next)
        call->next->previous = call->previous;
    else
        c->last = call->previous;
}

static void call_free(struct client_call *call)
{
    call_unlink(call);
    loop_timer_free(call->timer);
    json_decref(call->request);
    if (call->fd >= 0)
        close(call->fd);
    free(call);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    while (c->first)
        call_free(c->first);
    disconnect(c);
    free(c->path);
    free(c);
}

void client_cancel(struct client_call *call)
{
    if (call)
        call_free(call);
}

/* Free first, call last. */
static void finish(struct client_call *call)
{
    client_done_fn *done = call->done;
    void *arg = call->arg;
    struct client_answer answer = call->answer;
    call_free(call);
    done(&answer, arg);
    packet_done(&answer.packet);
}

static void on_failure(void *arg)
{
    finish(arg);
}

/* Has the call told -- from the loop, soon -- that nobody will answer it. */
static void fail_later(struct client_call *call, int code, const struct err *why)
{
    loop_timer_free(call->timer);
    call->answer.status = code;
    call->answer.why = *why;
    call->timer = loop_timer_new(call->client->loop, 0, 0, on_failure, call);
}

static void on_deadline(void *arg)
{
    struct client_call *call = arg;
    call->answer.status = err_set(&call->answer.why, -ETIMEDOUT, "no answer in time");
    finish(call);
}

/* The connection is gone, and with it every call that has no verdict yet. */
static void fail_all(struct client *c, int code, const struct err *why)
{
    disconnect(c);
    for (struct client_call *call = c->first; call; call = call->next)
        if (!call->answer.status)
            fail_later(call, code, why);
}

static int client_connect(struct client *c, struct err *e)
{
    if (c->sock >= 0)
        return 0;
    if (!c->path)
        return err_set(e, -ECONNRESET, "the connection is closed");
    int sock = wire_connect(c->path, e);
    if (sock < 0)
        return sock;
    c->sock = sock;
    c->watch = loop_watch_new(c->loop, sock, on_reply, c);
    return 0;
}

/* Sends what has not been sent, in order, as far as the socket takes it. */
static void send_waiting(struct client *c)
{
    for (struct client_call *call = c->first; call; call = call->next) {
        struct err why = {{0}};
        if (call->answer.was_sent || call->answer.status)
            continue;
        int r = client_connect(c, &why);
        if (r == 0)
            r = wire_send(c->sock, call->request, call->fd, 0, &why);
        if (r == -EAGAIN && c->sock >= 0)
            return;
        if (r == -EMSGSIZE || r == -EINVAL || c->sock < 0) {
            fail_later(call, r, &why);
        } else if (r < 0) {
            fail_all(c, r, &why);
            return;
        } else {
            call->answer.was_sent = true;
        }
    }
}

struct client_call *client_start(struct client *c, json_t *request, int fd, int64_t timeout_ms,
                                 client_done_fn *done, void *arg)
{
    struct client_call *call = xnew(struct client_call);
    *call = (struct client_call){.client = c,
                                 .previous = c->last,
                                 .request = request,
                                 .fd = fd,
                                 .id = ++c->last_id,
                                 .done = done,
                                 .arg = arg,
                                 .answer = {.packet = PACKET_NONE}};
    json_object_set_new(request, "id", json_integer(call->id));
    if (c->last)
        c->last->next = call;
    else
        c->first = call;
    c->last = call;
    call->timer = loop_timer_new(c->loop, timeout_ms, 0, on_deadline, call);
    send_waiting(c);
    return call;
}

static struct client_call *call_find(struct client *c, int64_t id)
{
    struct client_call *call = c->first;
    while (call && call->id != id)
        call = call->next;
    return call;
}

static void on_reply(void *arg)
{
    struct client *c = arg;
    AUTO(packet_done) struct packet packet = PACKET_NONE;
    struct err why = {{0}};
    int64_t id;
    int r = wire_receive(c->sock, 0, &packet, &why);
    if (r == 0)
        r = jget_i64(packet.body, "id", 1, INT64_MAX, &id, &why);
    if (r == -EAGAIN || r == -EINTR)
        return;
    if (r < 0) {
        fail_all(c, r, &why);
        return;
    }
    send_waiting(c);
    struct client_call *call = call_find(c, id);
    if (!call || call->answer.status) /* cancelled or too late */
        return;
    call->answer.is_reply = true;
    call->answer.packet = packet;
    packet = PACKET_NONE;
    call->answer.status = wire_status(call->answer.packet.body, &call->answer.why);
    finish(call);
}

int client_ask_on(int sock, json_t *request, int fd, int64_t timeout_ms, struct packet *out,
                  struct err *e)
{
    AUTO(json_freep) json_t *body = request;
    AUTO(packet_done) struct packet reply = PACKET_NONE;
    struct err why = {{0}};
    int64_t until = now_mono_ms() + timeout_ms;
    json_object_set_new(body, "id", json_integer(1));
    int r = wire_send(sock, body, fd, timeout_ms, &why);
    int64_t left = until - now_mono_ms();
    if (r == 0)
        r = wire_receive(sock, left > 0 ? left : 0, &reply, &why);
    if (r == 0)
        r = wire_status(reply.body, &why);
    if (r < 0)
        return err_set(e, r == -EAGAIN ? -ETIMEDOUT : r, "%s", why.text);
    *out = reply;
    reply = PACKET_NONE;
    return 0;
}

int client_ask(const char *path, json_t *request, int fd, int64_t timeout_ms,
               struct packet *out, struct err *e)
{
    AUTO(cleanup_close) int sock = wire_connect(path, e);
    if (sock >= 0)
        return client_ask_on(sock, request, fd, timeout_ms, out, e);
    json_decref(request);
    return sock;
}
