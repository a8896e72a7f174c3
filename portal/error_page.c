// SPDX-License-Identifier: Apache-2.0
/* Status phrases, problem documents, the error page, and the fields that no reply goes without.
 */
#include "portal/error_page.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>

#include "portal/gate.h"
#include "portal/site.h"
#include "portal/static_files.h"
#include "portal/view.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/log.h"
#include "runner/base/parse.h"

static const struct {
    int status;
    const char *title, *detail;
} phrases[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {204, "No Content", ""},
    {303, "See Other", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "The request could not be understood."},
    {401, "Unauthorized", "Log in first."},
    {403, "Forbidden", "You may not do this."},
    {404, "Not Found", "There is nothing at this address, or nothing for you."},
    {405, "Method Not Allowed", "This address cannot be used in that way."},
    {408, "Request Timeout", "The request did not come in time."},
    {409, "Conflict", "It contradicts what is already here."},
    {410, "Gone", "It was here and is no more."},
    {411, "Length Required", "Send the length of the body."},
    {413, "Content Too Large", "That is more than may be sent at once."},
    {414, "URI Too Long", "The address is too long."},
    {415, "Unsupported Media Type", "The body is of a kind not known here."},
    {417, "Expectation Failed", "That cannot be expected here."},
    {421, "Misdirected Request", "No site of that name is here."},
    {422, "Unprocessable Content", "Something in it is not right."},
    {429, "Too Many Requests", "That was too often. Try again in a while."},
    {431, "Request Header Fields Too Large", "The request carries too much, perhaps cookies."},
    {500, "Internal Server Error",
     "Something went wrong here; it has been written to the log."},
    {503, "Service Unavailable",
     "This is busy or down at the moment. Try again in a few seconds."},
    {505, "HTTP Version Not Supported", "This server speaks HTTP/1.1 and HTTP/1.0."},
};

static size_t phrase(int status)
{
    for (size_t i = 0; i < COUNT(phrases); i++)
        if (phrases[i].status == status)
            return i;
    return COUNT(phrases);
}

const char *error_title(int status)
{
    size_t i = phrase(status);
    return i < COUNT(phrases) ? phrases[i].title : "Error";
}

int error_status(int code)
{
    static const struct {
        int code, status;
    } map[] = {
        {ENOENT, 404},       {EACCES, 403},     {EPERM, 403},    {EINVAL, 400},
        {ERANGE, 400},       {EEXIST, 409},     {EMSGSIZE, 413}, {E2BIG, 413},
        {EBUSY, 503},        {EAGAIN, 503},     {EPIPE, 503},    {ETIMEDOUT, 503},
        {ECONNREFUSED, 503}, {ECONNRESET, 503}, {ENOTCONN, 503},
    };
    for (size_t i = 0; i < COUNT(map); i++)
        if (code == -map[i].code)
            return map[i].status;
    return 500;
}

json_t *error_problem(int status, const char *title, const char *detail)
{
    size_t i = phrase(status);
    const char *usual = i < COUNT(phrases) ? phrases[i].detail : "";
    if (!detail ||
        !parse_is_utf8(detail, strlen(detail))) /* a long sentence may be cut anywhere */
        detail = usual;
    return json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                     title ? title : error_title(status), "status", status, "detail", detail);
}

static int put_json(const char *text, size_t len, void *out)
{
    return evbuffer_add(out, text, len);
}

static bool put_page(const struct site *s, const struct request *r, const json_t *problem,
                     struct evbuffer *out)
{
    struct err e;
    AUTO(json_freep) json_t *page = json_copy((json_t *)problem);
    if (!s->views || !page)
        return false;
    if (s->files)
        json_object_set(page, "assets", static_files_assets(s->files));
    if (s->decorate)
        s->decorate(r, page, s->arg);
    int code = views_render(s->views, "pages/error", page, out, &e);
    if (code < 0)
        log_error("error page: %s", e.text);
    return code == 0;
}

const char *error_body(const struct site *s, const struct request *r, bool as_json,
                       const json_t *problem, struct evbuffer *out)
{
    if (as_json) {
        json_dump_callback(problem, put_json, out, JSON_COMPACT);
        return "application/problem+json";
    }
    if (put_page(s, r, problem, out))
        return "text/html; charset=utf-8";
    evbuffer_add_printf(out, "%s\n%s\n", json_string_value(json_object_get(problem, "title")),
                        json_string_value(json_object_get(problem, "detail")));
    return "text/plain; charset=utf-8";
}

const struct error_field *safety_field(unsigned index, bool is_tls)
{
    static const struct error_field fields[] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
         "img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; "
         "frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "same-origin"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Strict-Transport-Security",
         "max-age=31536000; includeSubDomains"}, /* last: TLS only */
    };
    return index < COUNT(fields) - (is_tls ? 0 : 1) ? &fields[index] : NULL;
}

void error_refusal(const struct site *s, const struct gate *g, bool is_tls,
                   struct evbuffer *out)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    AUTO(json_freep) json_t *problem = error_problem(g->status, NULL, g->reason);
    struct evbuffer *body = evbuffer_new();
    const char *type = error_body(s, NULL, g->is_api, problem, body);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", g->status,
                        error_title(g->status), date);
    evbuffer_add_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
                        evbuffer_get_length(body));
    evbuffer_add_printf(out, "Cache-Control: no-store\r\n%s",
                        g->status == 405 ? "Allow: GET, HEAD, POST\r\n" : "");
    const struct error_field *f;
    for (unsigned i = 0; (f = safety_field(i, is_tls)); i++)
        evbuffer_add_printf(out, "%s: %s\r\n", f->name, f->value);
    evbuffer_add(out, "\r\n", 2);
    if (g->method != GATE_HEAD)
        evbuffer_add_buffer(out, body);
    evbuffer_free(body);
}
