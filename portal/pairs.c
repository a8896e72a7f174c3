// SPDX-License-Identifier: Apache-2.0
/* Decodes and splits. Two passes: the first counts, the second fills. */
#include "portal/pairs.h"

#include <errno.h>
#include <string.h>

#include "runner/base/parse.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *pairs_decode(struct arena *a, const char *text, size_t len, int plus)
{
    char *out = arena_alloc(a, len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        if (text[i] == '%') {
            int high = len - i > 2 ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0)
                return NULL;
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    return out && parse_is_utf8(out, n) ? out : NULL;
}

static int add(struct arena *a, struct pairs *p, const char *text, size_t len, struct err *e)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    size_t value_at = equals ? name_len + 1 : len;
    const char *name = pairs_decode(a, text, name_len, 1);
    const char *value = pairs_decode(a, text + value_at, len - value_at, 1);
    if (!name || !value)
        return err_set(e, -EINVAL, "a value is not well encoded UTF-8, or holds a NUL");
    if (!*name)
        return err_set(e, -EINVAL, "a value has no name");
    if (pairs_find(p, name))
        return err_set(e, -EINVAL, "the name \"%.64s\" comes twice", name);
    p->items[p->count++] = (struct pair){name, value};
    return 0;
}

int pairs_parse(struct arena *a, const char *text, size_t len, struct pairs *out, struct err *e)
{
    size_t most = 1;
    for (size_t i = 0; i < len; i++)
        most += text[i] == '&';
    if (most > PAIRS_MAX)
        return err_set(e, -E2BIG, "there are more than %d values", PAIRS_MAX);
    struct pairs p = {.items = arena_alloc(a, most * sizeof(struct pair))};
    if (!p.items)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '&', len - at);
        size_t n = end ? (size_t)(end - (text + at)) : len - at;
        int r = n ? add(a, &p, text + at, n, e) : 0; /* "a=1&&b=2" and "a=1&" are common */
        if (r < 0)
            return r;
        at += n + 1;
    }
    *out = p;
    return 0;
}

const char *pairs_find(const struct pairs *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i].name, name) == 0)
            return p->items[i].value;
    return NULL;
}
