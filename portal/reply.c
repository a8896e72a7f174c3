// SPDX-License-Identifier: Apache-2.0
/* The replies of request.h: every one passes request_fields(), so none goes without the safety
 * fields, and send_whole() or request_begin(), so a HEAD gets no body. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "portal/conn.h"
#include "portal/error_page.h"
#include "portal/exchange.h"
#include "portal/request.h"
#include "portal/site.h"
#include "portal/static_files.h"
#include "portal/trouble.h"
#include "portal/view.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/log.h"
#include "runner/base/parse.h"

static struct evkeyvalq *fields_of(const struct request *r)
{
    return evhttp_request_get_output_headers(r->exchange->ev);
}

void request_set_header(struct request *r, const char *name, const char *value)
{
    if (parse_has_control(value) || evhttp_add_header(fields_of(r), name, value) < 0)
        log_error("%s: the reply's field %s has a control byte and was left out", r->path,
                  name);
}

void request_fields(struct request *r, const char *type, const char *cache)
{
    const struct error_field *f;
    struct exchange *x = r->exchange;
    for (unsigned i = 0; (f = safety_field(i, r->is_tls)); i++)
        evhttp_add_header(fields_of(r), f->name, f->value);
    if (type)
        request_set_header(r, "Content-Type", type);
    request_set_header(r, "Cache-Control", cache);
    if (x->conn && conn_will_close(x->conn)) {
        evhttp_remove_header(evhttp_request_get_input_headers(x->ev), "Connection");
        evhttp_add_header(fields_of(r), "Connection", "close");
    }
}

static void set_length(struct request *r, size_t len)
{
    char text[24];
    snprintf(text, sizeof(text), "%zu", len);
    evhttp_add_header(fields_of(r), "Content-Length", text);
}

static void on_complete(struct evhttp_request *ev, void *arg)
{
    (void)ev;
    conn_next(arg);
}

/* Nothing of ours looks at the connection any more, and evhttp frees its request. */
static void let_go(struct exchange *x)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(x->ev), NULL, NULL);
    x->conn = NULL;
    x->is_evhttps = true;
}

static void send_whole(struct request *r, int status, struct evbuffer *body)
{
    struct exchange *x = r->exchange;
    struct conn *c = x->conn;
    if (!c) {
        request_free(r);
        return;
    }
    bool is_empty = status == 204 || status == 304;
    if (!is_empty)
        set_length(r, evbuffer_get_length(body));
    evhttp_request_set_on_complete_cb(x->ev, on_complete, c);
    conn_hold(c);
    let_go(x);
    evhttp_send_reply(x->ev, status, error_title(status),
                      is_empty || r->method == REQUEST_HEAD ? NULL : body);
    conn_push(c);
    request_free(r);
}

void request_begin(struct request *r, int status)
{
    struct exchange *x = r->exchange;
    if (!x->conn)
        return;
    evhttp_request_set_on_complete_cb(x->ev, on_complete, x->conn);
    conn_hold(x->conn);
    conn_stream(x->conn);
    evhttp_send_reply_start(x->ev, status, error_title(status));
    conn_push(x->conn);
}

void request_piece(struct request *r, struct evbuffer *piece,
                   void (*on_sent)(struct evhttp_connection *ev, void *arg), void *arg)
{
    struct exchange *x = r->exchange;
    if (!x->conn)
        return;
    conn_hold(x->conn);
    evhttp_send_reply_chunk_with_cb(x->ev, piece, on_sent, arg);
    conn_push(x->conn);
}

void request_end(struct request *r)
{
    struct exchange *x = r->exchange;
    if (x->conn) {
        let_go(x);
        evhttp_send_reply_end(x->ev);
    }
    request_free(r);
}

void request_drop(struct request *r)
{
    struct exchange *x = r->exchange;
    if (x->conn)
        conn_abort(x->conn);
    x->on_gone = NULL;
    request_free(r);
}

void request_html(struct request *r, int status, const char *view, json_t *data)
{
    struct evbuffer *body = evbuffer_new();
    struct err e;
    AUTO(json_freep) json_t *page = data ? data : json_object();
    if (r->site->files)
        json_object_set(page, "assets", static_files_assets(r->site->files));
    if (r->site->decorate)
        r->site->decorate(r, page, r->site->arg);
    if (views_render(r->site->views, view, page, body, &e) < 0) {
        log_error("%s: %s", r->path, e.text);
        request_problem(r, 500, NULL, NULL);
    } else {
        request_fields(r, "text/html; charset=utf-8", "no-store");
        send_whole(r, status, body);
    }
    evbuffer_free(body);
}

static int put_json(const char *text, size_t len, void *out)
{
    return evbuffer_add(out, text, len);
}

void request_json(struct request *r, int status, json_t *body)
{
    AUTO(json_freep) json_t *taken = body;
    struct evbuffer *text = evbuffer_new();
    json_dump_callback(taken, put_json, text, JSON_COMPACT);
    evbuffer_add(text, "\n", 1);
    request_fields(r, status < 400 ? "application/json" : "application/problem+json",
                   "no-store");
    send_whole(r, status, text);
    evbuffer_free(text);
}

void request_problem(struct request *r, int status, const char *title, const char *detail)
{
    AUTO(json_freep) json_t *problem = error_problem(status, title, detail);
    struct evbuffer *body = evbuffer_new();
    const char *type = error_body(r->site, r, r->wants_json, problem, body);
    request_fields(r, type, "no-store");
    if (status == 503)
        request_set_header(r, "Retry-After", "2");
    if (status == 401) /* RFC 9110 wants a scheme: the true one, though it is not registered */
        request_set_header(r, "WWW-Authenticate", "Cookie realm=\"Firefly\"");
    send_whole(r, status, body);
    evbuffer_free(body);
}

void request_fail(struct request *r, int code)
{
    int status = error_status(code);
    if (status == 503) {
        request_unavailable(r);
        return;
    }
    if (status == 500)
        log_error("%s: %s (%s)", r->path, r->err.text, strerror(-code));
    request_problem(r, status, NULL, status < 500 && *r->err.text ? r->err.text : NULL);
}

void request_unavailable(struct request *r)
{
    trouble_log(r->site->troubles, r->err.text);
    request_problem(r, 503, NULL, NULL);
}

void request_redirect(struct request *r, const char *own_path)
{
    bool is_own = own_path[0] == '/' && own_path[1] != '/' && !strchr(own_path, '\\') &&
                  !parse_has_control(own_path);
    struct evbuffer *nothing = evbuffer_new();
    request_fields(r, NULL, "no-store");
    request_set_header(r, "Location", is_own ? own_path : "/");
    send_whole(r, 303, nothing);
    evbuffer_free(nothing);
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '.' || c == '-' || c == '_';
}

/* RFC 6266: the name in plain letters for old clients, then as it is, percent-encoded. */
static void set_filename(struct request *r, const char *name)
{
    char plain[256], coded[3 * 255 + 1];
    size_t n = 0, m = 0;
    for (; name[n] && n < sizeof(plain) - 1; n++) {
        plain[n] = is_plain(name[n]) ? name[n] : '_';
        m += (size_t)snprintf(coded + m, sizeof(coded) - m, is_plain(name[n]) ? "%c" : "%%%02X",
                              (unsigned char)name[n]);
    }
    plain[n] = coded[m] = '\0';
    char *value = arena_printf(r->arena, "attachment; filename=\"%s\"; filename*=UTF-8''%s",
                               plain, coded);
    request_set_header(r, "Content-Disposition", value ? value : "attachment");
}

void request_file_fields(struct request *r, const struct request_file *f)
{
    request_fields(r, f->type,
                   f->may_cache ? "public, max-age=31536000, immutable"
                   : f->etag    ? "no-cache"
                                : "no-store");
    if (f->etag)
        request_set_header(r, "ETag", f->etag);
    if (f->filename)
        set_filename(r, f->filename);
}

void request_bytes(struct request *r, const struct request_file *f, struct evbuffer *body)
{
    const char *known = request_header(r, "If-None-Match");
    request_file_fields(r, f);
    send_whole(r, f->etag && known && strstr(known, f->etag) ? 304 : 200, body);
}
