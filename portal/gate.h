// SPDX-License-Identifier: Apache-2.0
/* Refuses what RFC 9112 and RFC 9110 order refused, and a little more. Pure.
 *
 *   struct gate g = {0};
 *   switch (gate_feed(&g, &limits, head, len)) …
 *
 * `head` holds all bytes since the request began: the bytes of the last call and perhaps more.
 * Every byte is looked at once, in order, so the verdict does not depend on how the bytes were
 * cut into packets. What passes is a request line and fields that no two parsers read
 * differently:
 *   - lines end in CR LF; no other control byte but a tab inside a value; no folded lines
 *   - GET, HEAD or POST (else 405), a target that begins with one '/', HTTP/1.0 or 1.1
 *     (else 505)
 *   - names are tokens directly before the colon; exactly one Host, and one of ours (else 421)
 *   - Host, Content-Length, Content-Type, Cookie, Origin, Authorization … at most once
 *   - no Transfer-Encoding (411); Content-Length in plain digits, none for GET and HEAD
 *   - at most head_max bytes (414, 431), fields_max fields (431), body_max bytes of body (413)
 */
#ifndef FF_PORTAL_GATE_H
#define FF_PORTAL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate_limits {
    size_t head_max; /* request line and fields together, bytes */
    int fields_max;
    int64_t body_max; /* bytes */
    const char *const
        *hosts; /* names that are ours, without port, NULL-terminated; NULL: any */
};

enum gate_verdict { GATE_MORE, GATE_PASS, GATE_REFUSE };
enum gate_method { GATE_NONE, GATE_GET, GATE_HEAD, GATE_POST };

struct gate {
    /* After GATE_REFUSE: what to answer. */
    int status;
    const char *reason; /* a sentence, static */
    /* After GATE_PASS: the head is the bytes from head_start to head_end. */
    size_t head_start, head_end;
    enum gate_method method; /* also known while refusing, once it was read */
    bool is_api;             /* as is this: the target begins with "/api/" */
    bool is_persistent;      /* HTTP/1.1, and the client did not ask for the end */
    int fields;
    int64_t body_bytes;
    /* Progress: starts as zero. */
    size_t scanned, line;
    int lines;
    unsigned seen;
    bool is_http_1_0, wants_close;
};

enum gate_verdict gate_feed(struct gate *g, const struct gate_limits *l, const char *head,
                            size_t len);

/* The second look, at what the HTTP library made of the same bytes. */
bool gate_agrees(const struct gate *g, enum gate_method method, int fields, size_t body_bytes);

#endif
