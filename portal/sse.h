// SPDX-License-Identifier: Apache-2.0
/* Event streams (text/event-stream): subscribe, send, drop the slow.
 *
 * A hub holds all open streams. Each has a topic, which sse_publish() addresses, and an owner
 * (the session), whose streams sse_end_owner() ends at logout. Every heartbeat_ms a comment
 * keeps proxies from closing. What a client has not taken is bounded: with SSE_BACKLOG bytes
 * waiting further events are left out, and when it has caught up one event "gap" says how many,
 * so that the page fetches anew; a client that takes nothing for the reply's deadline is
 * closed. Everything on the loop. */
#ifndef FF_PORTAL_SSE_H
#define FF_PORTAL_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum { SSE_BACKLOG = 256 * 1024 };

struct loop;
struct request;
struct sse;
struct sse_hub;

/* streams_max in all; one more gets 503. */
struct sse_hub *sse_hub_new(struct loop *l, int64_t heartbeat_ms, size_t streams_max);
void sse_hub_free(struct sse_hub *h); /* ends all streams; no on_end is called any more */

struct sse_options {
    const char *topic; /* copied, as is the owner; NULL: none */
    const char *owner;
    /* Called once when the stream is over (the client went, or sse_end…()); `s` is gone after.
     * NULL is fine. Never within sse_open(). */
    void (*on_end)(void *arg);
    /* Called when all that was sent has been taken: go on sending. NULL is fine. */
    void (*on_drained)(struct sse *s, void *arg);
    void *arg;
};

/* Replies with a stream; NULL: refused (too many, or HEAD), the request is answered. */
struct sse *sse_open(struct sse_hub *h, struct request *r, const struct sse_options *o);

/* Sends one event; `data` stays the caller's. event and id may be NULL and hold no line ends.
 * False: left out, the client is slow. The client sends the last id it got as Last-Event-ID. */
bool sse_send(struct sse *s, const char *event, const char *id, const json_t *data);
size_t sse_waiting(const struct sse *s); /* bytes not taken yet */
void sse_end(struct sse *s);

size_t sse_publish(struct sse_hub *h, const char *topic, const char *event, const char *id,
                   const json_t *data); /* how many streams of that topic took it */
size_t sse_end_owner(struct sse_hub *h, const char *owner);
size_t sse_count(const struct sse_hub *h);

#endif
