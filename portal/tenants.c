// SPDX-License-Identifier: Apache-2.0
/* Looks tenants up, by number or by name. */
#include "portal/tenants.h"

#include <errno.h>

#include "portal/access.h"

static int read_one(struct db *db, struct request *r, int64_t id, const char *name,
                    struct tenant_row **out)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct tenant_row *t = arena_alloc(r->arena, sizeof(*t));
    int code = db_select(db, SQL_TENANT_GET, DB_ARGS(DB_I64(id), DB_STR(name)), &rows, &r->err);
    if (code == 0)
        code = db_rows_next(rows, &r->err);
    if (code <= 0 || !t)
        return code < 0 ? code : -ENOENT;
    const char *found = arena_dup(r->arena, db_rows_text(rows, 1));
    const char *title = arena_dup(r->arena, db_rows_text(rows, 2));
    *t = (struct tenant_row){db_rows_i64(rows, 0), found ? found : "", title ? title : ""};
    *out = t;
    return 0;
}

int tenants_find(struct db *db, struct request *r, const struct person *p, const char *name,
                 struct tenant_row **out)
{
    int code = read_one(db, r, 0, name, out);
    if (code < 0)
        return code;
    enum access may = access_may(p, ACCESS_REPORT, (struct access_object){0, 0, (*out)->id});
    if (may == ACCESS_NO)
        return -ENOENT;
    return may == ACCESS_AUDITED ? access_audit(db, r, "view", "tenant", name) : 0;
}

static void put_link(struct request *r, json_t *list, const char *path,
                     const struct tenant_row *t, bool is_chosen)
{
    const char *link = arena_printf(r->arena, "%s?tenant=%s", path, t->name);
    json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "label", t->title, "path",
                                          link ? link : path, "selected", is_chosen));
}

int tenants_put(struct db *db, struct request *r, const struct person *p, json_t *page,
                const char *path, const struct tenant_row *chosen)
{
    json_t *list = json_array();
    bool is_linked = !chosen;
    int code = 0;
    for (size_t i = 0; code == 0 && i < p->admin_of_count; i++) {
        struct tenant_row *t;
        code = read_one(db, r, p->admin_of[i], "", &t);
        bool is_chosen = code == 0 && chosen && chosen->id == t->id;
        if (code == 0)
            put_link(r, list, path, t, is_chosen);
        is_linked |= is_chosen;
    }
    if (!is_linked) /* of an administrator of the site */
        put_link(r, list, path, chosen, true);
    json_object_set_new(page, "tenants_path", json_string(path));
    json_object_set_new(page, "has_tenants", json_boolean(json_array_size(list) > 0));
    json_object_set_new(page, "tenants", list);
    json_object_set_new(page, "is_of_tenant", json_boolean(chosen != NULL));
    return code;
}
