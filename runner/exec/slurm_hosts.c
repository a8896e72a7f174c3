// SPDX-License-Identifier: Apache-2.0
/* Slurm's lists of nodes, "rack[1-2]n[01-16],login": written out, name by name, with a
 * ceiling on names and on brackets, since a short text may stand for millions of names. */
#include "runner/exec/slurm_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/parse.h"

enum { BRACKETS_MAX = 4, DIGITS_MAX = 9 };

struct expansion {
    size_t max, count;
    slurm_host_fn *each;
    void *arg;
};

static const char host_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

/* `head` is what is written already, `rest` (up to `len`) what is still to write. */
static int expand(struct expansion *x, const char *head, const char *rest, size_t len,
                  int depth);

static int emit(struct expansion *x, const char *name)
{
    if (!*name || name[0] == '-')
        return -EINVAL;
    if (++x->count > x->max || x->count > SLURM_HOSTS_MAX)
        return -E2BIG;
    if (x->each)
        x->each(name, x->arg);
    return 0;
}

/* "7" or "01-16" at p: the numbers, and the width that leading zeros ask for. */
static int read_range(const char *p, size_t len, int64_t *low, int64_t *high, int *width)
{
    char text[2 * DIGITS_MAX + 2] = {0};
    int end = 0;
    if (len == 0 || len >= sizeof(text))
        return -EINVAL;
    memcpy(text, p, len);
    size_t first = strspn(text, "0123456789");
    size_t second = text[first] == '-' ? strspn(text + first + 1, "0123456789") : 0;
    if (first == 0 || first > DIGITS_MAX || second > DIGITS_MAX ||
        first + (second ? second + 1 : 0) != len)
        return -EINVAL;
    long long from = 0, to = 0;
    if (sscanf(text, "%9lld%n-%9lld", &from, &end, &to) != (second ? 2 : 1))
        return -EINVAL;
    *low = from;
    *high = second ? to : from;
    *width = (int)first;
    return *high < *low ? -EINVAL : 0;
}

/* One range of a bracket, each of its numbers followed by the rest of the name. */
static int expand_range(struct expansion *x, const char *head, const char *range,
                        size_t range_len, const char *rest, size_t len, int depth)
{
    int64_t low, high;
    int width;
    int r = read_range(range, range_len, &low, &high, &width);
    if (r == 0 && high - low >= SLURM_HOSTS_MAX)
        r = -E2BIG;
    for (int64_t n = low; r == 0 && n <= high; n++) {
        char name[SLURM_HOST_MAX + 1];
        int used = snprintf(name, sizeof(name), "%s%0*lld", head, width, (long long)n);
        r = used < (int)sizeof(name) ? expand(x, name, rest, len, depth + 1) : -EINVAL;
    }
    return r;
}

static int expand(struct expansion *x, const char *head, const char *rest, size_t len,
                  int depth)
{
    char name[SLURM_HOST_MAX + 1];
    size_t plain = strspn(rest, host_letters);
    if (plain > len)
        plain = len;
    int used = snprintf(name, sizeof(name), "%s%.*s", head, (int)plain, rest);
    if (used >= (int)sizeof(name) || depth > BRACKETS_MAX)
        return -EINVAL;
    if (plain == len)
        return emit(x, name);
    const char *p = rest + plain + 1, *close = memchr(rest, ']', len);
    if (rest[plain] != '[' || !close)
        return -EINVAL;
    for (int r = 0;; p++) {
        size_t range = strcspn(p, ",]");
        r = expand_range(x, name, p, range, close + 1, (size_t)(rest + len - close - 1), depth);
        p += range;
        if (r < 0 || p == close)
            return r;
    }
}

/* The length of the first name: up to a comma outside brackets. */
static size_t name_length(const char *p)
{
    bool inside = false;
    size_t n = 0;
    for (; p[n] && (inside || p[n] != ','); n++)
        inside = p[n] == '[' || (inside && p[n] != ']');
    return n;
}

static int run(struct expansion *x, const char *list)
{
    for (const char *p = list;; p++) {
        size_t len = name_length(p);
        int r = len > 0 ? expand(x, "", p, len, 0) : -EINVAL;
        p += len;
        if (r < 0 || !*p)
            return r;
    }
}

int slurm_hosts(const char *list, size_t max, slurm_host_fn *each, void *arg)
{
    struct expansion x = {.max = max}, again = {.max = max, .each = each, .arg = arg};
    int r = run(&x, list);
    if (r == 0 && each)
        r = run(&again, list);
    return r < 0 ? r : (int)x.count;
}
