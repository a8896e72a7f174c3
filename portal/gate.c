// SPDX-License-Identifier: Apache-2.0
/* The strict reader of a request's head. It keeps nothing of the request but what the
 * connection must know (method, length of the body, keep-alive); meaning is left to the router.
 * The order of the checks is the order of the bytes. */
#include "portal/gate.h"

#include <string.h>
#include <strings.h>

#include "runner/base/cleanup.h"

struct text {
    const char *data;
    size_t len;
};

static enum gate_verdict refuse(struct gate *g, int status, const char *reason)
{
    g->status = status;
    g->reason = reason;
    return GATE_REFUSE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_token(struct text t) /* RFC 9110, 5.6.2 */
{
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] == '\0' ||
            (!is_alnum(t.data[i]) && !strchr("!#$%&'*+-.^_`|~", t.data[i])))
            return false;
    return t.len > 0;
}

static bool is_word(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.data, word, t.len) == 0;
}

/* Cuts `t` at the first `c`: what is before it is returned, what is after it stays in `t`. */
static struct text cut(struct text *t, char c)
{
    struct text first = *t;
    const char *at = memchr(t->data, c, t->len);
    if (at)
        first.len = (size_t)(at - t->data);
    size_t used = at ? first.len + 1 : first.len;
    t->data += used;
    t->len -= used;
    return first;
}

static struct text trim(struct text t)
{
    while (t.len && (t.data[0] == ' ' || t.data[0] == '\t'))
        t.data++, t.len--;
    while (t.len && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
        t.len--;
    return t;
}

static enum gate_verdict check_version(struct gate *g, struct text version)
{
    const char *v = version.data;
    if (version.len != 8 || memcmp(v, "HTTP/", 5) != 0 || !is_digit(v[5]) || v[6] != '.' ||
        !is_digit(v[7]))
        return refuse(g, 400, "the request line does not end in an HTTP version");
    if (v[5] != '1' || v[7] > '1')
        return refuse(g, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    g->is_http_1_0 = v[7] == '0';
    return GATE_MORE;
}

static enum gate_verdict check_method(struct gate *g, struct text method)
{
    static const char *const names[] = {
        [GATE_GET] = "GET", [GATE_HEAD] = "HEAD", [GATE_POST] = "POST"};
    if (!is_token(method))
        return refuse(g, 400, "the method is not a token");
    for (size_t i = GATE_GET; i < COUNT(names); i++)
        if (method.len == strlen(names[i]) && memcmp(method.data, names[i], method.len) == 0)
            g->method = (enum gate_method)i;
    return GATE_MORE;
}

static enum gate_verdict check_target(struct gate *g, struct text target)
{
    if (!target.len || target.data[0] != '/')
        return refuse(g, 400, "the target of the request does not begin with '/'");
    if (target.len > 1 && target.data[1] == '/')
        return refuse(g, 400, "the target of the request begins with '//'");
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("#\"<>\\", c))
            return refuse(g, 400, "the target holds a byte that must be percent-encoded");
        if (c == '%' &&
            (target.len - i < 3 || !is_hex(target.data[i + 1]) || !is_hex(target.data[i + 2])))
            return refuse(g, 400, "the target holds a broken percent-encoding");
    }
    g->is_api = target.len > 5 && memcmp(target.data, "/api/", 5) == 0;
    return GATE_MORE;
}

static enum gate_verdict check_request_line(struct gate *g, struct text line)
{
    struct text method = cut(&line, ' ');
    struct text target = cut(&line, ' ');
    enum gate_verdict v = check_method(g, method);
    if (v == GATE_MORE)
        v = check_version(g, line);
    if (v == GATE_MORE && g->method == GATE_NONE)
        v = refuse(g, 405, "only GET, HEAD and POST are known here");
    if (v == GATE_MORE)
        v = check_target(g, target);
    return v;
}

static bool is_our_host(const struct gate_limits *l, struct text name)
{
    for (const char *const *h = l->hosts; h && *h; h++)
        if (is_word(name, *h))
            return true;
    return !l->hosts;
}

static bool is_port(struct text port)
{
    int n = 0;
    for (size_t i = 0; i < port.len && port.len <= 5; i++)
        n = is_digit(port.data[i]) ? n * 10 + (port.data[i] - '0') : 65536 * 10;
    return port.len >= 1 && port.len <= 5 && n > 0 && n <= 65535;
}

static enum gate_verdict check_host(struct gate *g, const struct gate_limits *l, struct text v)
{
    struct text name = v;
    bool is_literal = v.len && v.data[0] == '[';
    const char *end = is_literal ? memchr(v.data, ']', v.len) : memchr(v.data, ':', v.len);
    if (is_literal && !end)
        return refuse(g, 400, "Host is not a host");
    if (end)
        name.len = (size_t)(end - v.data) + (is_literal ? 1 : 0);
    struct text port = {v.data + name.len, v.len - name.len};
    if (port.len &&
        (port.data[0] != ':' || !is_port((struct text){port.data + 1, port.len - 1})))
        return refuse(g, 400, "Host has a broken port");
    const char *more = is_literal ? "[:.]" : "-._";
    for (size_t i = 0; i < name.len; i++)
        if (!is_alnum(name.data[i]) && !strchr(more, name.data[i]))
            return refuse(g, 400, "Host is not a host");
    if (!name.len)
        return refuse(g, 400, "Host is empty");
    return is_our_host(l, name) ? GATE_MORE : refuse(g, 421, "no site of that name is here");
}

static enum gate_verdict check_length(struct gate *g, const struct gate_limits *l,
                                      struct text v)
{
    (void)l;
    if (!v.len || v.len > 18 || (v.len > 1 && v.data[0] == '0'))
        return refuse(g, 400, "Content-Length is not a number");
    int64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (!is_digit(v.data[i]))
            return refuse(g, 400, "Content-Length is not a number");
        n = n * 10 + (v.data[i] - '0');
    }
    g->body_bytes = n;
    return GATE_MORE;
}

static enum gate_verdict check_transfer(struct gate *g, const struct gate_limits *l,
                                        struct text v)
{
    (void)l;
    (void)v;
    return refuse(g, 411,
                  "bodies are sent with Content-Length here, never with Transfer-Encoding");
}

static enum gate_verdict check_coding(struct gate *g, const struct gate_limits *l,
                                      struct text v)
{
    (void)l;
    return is_word(v, "identity") ? GATE_MORE : refuse(g, 415, "send the body uncompressed");
}

static enum gate_verdict check_expect(struct gate *g, const struct gate_limits *l,
                                      struct text v)
{
    (void)l;
    return is_word(v, "100-continue") ? GATE_MORE
                                      : refuse(g, 417, "that cannot be expected here");
}

static enum gate_verdict check_connection(struct gate *g, const struct gate_limits *l,
                                          struct text v)
{
    (void)l;
    while (v.len) {
        struct text option = trim(cut(&v, ','));
        if (option.len && !is_token(option))
            return refuse(g, 400, "Connection is not a list of tokens");
        g->wants_close |= is_word(option, "close");
    }
    return GATE_MORE;
}

typedef enum gate_verdict check_fn(struct gate *g, const struct gate_limits *l,
                                   struct text value);

static const struct {
    const char *name;
    check_fn *check;
    bool is_list; /* may come more than once */
} rules[] = {
    {"Host", check_host, false},
    {"Content-Length", check_length, false},
    {"Transfer-Encoding", check_transfer, false},
    {"Content-Encoding", check_coding, false},
    {"Expect", check_expect, false},
    {"Connection", check_connection, true},
    {"Content-Type", NULL, false},
    {"Cookie", NULL, false},
    {"Origin", NULL, false},
    {"Referer", NULL, false},
    {"Authorization", NULL, false},
    {"Sec-Fetch-Site", NULL, false},
    {"If-None-Match", NULL, false},
    {"Last-Event-ID", NULL, false},
    {"User-Agent", NULL, false},
};
enum { HOST_RULE = 0 };

static enum gate_verdict check_field(struct gate *g, const struct gate_limits *l,
                                     struct text line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return refuse(g, 400, "a field is folded over two lines");
    if (!memchr(line.data, ':', line.len))
        return refuse(g, 400, "a field has no colon");
    struct text name = cut(&line, ':');
    if (!is_token(name))
        return refuse(g, 400, "the name of a field is not a token");
    if (++g->fields > l->fields_max)
        return refuse(g, 431, "there are too many fields");
    for (unsigned i = 0; i < COUNT(rules); i++) {
        if (!is_word(name, rules[i].name))
            continue;
        if (!rules[i].is_list && g->seen & 1u << i)
            return refuse(g, 400, "a field comes twice that may come once");
        g->seen |= 1u << i;
        return rules[i].check ? rules[i].check(g, l, trim(line)) : GATE_MORE;
    }
    return GATE_MORE;
}

static enum gate_verdict check_end(struct gate *g, const struct gate_limits *l)
{
    if (!(g->seen & 1u << HOST_RULE))
        return refuse(g, 400, "there is no Host");
    if (g->method != GATE_POST && g->body_bytes > 0)
        return refuse(g, 400, "GET and HEAD have no body");
    if (g->body_bytes > l->body_max)
        return refuse(g, 413, "the body is too large");
    g->is_persistent = !g->wants_close && !g->is_http_1_0;
    g->head_end = g->scanned;
    return GATE_PASS;
}

static enum gate_verdict check_line(struct gate *g, const struct gate_limits *l,
                                    struct text line)
{
    if (g->lines == 0 && line.len == 0 && g->head_start == 0) {
        g->head_start =
            g->scanned; /* RFC 9112, 2.2: one empty line before a request is forgiven */
        return GATE_MORE;
    }
    if (g->lines++ == 0)
        return check_request_line(g, line);
    return line.len ? check_field(g, l, line) : check_end(g, l);
}

static enum gate_verdict check_byte(struct gate *g, const struct gate_limits *l,
                                    const char *head)
{
    size_t i = g->scanned++;
    unsigned char c = (unsigned char)head[i];
    bool after_cr = i > g->line && head[i - 1] == '\r';
    if (i >= l->head_max)
        return g->lines ? refuse(g, 431, "the fields are too long")
                        : refuse(g, 414, "the request line is too long");
    if (after_cr != (c == '\n'))
        return refuse(g, 400, "a line does not end in CR LF");
    if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
        return refuse(g, 400, "there is a control byte");
    if (c != '\n')
        return GATE_MORE;
    struct text line = {head + g->line, i - 1 - g->line};
    g->line = g->scanned;
    return check_line(g, l, line);
}

enum gate_verdict gate_feed(struct gate *g, const struct gate_limits *l, const char *head,
                            size_t len)
{
    enum gate_verdict v = g->status ? GATE_REFUSE : GATE_MORE;
    while (v == GATE_MORE && g->scanned < len)
        v = check_byte(g, l, head);
    return v;
}

bool gate_agrees(const struct gate *g, enum gate_method method, int fields, size_t body_bytes)
{
    return g->method == method && g->fields == fields && (uint64_t)g->body_bytes == body_bytes;
}
