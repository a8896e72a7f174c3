// SPDX-License-Identifier: Apache-2.0
/* Walks a template once; values go through ldap_bv2escaped_filter_value. */
#include "auth/filter.h"

#include <errno.h>
#include <string.h>

#include <ldap.h>

#include "runner/base/cleanup.h"

static void put_escaped(struct buf *out, const char *value)
{
    struct berval in = {.bv_len = value ? strlen(value) : 0, .bv_val = (char *)value};
    struct berval escaped = {0};
    if (in.bv_len == 0)
        return;
    if (ldap_bv2escaped_filter_value(&in, &escaped) != 0) {
        out->failed = true;
        return;
    }
    buf_put_bytes(out, escaped.bv_val, escaped.bv_len);
    ldap_memfree(escaped.bv_val);
}

int filter_expand(const char *template, const struct filter_values *values, struct buf *out,
                  struct err *e)
{
    for (const char *p = template; *p; p++) {
        if (*p != '%') {
            buf_put_char(out, *p);
            continue;
        }
        switch (*++p) {
        case 'u':
            put_escaped(out, values->login);
            break;
        case 'd':
            put_escaped(out, values->dn);
            break;
        case 'g':
            buf_printf(out, "%lld", (long long)values->gid);
            break;
        case '%':
            buf_put_char(out, '%');
            break;
        default:
            return err_set(e, -EINVAL, "filter %s: after '%%' comes u, d, g or %%", template);
        }
    }
    if (out->failed)
        return err_set(e, -ENOMEM, "filter %.64s…: longer than %zu bytes", template, out->max);
    return 0;
}

/* RFC 4515, 3: an attribute, '=' with what may stand before it, a value without bare brackets.
 * */
static const char *skip_item(const char *p)
{
    const char *start = p;
    p += strcspn(p, "=()");
    if (p == start || *p++ != '=')
        return NULL;
    p += strcspn(p, "()");
    return *p == ')' ? p + 1 : NULL;
}

/* Behind one whole "(…)", or NULL. Brackets within brackets are only counted. */
static const char *skip_filter(const char *p)
{
    size_t depth = 0;
    do {
        if (*p == ')' && depth > 0) {
            depth--;
            p++;
        } else if (*p == '(' && p[1] && strchr("&|!", p[1])) {
            depth++;
            p += 2;
        } else if (*p == '(') {
            p = skip_item(p + 1);
        } else {
            return NULL;
        }
    } while (p && depth > 0);
    return p;
}

int filter_check(const char *template, bool needs_login, struct err *e)
{
    static const struct filter_values sample = {"alice", "uid=alice,dc=example", 1};
    AUTO(buf_done) struct buf filter = BUF_INIT(FILTER_MAX);
    int r = filter_expand(template, &sample, &filter, e);
    if (r < 0)
        return r;
    if (needs_login && !strstr(template, "%u"))
        return err_set(e, -EINVAL, "filter %s: it needs %%u, where the login stands", template);
    const char *end = skip_filter(buf_text(&filter));
    if (!end || *end)
        return err_set(e, -EINVAL,
                       "filter %s: not a filter as RFC 4515 writes them; count the brackets",
                       template);
    return 0;
}
