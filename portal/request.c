// SPDX-License-Identifier: Apache-2.0
/* Reading a request: path, query, fields, cookies, body; and its life. Replies are in reply.c.
 */
#include "portal/request.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>

#include "portal/conn.h"
#include "portal/exchange.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum {
    ARENA_MAX = 8 * 1024 * 1024, /* a page's rows; most requests take one block */
    FORM_MAX = 256 * 1024,       /* a script of 64 KiB with every byte as %XX, and the rest */
    JSON_MAX = 1024 * 1024,
    UPLOAD_MAX = 1024 * 1024,
};

struct cleanup_step {
    struct cleanup_step *next;
    void (*free_it)(void *thing);
    void *thing;
};

static void free_exchange(struct exchange *x)
{
    if (x->survives)
        *x->survives = false;
    if (!x->is_evhttps)
        evhttp_request_free(x->ev);
    free(x);
}

/* evhttp closes the connection. It has let go of the request already, unless the whole server
 * is being freed: then it would free the request under us, and must be told not to. */
static void on_client_gone(struct evhttp_connection *evcon, void *arg)
{
    struct exchange *x = arg;
    struct evhttp_request *ev = x->ev;
    bool survives = true;
    (void)evcon;
    x->conn = NULL;
    x->is_evhttps = evhttp_request_get_connection(ev) != NULL;
    if (!x->request) {
        free_exchange(x);
        return;
    }
    x->survives = &survives;
    if (x->on_gone)
        x->on_gone(x->gone_arg);
    if (!survives)
        return;
    x->survives = NULL;
    if (x->is_evhttps)
        evhttp_request_own(ev);
    x->is_evhttps = false;
}

static struct exchange *exchange_new(struct request *r, struct evhttp_request *ev,
                                     struct conn *c)
{
    struct exchange *x = xnew(struct exchange);
    *x = (struct exchange){.request = r, .ev = ev, .conn = c};
    evhttp_connection_set_closecb(evhttp_request_get_connection(ev), on_client_gone, x);
    return x;
}

static bool is_good_segment(const char *s)
{
    return s && !strchr(s, '/') && !parse_has_control(s) && strcmp(s, ".") && strcmp(s, "..");
}

/* The target into path, segments and query. */
static int read_target(struct request *r, const char *target)
{
    const char *mark = strchr(target, '?');
    size_t len = mark ? (size_t)(mark - target) : strlen(target);
    r->path = arena_dup_bytes(r->arena, target, len);
    for (size_t at = 1; at < len;) {
        const char *slash = memchr(target + at, '/', len - at);
        size_t n = slash ? (size_t)(slash - target) - at : len - at;
        char *segment = pairs_decode(r->arena, target + at, n, 0);
        if (!is_good_segment(segment))
            return err_set(&r->err, 400, "The path of the address is not well formed.");
        if (r->segments_count == (int)COUNT(r->segments))
            return err_set(&r->err, 404, "The path of the address is too deep.");
        r->segments[r->segments_count++] = segment;
        at += n + 1;
        if (at == len && slash && r->segments_count < (int)COUNT(r->segments))
            r->segments[r->segments_count++] = ""; /* "/jobs/" is not "/jobs" */
    }
    if (mark && pairs_parse(r->arena, mark + 1, strlen(mark + 1), &r->query, &r->err) < 0)
        return 400;
    return 0;
}

static bool prefers_json(const struct request *r)
{
    const char *accept = request_header(r, "Accept");
    return strncmp(r->path, "/api/", 5) == 0 ||
           (accept && (strncmp(accept, "application/json", 16) == 0 ||
                       strncmp(accept, "application/problem+json", 24) == 0));
}

static enum request_method method_of(const struct evhttp_request *ev)
{
    switch (evhttp_request_get_command(ev)) {
    case EVHTTP_REQ_POST:
        return REQUEST_POST;
    case EVHTTP_REQ_HEAD:
        return REQUEST_HEAD;
    default:
        return REQUEST_GET;
    }
}

struct request *request_new(const struct site *s, struct evhttp_request *ev, struct conn *c)
{
    struct request *r = xnew(struct request);
    r->arena = arena_new(ARENA_MAX);
    r->site = s;
    r->method = method_of(ev);
    r->address = arena_dup(r->arena, conn_address(c));
    r->is_tls = conn_is_tls(c);
    r->exchange = exchange_new(r, ev, c);
    int status = read_target(r, evhttp_request_get_uri(ev));
    r->wants_json = prefers_json(r);
    if (status == 0)
        return r;
    request_problem(r, status, NULL, r->err.text);
    return NULL;
}

void request_keep(struct request *r, void (*free_it)(void *thing), void *thing)
{
    struct cleanup_step *step = xnew(struct cleanup_step);
    *step = (struct cleanup_step){.next = r->cleanup, .free_it = free_it, .thing = thing};
    r->cleanup = step;
}

void request_free(struct request *r)
{
    struct exchange *x = r->exchange;
    for (struct cleanup_step *step = r->cleanup, *next; step; step = next) {
        next = step->next;
        step->free_it(step->thing);
        free(step);
    }
    x->request = NULL;
    if (!x->conn)
        free_exchange(x);
    json_decref(r->json);
    arena_free(r->arena);
    free(r);
}

bool request_is_gone(const struct request *r)
{
    return !r->exchange->conn;
}

void request_on_gone(struct request *r, void (*on_gone)(void *arg), void *arg)
{
    r->exchange->on_gone = on_gone;
    r->exchange->gone_arg = arg;
}

const char *request_target(const struct request *r)
{
    return evhttp_request_get_uri(r->exchange->ev);
}

const char *request_header(const struct request *r, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r->exchange->ev), name);
}

/* The next "name=value" of the field, up to its semicolon, from *at on; 0 at the end. */
static size_t next_cookie(const char **at)
{
    *at += strspn(*at, " ;");
    return strcspn(*at, ";");
}

const char *request_cookie(struct request *r, const char *name)
{
    const char *at = request_header(r, "Cookie");
    const char *found = NULL;
    size_t name_len = strlen(name), len = 0, n;
    for (; at && (n = next_cookie(&at)); at += n) {
        if (n <= name_len || at[name_len] != '=' || memcmp(at, name, name_len) != 0)
            continue;
        if (found)
            return NULL; /* somebody put a second one there */
        found = at + name_len + 1;
        len = n - name_len - 1;
    }
    return found ? arena_dup_bytes(r->arena, found, len) : NULL;
}

const char *request_cookie_next(struct request *r, const char *prefix, size_t *place)
{
    const char *field = request_header(r, "Cookie");
    const char *at = field ? field + *place : NULL;
    size_t prefix_len = strlen(prefix), n;
    for (; at && (n = next_cookie(&at)); at += n) {
        const char *equals = memchr(at, '=', n);
        if (!equals || n < prefix_len || memcmp(at, prefix, prefix_len) != 0)
            continue;
        *place = (size_t)(at + n - field);
        return arena_dup_bytes(r->arena, equals + 1, (size_t)(at + n - equals) - 1);
    }
    return NULL;
}

const char *request_query(const struct request *r, const char *name)
{
    return pairs_find(&r->query, name);
}

const char *request_param(const struct request *r, const char *name)
{
    const char *value = pairs_find(&r->params, name);
    return value ? value : "";
}

int request_param_i64(const struct request *r, const char *name, int64_t *out)
{
    return parse_i64(request_param(r, name), 1, INT64_MAX, out) < 0 ? -ENOENT : 0;
}

bool request_is_own_site(const struct request *r)
{
    const char *origin = request_header(r, "Origin");
    const char *site = request_header(r, "Sec-Fetch-Site");
    const char *host = request_header(r, "Host");
    const char *scheme = r->is_tls ? "https://" : "http://";
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    return !origin || (host && strncmp(origin, scheme, strlen(scheme)) == 0 &&
                       strcasecmp(origin + strlen(scheme), host) == 0);
}

/* The content type without its parameters is `type`; charset, if said, is UTF-8. */
static bool is_type(const struct request *r, const char *type)
{
    const char *given = request_header(r, "Content-Type");
    size_t len = strlen(type);
    if (!given || strncasecmp(given, type, len) != 0)
        return false;
    given += len;
    given += strspn(given, " \t");
    const char *charset = strcasestr(given, "charset=");
    if (*given != '\0' && *given != ';')
        return false;
    return !charset || strncasecmp(charset + 8, "utf-8", 5) == 0 ||
           strncasecmp(charset + 8, "\"utf-8\"", 7) == 0;
}

static int check_body(struct request *r, const char *type, size_t max, size_t *len)
{
    *len = evbuffer_get_length(evhttp_request_get_input_buffer(r->exchange->ev));
    if (!is_type(r, type))
        return err_set(&r->err, 415, "The body must be %s.", type);
    if (*len > max)
        return err_set(&r->err, 413, "The body has %zu bytes; at most %zu may be sent.", *len,
                       max);
    return 0;
}

static int read_body(struct request *r, const char *type, size_t max, const char **out,
                     size_t *len)
{
    int status = check_body(r, type, max, len);
    if (status != 0)
        return status;
    *out = *len ? (const char *)evbuffer_pullup(
                      evhttp_request_get_input_buffer(r->exchange->ev), -1)
                : "";
    return *out ? 0 : err_set(&r->err, 503, "There is not enough memory for the body.");
}

/* Empties the buffer, block by block, so that no copy is made on the way. */
static void wipe(struct evbuffer *b)
{
    size_t n;
    while ((n = evbuffer_get_contiguous_space(b)) > 0) {
        explicit_bzero(evbuffer_pullup(b, (ev_ssize_t)n), n);
        if (evbuffer_drain(b, n) < 0)
            return;
    }
}

/* A form may hold a password. evhttp keeps the body as long as the request, and would free a
 * block unwiped when it joins them: it is copied out and wiped, and so is the copy. */
int request_read_form(struct request *r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(r->exchange->ev);
    size_t len;
    struct err e;
    int status = check_body(r, "application/x-www-form-urlencoded", FORM_MAX, &len);
    if (status != 0)
        return status;
    AUTO(cleanup_free) char *text = malloc(len + 1);
    if (!text || evbuffer_copyout(in, text, len) != (ev_ssize_t)len)
        status = err_set(&r->err, 503, "There is not enough memory for the body.");
    else if (pairs_parse(r->arena, text, len, &r->form, &e) < 0)
        status = err_set(&r->err, 400, "The form is not well formed: %s.", e.text);
    wipe(in);
    if (text)
        explicit_bzero(text, len);
    return status;
}

int request_read_json(struct request *r)
{
    const char *text;
    size_t len;
    struct err e;
    int status = read_body(r, "application/json", JSON_MAX, &text, &len);
    if (status == 0 && jget_parse(text, len, JSON_MAX, &r->json, &e) < 0)
        status = err_set(&r->err, 400, "The body is not a JSON object: %s.", e.text);
    return status;
}

int request_read_upload(struct request *r)
{
    const char *data;
    size_t len;
    int status = read_body(r, "application/octet-stream", UPLOAD_MAX, &data, &len);
    if (status == 0)
        r->body = evhttp_request_get_input_buffer(r->exchange->ev);
    return status;
}
