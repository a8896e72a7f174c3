// SPDX-License-Identifier: Apache-2.0
/* Typed reading over jansson. */
#include "runner/base/jget.h"

#include <errno.h>
#include <string.h>

static const json_t *present(const json_t *o, const char *field)
{
    const json_t *v = json_object_get(o, field);
    return v && !json_is_null(v) ? v : NULL;
}

int jget_i64(const json_t *o, const char *field, int64_t min, int64_t max, int64_t *out,
             struct err *e)
{
    const json_t *v = present(o, field);
    if (!v)
        return err_set(e, -EINVAL, "%s: missing", field);
    if (!json_is_integer(v))
        return err_set(e, -EINVAL, "%s: must be a whole number", field);
    int64_t n = json_integer_value(v);
    if (n < min || n > max)
        return err_set(e, -ERANGE, "%s: %lld is not from %lld to %lld", field, (long long)n,
                       (long long)min, (long long)max);
    *out = n;
    return 0;
}

int jget_i64_or(const json_t *o, const char *field, int64_t min, int64_t max, int64_t value,
                int64_t *out, struct err *e)
{
    if (present(o, field))
        return jget_i64(o, field, min, max, out, e);
    *out = value;
    return 0;
}

int jget_text(const json_t *o, const char *field, size_t max_bytes, const char **out,
              struct err *e)
{
    const json_t *v = present(o, field);
    if (!v)
        return err_set(e, -EINVAL, "%s: missing", field);
    if (!json_is_string(v))
        return err_set(e, -EINVAL, "%s: must be text", field);
    size_t n = json_string_length(v);
    if (n > max_bytes)
        return err_set(e, -ERANGE, "%s: %zu bytes, at most %zu are allowed", field, n,
                       max_bytes);
    *out = json_string_value(v);
    return 0;
}

int jget_text_or(const json_t *o, const char *field, size_t max_bytes, const char *value,
                 const char **out, struct err *e)
{
    if (present(o, field))
        return jget_text(o, field, max_bytes, out, e);
    *out = value;
    return 0;
}

int jget_bool_or(const json_t *o, const char *field, bool value, bool *out, struct err *e)
{
    const json_t *v = present(o, field);
    if (v && !json_is_boolean(v))
        return err_set(e, -EINVAL, "%s: must be true or false", field);
    *out = v ? json_is_true(v) : value;
    return 0;
}

int jget_only(const json_t *o, const char *const *fields, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)o, key, value) {
        size_t i = 0;
        while (fields[i] && strcmp(fields[i], key))
            i++;
        if (!fields[i])
            return err_set(e, -EINVAL, "%.64s: no such field", key);
    }
    return 0;
}

int jget_parse(const char *text, size_t len, size_t max_bytes, json_t **out, struct err *e)
{
    if (len > max_bytes)
        return err_set(e, -E2BIG, "%zu bytes of JSON, at most %zu are allowed", len, max_bytes);
    json_error_t why;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!j)
        return err_set(e, -EINVAL, "not JSON: line %d, column %d: %s", why.line, why.column,
                       why.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return err_set(e, -EINVAL, "not a JSON object");
    }
    *out = j;
    return 0;
}
