// SPDX-License-Identifier: Apache-2.0
/* Checks the request against the cluster's size, then one call of the ledger, which it shares
 * with whoever else waits to place a job at this moment. */
#include "portal/place.h"

#include <errno.h>
#include <string.h>

#include "portal/access.h"
#include "portal/portal.h"
#include "portal/room.h"
#include "portal/session.h"
#include "runner/base/fault_point.h"
#include "runner/base/now.h"
#include "runner/base/work.h"

bool place_is_key(const char *key)
{
    return strspn(key, "0123456789abcdef") == LEDGER_KEY_LEN && !key[LEDGER_KEY_LEN];
}

static void refuse_field(struct request *r, const json_t *asked, const struct cluster *c,
                         const struct spec_fault *fault, struct placed *out)
{
    int64_t number = json_integer_value(json_object_get(asked, fault->field));
    const char *remedy = room_remedy(r->arena, c, fault->field, number);
    const char *field = arena_dup(r->arena, fault->field);
    const char *detail = arena_dup(r->arena, fault->why.text);
    out->refusal = (struct refusal){"bad-field",
                                    field ? field : "",
                                    detail ? detail : "",
                                    remedy ? remedy : "Mend this field and send it again.",
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

/* One submit in the line before the ledger. */
struct place_pass {
    struct place_ask ask;
    struct place_result result;
    int status;
    struct err why;
};

static void place_alone(struct db *db, struct place_pass *p)
{
    p->status = ledger_place(db, &p->ask, &p->result, &p->why);
}

/* False: each is to be placed by itself; what is wrong with one of them keeps out no other. */
static bool place_together(struct db *db, void *const *passes, size_t count)
{
    struct place_ask asks[PLACE_MANY_MAX] = {0};
    struct place_result results[PLACE_MANY_MAX];
    struct err why = {""};
    for (size_t i = 0; i < count; i++)
        asks[i] = ((struct place_pass *)passes[i])->ask;
    int r = ledger_place_many(db, asks, count, results, &why);
    for (size_t i = 0; i < count; i++) {
        struct place_pass *p = passes[i];
        p->status = r;
        p->why = why;
        if (r == 0)
            p->result = results[i];
    }
    return r == 0 || r == -ENOTCONN;
}

void place_run_many(void *worker, void *const *passes, size_t count)
{
    struct err why;
    int r = 0;
    struct db *db = worker_db(worker, &r, &why);
    if (db && count > 1 && place_together(db, passes, count))
        return;
    for (size_t i = 0; i < count; i++) {
        struct place_pass *p = passes[i];
        if (db)
            place_alone(db, p);
        else
            p->status = err_set(&p->why, r, "%s", why.text);
    }
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
        refuse_field(r, asked, c, &fault, out);
        return 0;
    }
    if (room_refuses(r->arena, c, s, &out->refusal))
        return 0;
    struct place_pass pass = {
        .ask = {.person_id = session_of(r)->person_id, .key = key, .spec = s}};
    FP("place.asking");
    work_line_pass(w->portal->placing, w, &pass);
    FP("place.answered");
    if (pass.status < 0)
        return err_set(&r->err, pass.status, "%s", pass.why.text);
    out->result = pass.result;
    out->is_placed = out->result.answer == PLACE_DONE || out->result.answer == PLACE_SAME;
    return out->is_placed ? 0 : refuse(w, r, s, out);
}
