// SPDX-License-Identifier: Apache-2.0
/* Each call is carried out at once when it arrives, by a fake executor that all share: what it
 * answers goes back on its own way. */
#include "tests/sim/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"
#include "runner/exec/fake.h"
#include "runner/exec/fake_cluster.h"
#include "tests/sim/cluster_call.h"
#include "tests/sim/model.h"
#include "tests/sim/sim.h"

enum { START_MS = 300, LATE_MOST_MS = 3000, BUSY_MOST = 10 };

static struct run *find(const struct cluster *c, const char *token)
{
    for (struct run *r = c->runs; r; r = r->next)
        if (!strcmp(r->token, token))
            return r;
    return NULL;
}

static int64_t wall_ms(void *arg)
{
    const struct cluster *c = arg;
    return sim_clock_ms(c->sim);
}

static void on_ran(const char *token, void *arg)
{
    struct cluster *c = arg;
    struct run *r = find(c, token);
    if (r && ++r->begun > 1)
        sim_wrong(c->sim, "job %lld: its attempt ran twice", (long long)r->job);
}

/* ---- what must be true of a start */

static bool is_alive(const struct cluster *c, const struct run *r)
{
    struct exec_status now;
    struct fake_attempt *a = r->is_gone ? NULL : fake_cluster_find(c->fake, r->token);
    if (!a)
        return false;
    fake_attempt_status(c->fake, a, &now);
    return now.state == EXEC_STARTING || now.state == EXEC_RUNNING;
}

static bool do_overlap(const struct exec_place *a, const struct exec_place *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->slots[i].gpus & exec_place_gpus(b, a->slots[i].node))
            return true;
    return false;
}

static void prove_start(const struct cluster *c, const struct call *call)
{
    const struct model_attempt *a = model_attempt_of_token(c->sim->model, call->token);
    const struct model_job *j = a ? model_job(c->sim->model, a->job) : NULL;
    long long id = call->job;
    if (!a || a->job != call->job)
        sim_wrong(c->sim, "job %lld: started without an attempt in the books", id);
    else if (j->ended_ms || j->hold_gpums - j->charged_gpums + j->refunded_gpums < 0 ||
             model_posted(j, TRANSFER_HOLD, 0) < j->hold_gpums)
        sim_wrong(c->sim, "job %lld: started without a hold", id);
    for (const struct run *r = c->runs; r; r = r->next) {
        if (!is_alive(c, r) || !strcmp(r->token, call->token))
            continue;
        if (r->job == call->job)
            sim_wrong(c->sim, "job %lld: two of its attempts run at once", id);
        if (do_overlap(&r->place, &call->place))
            sim_wrong(c->sim, "jobs %lld and %lld have the same GPU", id, (long long)r->job);
    }
}

static void note_start(struct cluster *c, struct call *call)
{
    struct run *r = find(c, call->token);
    if (r && r->is_gone)
        sim_wrong(c->sim, "job %lld: its attempt is started again", (long long)call->job);
    if (r)
        return;
    prove_start(c, call);
    r = xnew(struct run);
    *r = (struct run){.next = c->runs, .job = call->job, .place = call->place};
    if (chance_one_in(&c->sim->chance, 3))
        r->late_ms = chance_between(&c->sim->chance, 1, LATE_MOST_MS);
    snprintf(r->token, sizeof(r->token), "%s", call->token);
    call->place = (struct exec_place){0}; /* the run's now */
    c->runs = r;
}

/* Now and then the executor finds no room for what it has accepted. */
static void withdraw_some(const struct cluster *c, struct run *r)
{
    struct exec_status now;
    struct fake_attempt *a = fake_cluster_find(c->fake, r->token);
    fake_attempt_status(c->fake, a, &now);
    if (now.state != EXEC_STARTING || !sim_fault(c->sim, 30))
        return;
    r->is_withdrawn = true;
    a->stopped_ms = sim_clock_ms(c->sim);
}

/* ---- carrying out */

static void on_greeted(const struct exec_greeting *g, void *arg)
{
    struct call *call = arg;
    call->answer = (struct exec_answer){.status = g->status, .why = g->why};
}

static void on_done(const struct exec_answer *answer, void *arg)
{
    struct call *call = arg;
    call->answer = *answer;
}

static void pass_on(struct cluster *c, struct call *call)
{
    struct executor *x = c->wire;
    const struct run *run = find(c, call->token);
    int64_t limit_ms = call->number + (run ? run->late_ms : 0);
    struct exec_ask ask = {.token = call->token, .limit_ms = limit_ms, .spec = call->spec};
    struct call greeting = {0};
    x->ops->greet(x, call->epoch, on_greeted, &greeting); /* the call is that epoch's */
    exec_fake_answer(x);
    switch (call->kind) {
    case CALL_GREET:
        call->answer = greeting.answer;
        return;
    case CALL_START:
        x->ops->start(x, &ask, on_done, call);
        break;
    case CALL_STOP:
        x->ops->stop(x, call->token, call->why, call->number, on_done, call);
        break;
    case CALL_LIMIT:
        x->ops->limit(x, call->token, limit_ms, on_done, call);
        break;
    case CALL_FORGET:
        x->ops->forget(x, call->token, on_done, call);
        break;
    }
    exec_fake_answer(x);
}

/* Something of all that is there: what an old runnerd asks must not change it. */
static uint64_t fingerprint(const struct cluster *c)
{
    uint64_t sum = 0;
    for (struct fake_attempt *a = fake_cluster_next(c->fake, NULL); a;
         a = fake_cluster_next(c->fake, a))
        sum += 1 + (uint64_t)a->limit_ms * 31 + (uint64_t)a->stopped_ms * 7;
    return sum;
}

static void pass_on_old(struct cluster *c, struct call *call)
{
    uint64_t before = fingerprint(c);
    pass_on(c, call);
    sim_say(c->sim, "%s of an old epoch: %d", call_name(call), call->answer.status);
    if (call->answer.status != -ESTALE || fingerprint(c) != before)
        sim_wrong(c->sim, "%s of epoch %lld was obeyed after epoch %lld came", call_name(call),
                  (long long)call->epoch, (long long)c->epoch);
}

/* Now and then the executor will not start something: then nothing runs. */
static bool refuses(struct cluster *c, struct call *call)
{
    bool is_known = call->kind == CALL_START && find(c, call->token);
    if (call->kind != CALL_START || is_known || !sim_fault(c->sim, 40))
        return false;
    call->answer = (struct exec_answer){.status = -EACCES, .is_refused = true};
    call->answer.is_fault = chance_one_in(&c->sim->chance, 2);
    err_set(&call->answer.why, 0, "it is refused");
    return true;
}

/* What is over in the books is ended before it can be removed. */
static void note_busy(const struct cluster *c, const struct call *call)
{
    struct run *r = find(c, call->token);
    if (r && (call->kind == CALL_STOP || !r->job)) /* a stray is not in the books */
        r->busy = 0;
    else if (r && call->kind == CALL_FORGET && call->answer.status == -EBUSY &&
             ++r->busy > BUSY_MOST)
        sim_wrong(c->sim, "job %lld: it is over, and nobody ends what runs", (long long)r->job);
}

void cluster_carry_out(struct cluster *c, struct call *call)
{
    struct run *r = call->kind == CALL_FORGET ? find(c, call->token) : NULL;
    struct exec_status last = {0};
    if (call->epoch < c->epoch) {
        pass_on_old(c, call);
        return;
    }
    c->epoch = call->epoch;
    if (refuses(c, call))
        return;
    struct fake_attempt *a = r ? fake_cluster_find(c->fake, r->token) : NULL;
    if (a)
        fake_attempt_status(c->fake, a, &last);
    if (call->kind == CALL_START)
        note_start(c, call);
    pass_on(c, call);
    note_busy(c, call);
    if (call->kind == CALL_START)
        withdraw_some(c, find(c, call->token));
    sim_say(c->sim, "%s of job %lld: %d", call_name(call), (long long)(r ? r->job : call->job),
            call->answer.status);
    if (a && call->answer.status == 0) {
        r->is_gone = true;
        r->last = last;
    }
}

/* ---- accidents */

void cluster_add_stray(struct cluster *c)
{
    struct run *r = xnew(struct run);
    snprintf(r->token, sizeof(r->token), "%032llx",
             (unsigned long long)chance_next(&c->sim->chance));
    r->next = c->runs;
    c->runs = r;
    struct fake_attempt *a = fake_cluster_add(c->fake, r->token);
    a->asked_ms = a->begin_ms = sim_clock_ms(c->sim);
    a->play_ms = a->limit_ms = INT32_MAX;
    sim_say(c->sim, "a stray attempt runs");
}

void cluster_lose_one(struct cluster *c)
{
    size_t alive = 0;
    for (const struct run *r = c->runs; r; r = r->next)
        alive += is_alive(c, r);
    int64_t n = alive ? chance_between(&c->sim->chance, 0, (int64_t)alive - 1) : -1;
    for (const struct run *r = c->runs; r; r = r->next)
        if (is_alive(c, r) && n-- == 0) {
            sim_say(c->sim, "job %lld: its supervisor is killed", (long long)r->job);
            fake_cluster_lose(c->fake, r->token);
            return;
        }
}

void cluster_turn_node(struct cluster *c, int node, bool is_up)
{
    struct exec_node *n = &c->nodes[node];
    if (n->is_up == is_up)
        return;
    n->is_up = is_up;
    sim_say(c->sim, "node %s is %s", n->name, is_up ? "up" : "down");
    for (const struct run *r = c->runs; r && !is_up; r = r->next)
        if (exec_place_gpus(&r->place, n->name) && is_alive(c, r))
            fake_cluster_lose(c->fake, r->token);
}

/* ---- */

const struct run *cluster_runs(const struct cluster *c)
{
    return c->runs;
}

const struct run *cluster_find(const struct cluster *c, const char *token)
{
    return find(c, token);
}

size_t cluster_count(const struct cluster *c)
{
    size_t alive;
    return fake_cluster_count(c->fake, &alive);
}

struct cluster *cluster_new(struct sim *s)
{
    static const struct exec_node nodes[CLUSTER_NODES] = {{"n1", "a100", 4, 32, 0, true, ""},
                                                          {"n2", "a100", 4, 32, 0, true, ""},
                                                          {"n3", "h100", 8, 64, 0, true, ""}};
    struct cluster *c = xnew(struct cluster);
    struct err why;
    c->sim = s;
    memcpy(c->nodes, nodes, sizeof(nodes));
    struct fake_cluster_conf conf = {.nodes = c->nodes,
                                     .node_count = CLUSTER_NODES,
                                     .start_ms = START_MS,
                                     .wall_ms = wall_ms,
                                     .ran = on_ran,
                                     .arg = c};
    fake_cluster_new(&conf, &c->fake, &why); /* without a folder it cannot fail */
    c->wire = exec_fake_new(NULL, c->fake);
    return c;
}

void cluster_free(struct cluster *c)
{
    for (struct run *r = c->runs, *next; r; r = next) {
        next = r->next;
        exec_place_done(&r->place);
        free(r);
    }
    c->wire->ops->free(c->wire);
    fake_cluster_free(c->fake);
    free(c);
}
