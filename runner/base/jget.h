// SPDX-License-Identifier: Apache-2.0
/* Typed reading of JSON objects, with a complaint that names the field.
 *
 * The strings returned are jansson's own and live as long as the object. Each get fails with
 * -EINVAL when the field is absent or of another type, and -ERANGE when it is out of bounds;
 * the `_or` forms take a value for an absent (or null) field.
 */
#ifndef FF_BASE_JGET_H
#define FF_BASE_JGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"

static inline void json_freep(json_t **j)
{
    json_decref(*j);
}

int jget_i64(const json_t *o, const char *field, int64_t min, int64_t max, int64_t *out,
             struct err *e);
int jget_i64_or(const json_t *o, const char *field, int64_t min, int64_t max, int64_t value,
                int64_t *out, struct err *e);
int jget_text(const json_t *o, const char *field, size_t max_bytes, const char **out,
              struct err *e);
int jget_text_or(const json_t *o, const char *field, size_t max_bytes, const char *value,
                 const char **out, struct err *e);
int jget_bool_or(const json_t *o, const char *field, bool value, bool *out, struct err *e);

/* Refuses fields that are not in the NULL-terminated list: a typing mistake must not pass. */
int jget_only(const json_t *o, const char *const *fields, struct err *e);

/* Parses text of at most max_bytes into an object; duplicates and NUL bytes are refused. */
int jget_parse(const char *text, size_t len, size_t max_bytes, json_t **out, struct err *e);

#endif
