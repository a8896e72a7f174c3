// SPDX-License-Identifier: Apache-2.0
/* Checks the request against the cluster's size, then one call of the ledger. */
#include "portal/place.h"

#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/portal.h"
#include "portal/session.h"
#include "runner/base/now.h"

bool place_is_key(const char *key)
{
    return strspn(key, "0123456789abcdef") == LEDGER_KEY_LEN && !key[LEDGER_KEY_LEN];
}

static void refuse_field(struct request *r, const struct spec_fault *fault, struct placed *out)
{
    const char *field = arena_dup(r->arena, fault->field);
    const char *detail = arena_dup(r->arena, fault->why.text);
    out->refusal = (struct refusal){"bad-field",
                                    field ? field : "",
                                    detail ? detail : "",
                                    "Mend this field and send it again.",
                                    422,
                                    NULL};
}

/* The allocation that the request names, if it is one of his in that project. */
static const struct balance *find_named(const struct person *p, const struct spec *s)
{
    for (size_t i = 0; i < p->balance_count; i++)
        if (p->balances[i].allocation_id == s->allocation &&
            strcmp(p->balances[i].project, s->project) == 0)
            return &p->balances[i];
    return NULL;
}

static int refuse(struct worker *w, struct request *r, const struct spec *s, struct placed *out)
{
    struct person *p;
    const struct balance *named = NULL;
    int code = s->allocation ? access_person(w, r, &p) : 0;
    if (code == 0 && s->allocation)
        named = find_named(p, s);
    if (code == 0)
        out->refusal = refusal_of(r->arena, s, &out->result, named, now_ms());
    return code;
}

int place_job(struct worker *w, struct request *r, const json_t *asked, const char *key,
              struct placed *out)
{
    AUTO(spec_freep) struct spec *s = NULL;
    const struct cluster *c;
    struct spec_fault fault;
    int code = worker_cluster(w, &c, &r->err);
    *out = (struct placed){0};
    if (code < 0)
        return code;
    struct spec_limits limits = cluster_limits(c, w->portal->conf.time_limit_max_ms);
    if (spec_parse(asked, &limits, &s, &fault) < 0) {
        refuse_field(r, &fault, out);
        return 0;
    }
    struct db *db = worker_db(w, &code, &r->err);
    if (!db)
        return code;
    struct place_ask ask = {.person_id = session_of(r)->person_id, .key = key, .spec = s};
    code = ledger_place(db, &ask, &out->result, &r->err);
    if (code < 0)
        return code;
    out->is_placed = out->result.answer == PLACE_DONE || out->result.answer == PLACE_SAME;
    return out->is_placed ? 0 : refuse(w, r, s, out);
}
