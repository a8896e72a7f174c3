// SPDX-License-Identifier: Apache-2.0
/* What portald and administrators do to the model: place jobs, ask for something, and now and
 * then damage a row and mend it again. */
#include <stdio.h>

#include "quota/price.h"
#include "runner/base/xnew.h"
#include "tests/sim/model.h"
#include "tests/sim/sim.h"

enum {
    COMMIT_MOST_MS = 400,
    PLAY_MOST_S = 25,
    LIMIT_MOST_S = 40,
    ENDLESS_S = 100000,
    SHARE_FIRST = 3, /* budgets from here on are people's shares in the others */
};

static void on_commit(void *arg)
{
    struct model_job *j = arg;
    j->state = JOB_QUEUED; /* its event was written with it */
}

static void choose_size(struct chance *c, struct model_job *j)
{
    static const struct {
        const char *type;
        int nodes, gpus, weight;
    } sizes[] = {{"a100", 1, 1, 1000}, {"a100", 1, 2, 1000}, {"a100", 2, 2, 1000},
                 {"a100", 2, 4, 1000}, {"h100", 1, 1, 2500}, {"h100", 1, 8, 2500},
                 {"any", 1, 1, 2500},  {"any", 1, 4, 2500},  {"a100", 1, 1, 1000},
                 {"a100", 1, 3, 1000}};
    size_t i = (size_t)chance_between(c, 0, (int64_t)(sizeof(sizes) / sizeof(sizes[0])) - 1);
    j->gpu_type = sizes[i].type;
    j->nodes = sizes[i].nodes;
    j->gpus_per_node = sizes[i].gpus;
    j->weight_permille = sizes[i].weight;
    j->priority = chance_one_in(c, 8) ? "urgent" : chance_one_in(c, 4) ? "low" : "normal";
}

static void choose_play(struct chance *c, struct model_job *j)
{
    int64_t run_s = chance_one_in(c, 6) ? 0 : chance_between(c, 0, PLAY_MOST_S);
    j->time_limit_ms = chance_between(c, 3, LIMIT_MOST_S) * 1000;
    j->is_endless = chance_one_in(c, 40);
    if (j->is_endless)
        run_s = ENDLESS_S, j->time_limit_ms = INT64_C(1000) * ENDLESS_S / 20;
    snprintf(j->spec, sizeof(j->spec), "{\"command\":[\"sleep\",\"%lld\",\"%d\"]}",
             (long long)run_s, chance_one_in(c, 4) ? 3 : 0);
    j->has_checkpoint = chance_one_in(c, 4);
    j->interval_ms = j->has_checkpoint ? chance_between(c, 1, 20) * 1000 : 0;
}

/* job_place(): without the time its hold takes from the budget the job is not there. */
void model_place(struct model *m)
{
    struct chance *c = &m->sim->chance;
    struct model_job *j = xnew(struct model_job);
    choose_size(c, j);
    choose_play(c, j);
    j->id = (int64_t)m->job_count + 1;
    j->budget = (int)chance_between(c, 0, SHARE_FIRST - 1);
    j->share =
        chance_one_in(c, 3) ? (int)chance_between(c, SHARE_FIRST, MODEL_BUDGETS - 1) : -1;
    price_gpums(j->nodes * j->gpus_per_node, j->time_limit_ms, j->weight_permille,
                &j->hold_gpums);
    if (m->budgets[j->budget].until_ms <= sim_db_ms(m->sim) ||
        !model_shift(m, j, BUCKET_FREE, BUCKET_HELD, j->hold_gpums)) {
        free(j);
        return; /* no budget: an answer, and nothing stays of it */
    }
    m->jobs = xgrow(m->jobs, m->job_count + 1, sizeof(struct model_job *));
    m->jobs[m->job_count++] = j;
    model_post(m, j, &(struct model_transfer){TRANSFER_HOLD, 0, j->hold_gpums, 0, 0});
    model_event(m, j, EVENT_PLACED, JOB_QUEUED, 0);
    j->state = JOB_NONE;
    sim_at(m->sim, chance_between(c, 0, COMMIT_MOST_MS), NULL, on_commit, NULL, j);
    sim_say(m->sim, "job %lld: placed, %lld × %lld %s, limit %lld s, %s", (long long)j->id,
            (long long)j->nodes, (long long)j->gpus_per_node, j->gpu_type,
            (long long)(j->time_limit_ms / 1000), j->spec);
    model_prove(m);
}

void model_ask(struct model *m, enum wish_kind kind, struct model_job *j, const char *cause)
{
    m->requests = xgrow(m->requests, m->request_count + 1, sizeof(*m->requests));
    m->requests[m->request_count] = (struct model_request){
        .id = (int64_t)m->request_count + 1, .job = j->id, .kind = kind, .cause = cause};
    m->request_count++;
    sim_say(m->sim, "request %zu: %d of job %lld %s", m->request_count, kind, (long long)j->id,
            cause);
}

/* posting_extend() */
void model_extend(struct model *m, struct model_job *j, int64_t more_ms)
{
    int64_t whole;
    if (j->ended_ms || j->is_hold_lost || j->charge_damage ||
        price_gpums(j->nodes * j->gpus_per_node, j->time_limit_ms + more_ms, j->weight_permille,
                    &whole) < 0 ||
        !model_shift(m, j, BUCKET_FREE, BUCKET_HELD, whole - j->hold_gpums))
        return;
    model_post(m, j, &(struct model_transfer){TRANSFER_HOLD, 0, whole - j->hold_gpums, 0, 0});
    j->hold_gpums = whole;
    j->time_limit_ms += more_ms;
    j->extended_ms += more_ms;
    model_ask(m, WISH_EXTEND, j, "");
    model_prove(m);
}

void model_damage(struct model *m, struct model_job *j)
{
    if (j->is_hold_lost || j->charge_damage || j->ended_ms)
        return;
    if (chance_one_in(&m->sim->chance, 2))
        j->is_hold_lost = true;
    else
        j->charged_gpums += j->charge_damage = 1000;
    sim_say(m->sim, "job %lld: its row is damaged", (long long)j->id);
}

void model_repair(struct model *m, struct model_job *j)
{
    if (!j->is_hold_lost && !j->charge_damage)
        return;
    j->charged_gpums -= j->charge_damage;
    j->charge_damage = 0;
    j->is_hold_lost = false;
    sim_say(m->sim, "job %lld: its row is mended", (long long)j->id);
    model_ask(m, WISH_RECONCILE, j, "");
}
