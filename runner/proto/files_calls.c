// SPDX-License-Identifier: Apache-2.0
/* The calls to runner-files and its replies, to JSON and back. What a path may be is decided by
 * runner-files, as the user. */
#include "runner/proto/files_calls.h"

#include <errno.h>
#include <string.h>

static const char *const type_names[] = {"file", "folder", "link", "other"};

const char *files_type_name(enum files_type t)
{
    return type_names[t];
}

json_t *files_list_json(const char *path, const char *after)
{
    return json_pack("{ssssss}", "verb", "list", "path", path, "after", after);
}

json_t *files_open_json(const char *path)
{
    return json_pack("{ssss}", "verb", "open", "path", path);
}

json_t *files_write_json(const char *path, int64_t offset)
{
    return json_pack("{sssssI}", "verb", "write", "path", path, "offset", (json_int_t)offset);
}

json_t *files_mkdir_json(const char *path)
{
    return json_pack("{ssss}", "verb", "mkdir", "path", path);
}

json_t *files_rename_json(const char *path, const char *to)
{
    return json_pack("{ssssss}", "verb", "rename", "path", path, "to", to);
}

json_t *files_remove_json(const char *path)
{
    return json_pack("{ssss}", "verb", "remove", "path", path);
}

json_t *files_list_reply(const struct files_list *l)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < l->count; i++) {
        const struct files_entry *f = &l->entries[i];
        json_array_append_new(entries, json_pack("{sssssIsI}", "name", f->name, "type",
                                                 files_type_name(f->type), "size_bytes",
                                                 (json_int_t)f->size_bytes, "changed_ms",
                                                 (json_int_t)f->changed_ms));
    }
    return json_pack("{sosbsI}", "entries", entries, "more", l->more, "hidden",
                     (json_int_t)l->hidden);
}

static int read_entry(const json_t *o, struct files_entry *out, struct err *e)
{
    const char *type;
    int r = jget_text(o, "name", 255, &out->name, e);
    if (r == 0)
        r = jget_i64(o, "size_bytes", 0, INT64_MAX, &out->size_bytes, e);
    if (r == 0)
        r = jget_i64(o, "changed_ms", INT64_MIN, INT64_MAX, &out->changed_ms, e);
    if (r == 0)
        r = jget_text(o, "type", 8, &type, e);
    if (r < 0)
        return r;
    out->type = FILES_OTHER;
    for (int t = FILES_FILE; t < FILES_OTHER; t++)
        if (!strcmp(type, type_names[t]))
            out->type = (enum files_type)t;
    return 0;
}

int files_list_read(const json_t *reply, struct files_list *out, struct err *e)
{
    const json_t *entries = json_object_get(reply, "entries");
    out->count = json_array_size(entries);
    if (!json_is_array(entries) || out->count > FILES_LIST_MAX)
        return err_set(e, -EINVAL, "entries: must be an array of at most %d", FILES_LIST_MAX);
    for (size_t i = 0; i < out->count; i++) {
        int r = read_entry(json_array_get(entries, i), &out->entries[i], e);
        if (r < 0)
            return r;
    }
    int r = jget_bool_or(reply, "more", false, &out->more, e);
    return r < 0 ? r : jget_i64_or(reply, "hidden", 0, INT64_MAX, 0, &out->hidden, e);
}

json_t *files_opened_reply(const struct files_opened *o)
{
    return json_pack("{sIsI}", "size_bytes", (json_int_t)o->size_bytes, "changed_ms",
                     (json_int_t)o->changed_ms);
}

int files_opened_read(const json_t *reply, struct files_opened *out, struct err *e)
{
    int r = jget_i64(reply, "size_bytes", 0, INT64_MAX, &out->size_bytes, e);
    return r < 0 ? r : jget_i64(reply, "changed_ms", INT64_MIN, INT64_MAX, &out->changed_ms, e);
}
