// SPDX-License-Identifier: Apache-2.0
/* Names with values: a query, a form, the cookies. Pure.
 *
 * A name comes once: two parsers may disagree about which of two counts, so both are refused.
 * Names and values are UTF-8 without NUL, decoded, in the arena. */
#ifndef FF_PORTAL_PAIRS_H
#define FF_PORTAL_PAIRS_H

#include <stddef.h>

#include "runner/base/arena.h"
#include "runner/base/err.h"

enum { PAIRS_MAX = 256 };

struct pair {
    const char *name, *value;
};

struct pairs {
    struct pair *items;
    size_t count;
};

/* application/x-www-form-urlencoded: "a=1&b=two+words". -EINVAL: a name twice or empty, a
 * broken percent-encoding, %00, not UTF-8; -E2BIG: more than PAIRS_MAX; -ENOMEM. */
int pairs_parse(struct arena *a, const char *text, size_t len, struct pairs *out,
                struct err *e);

const char *pairs_find(const struct pairs *p, const char *name); /* NULL if not there */

/* Decodes %XX (and '+' as a blank if `plus`); NULL: broken, NUL inside, not UTF-8, no memory.
 */
char *pairs_decode(struct arena *a, const char *text, size_t len, int plus);

#endif
