// SPDX-License-Identifier: Apache-2.0
/* Search filters from templates: the only place where outside text enters a filter.
 *
 *   (&(objectClass=posixAccount)(uid=%u))
 *
 *   %u  the login     %d  the person's DN     %g  the primary gid (-1 if none)     %%  a '%'
 *
 * Every value is escaped by libldap's own escaper (RFC 4515), so no value can change the
 * filter's shape.
 */
#ifndef FF_AUTH_FILTER_H
#define FF_AUTH_FILTER_H

#include <stdint.h>

#include "runner/base/buf.h"
#include "runner/base/err.h"

enum { FILTER_MAX = 16 * 1024 };

struct filter_values {
    const char *login, *dn; /* NULL counts as "" */
    int64_t gid;
};

/* Appends the filter to `out`. -EINVAL: an unknown %-word; -ENOMEM: longer than out's ceiling.
 */
int filter_expand(const char *template, const struct filter_values *values, struct buf *out,
                  struct err *e);

/* Is the template one that libldap can send, with only known %-words, and %u if `needs_login`?
 */
int filter_check(const char *template, bool needs_login, struct err *e);

#endif
