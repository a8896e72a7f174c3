// SPDX-License-Identifier: Apache-2.0
/* Values of Slurm's JSON. What has another type than expected is unknown, never an error: the
 * schema changes with every release. */
#include "runner/exec/slurm_json.h"

#include <errno.h>

#include "runner/exec/slurm_words.h"

int64_t slurm_json_number(const json_t *v)
{
    if (json_is_object(v)) {
        if (json_is_false(json_object_get(v, "set")) ||
            json_is_true(json_object_get(v, "infinite")))
            return -1;
        v = json_object_get(v, "number");
    }
    return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

const char *slurm_json_text(const json_t *v)
{
    const char *t = json_string_value(v);
    return t && !slurm_is_nothing(t) ? t : "";
}

const json_t *slurm_json_below(const json_t *o, const char *field, const char *inner)
{
    return json_object_get(json_object_get(o, field), inner);
}

int slurm_json_open(const char *data, size_t len, json_t **out_root, struct err *e)
{
    AUTO(json_freep) json_t *root = NULL;
    int r = jget_parse(data, len, SLURM_JSON_MAX, &root, e);
    if (r < 0)
        return r;
    const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
    if (first) {
        const char *what = slurm_json_text(json_object_get(first, "error"));
        if (!*what)
            what = slurm_json_text(json_object_get(first, "description"));
        return err_set(e, -EIO, "Slurm: %.200s", *what ? what : "an error without a text");
    }
    *out_root = TAKE(root);
    return 0;
}
