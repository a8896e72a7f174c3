// SPDX-License-Identifier: Apache-2.0
/* Who I am, and what I may still use. */
#include <string.h>

#include "portal/access.h"
#include "portal/api/api.h"
#include "portal/session.h"

static json_t *balance_json(const struct balance *b)
{
    json_t *j = json_pack("{s:I, s:I, s:I, s:b, s:I, s:I, s:I}", "allocation",
                          (json_int_t)b->allocation_id, "from_ms", (json_int_t)b->from_ms,
                          "until_ms", (json_int_t)b->until_ms, "is_open", b->is_open,
                          "free_gpums", (json_int_t)b->free_gpums, "held_gpums",
                          (json_int_t)b->held_gpums, "used_gpums", (json_int_t)b->used_gpums);
    if (b->has_share)
        json_object_set_new(j, "share",
                            json_pack("{s:I, s:I, s:I}", "free_gpums",
                                      (json_int_t)b->share_free_gpums, "held_gpums",
                                      (json_int_t)b->share_held_gpums, "used_gpums",
                                      (json_int_t)b->share_used_gpums));
    return j;
}

static json_t *projects_json(const struct person *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->membership_count; i++) {
        const struct membership *m = &p->memberships[i];
        json_t *balances = json_array();
        for (size_t k = 0; k < p->balance_count; k++)
            if (p->balances[k].project_id == m->project_id)
                json_array_append_new(balances, balance_json(&p->balances[k]));
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:o}", "name",
                                        m->project, "title", m->title, "tenant", m->tenant,
                                        "is_pi", m->is_pi, "is_open", m->is_open, "free_gpums",
                                        (json_int_t)person_free_gpums(p, m->project_id),
                                        "allocations", balances));
    }
    return list;
}

int api_load_projects(void *local, struct request *r)
{
    struct person *p;
    int code = access_person(local, r, &p);
    if (code == 0)
        api_reply(r, json_pack("{s:o}", "projects", projects_json(p)));
    return code;
}

int api_load_session(void *local, struct request *r)
{
    struct person *p;
    int code = access_person(local, r, &p);
    if (code == 0)
        api_reply(r, json_pack("{s:{s:s, s:s, s:s, s:s, s:b}, s:s, s:o}", "person", "login",
                               p->login, "name", p->name, "directory", p->directory, "tenant",
                               p->tenant, "is_admin", p->is_admin, "token",
                               session_form_token(r, "api"), "projects", projects_json(p)));
    return code;
}
