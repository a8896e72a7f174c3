// SPDX-License-Identifier: Apache-2.0
/* A list of streams and one timer for all heartbeats. */
#include "portal/sse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "portal/conn.h"
#include "portal/exchange.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/loop.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

struct sse {
    struct sse *next, *before;
    struct sse_hub *hub;
    struct request *r;
    char *topic, *owner;
    struct sse_options options;
    size_t left_out; /* events since the last gap was told */
};

struct sse_hub {
    struct sse *first;
    size_t count, max;
    struct loop_timer *heartbeat;
};

static void on_sent(struct evhttp_connection *ev, void *arg);

static void send_text(struct sse *s, struct evbuffer *text)
{
    request_piece(s->r, text, on_sent, s);
    evbuffer_free(text);
}

size_t sse_waiting(const struct sse *s)
{
    return request_is_gone(s->r) ? 0 : conn_unsent(s->r->exchange->conn);
}

static int put_json(const char *text, size_t len, void *out)
{
    return evbuffer_add(out, text, len);
}

static void send_event(struct sse *s, const char *event, const char *id, const json_t *data)
{
    struct evbuffer *text = evbuffer_new();
    if (id)
        evbuffer_add_printf(text, "id: %s\n", id);
    if (event)
        evbuffer_add_printf(text, "event: %s\n", event);
    evbuffer_add(text, "data: ", 6);
    json_dump_callback(data, put_json, text, JSON_COMPACT | JSON_ENCODE_ANY);
    evbuffer_add(text, "\n\n", 2);
    send_text(s, text);
}

bool sse_send(struct sse *s, const char *event, const char *id, const json_t *data)
{
    assert((!event || !parse_has_control(event)) && (!id || !parse_has_control(id)));
    if (sse_waiting(s) >= SSE_BACKLOG || s->left_out) {
        s->left_out++;
        return false;
    }
    send_event(s, event, id, data);
    return true;
}

static void on_sent(struct evhttp_connection *ev, void *arg)
{
    struct sse *s = arg;
    (void)ev;
    if (s->left_out) {
        AUTO(json_freep) json_t *gap = json_pack("{s:I}", "events", (json_int_t)s->left_out);
        s->left_out = 0;
        send_event(s, "gap", NULL, gap);
        return;
    }
    if (s->options.on_drained)
        s->options.on_drained(s, s->options.arg);
}

/* Takes the stream out of the hub and gives its request and its end back. */
static struct request *sse_free(struct sse *s)
{
    struct request *r = s->r;
    if (s->before)
        s->before->next = s->next;
    else
        s->hub->first = s->next;
    if (s->next)
        s->next->before = s->before;
    s->hub->count--;
    free(s->topic);
    free(s->owner);
    free(s);
    return r;
}

static void on_gone(void *arg)
{
    struct sse *s = arg;
    struct sse_options o = s->options;
    request_drop(sse_free(s));
    if (o.on_end)
        o.on_end(o.arg);
}

void sse_end(struct sse *s)
{
    struct sse_options o = s->options;
    struct request *r = sse_free(s);
    request_on_gone(r, NULL, NULL);
    request_end(r);
    if (o.on_end)
        o.on_end(o.arg);
}

static void on_heartbeat(void *arg)
{
    struct sse_hub *h = arg;
    for (struct sse *s = h->first; s; s = s->next) {
        if (sse_waiting(s))
            continue;
        struct evbuffer *text = evbuffer_new();
        evbuffer_add(text, ":\n\n", 3);
        send_text(s, text);
    }
}

struct sse_hub *sse_hub_new(struct loop *l, int64_t heartbeat_ms, size_t streams_max)
{
    struct sse_hub *h = xnew(struct sse_hub);
    h->max = streams_max;
    h->heartbeat = loop_timer_new(l, heartbeat_ms, heartbeat_ms, on_heartbeat, h);
    return h;
}

void sse_hub_free(struct sse_hub *h)
{
    if (!h)
        return;
    while (h->first) {
        h->first->options.on_end = NULL;
        sse_end(h->first);
    }
    loop_timer_free(h->heartbeat);
    free(h);
}

struct sse *sse_open(struct sse_hub *h, struct request *r, const struct sse_options *o)
{
    if (h->count >= h->max || request_is_gone(r)) {
        request_problem(r, 503, NULL, "Too many pages are being followed. Try again later.");
        return NULL;
    }
    request_fields(r, "text/event-stream", "no-store");
    request_set_header(r, "X-Accel-Buffering", "no"); /* a proxy must not collect events */
    request_begin(r, 200);
    if (r->method == REQUEST_HEAD) {
        request_end(r);
        return NULL;
    }
    struct sse *s = xnew(struct sse);
    *s = (struct sse){.hub = h, .r = r, .next = h->first, .options = *o};
    s->topic = xdup(o->topic);
    s->owner = xdup(o->owner);
    s->options.topic = s->options.owner = NULL;
    if (h->first)
        h->first->before = s;
    h->first = s;
    h->count++;
    request_on_gone(r, on_gone, s);
    return s;
}

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

size_t sse_publish(struct sse_hub *h, const char *topic, const char *event, const char *id,
                   const json_t *data)
{
    size_t taken = 0;
    for (struct sse *s = h->first; s; s = s->next)
        taken += is_same(s->topic, topic) && sse_send(s, event, id, data);
    return taken;
}

size_t sse_end_owner(struct sse_hub *h, const char *owner)
{
    size_t ended = 0;
    for (struct sse *s = h->first, *next; s; s = next) {
        next = s->next;
        if (!is_same(s->owner, owner))
            continue;
        sse_end(s); /* on_end may end others; look from the start */
        next = h->first;
        ended++;
    }
    return ended;
}

size_t sse_count(const struct sse_hub *h)
{
    return h->count;
}
