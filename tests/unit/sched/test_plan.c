// SPDX-License-Identifier: Apache-2.0
/* First come, first served: order, packing, gangs, limits of GPUs at once, the reason in words. */
#include "runner/sched/plan.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

#define JOB(number, n, per_node, type, turn)                                                   \
    {                                                                                          \
        .id = (number), .nodes = (n), .gpus_per_node = (per_node), .gpu_type = (type),         \
        .priority = (turn)                                                                     \
    }
#define SNAPSHOT(j, j_count, n, n_count)                                                       \
    {                                                                                          \
        .jobs = (j), .job_count = (j_count), .nodes = (n), .node_count = (n_count)             \
    }

static void jobs_start_in_the_order_they_came(void **state)
{
    const struct plan_node node = {"n1", "a100", 8, 0, true};
    const struct plan_job jobs[] = {JOB(12, 1, 2, "any", 1), JOB(11, 1, 4, "any", 1),
                                    JOB(13, 1, 2, "any", 1)};
    const struct plan_snapshot s = SNAPSHOT(jobs, 3, &node, 1);
    struct plan p;
    (void)state;
    plan_make(&s, &p);
    assert_int_equal(p.count, 3);
    assert_int_equal(jobs[p.decisions[0].job].id, 11);
    assert_int_equal(jobs[p.decisions[1].job].id, 12);
    for (int i = 0; i < 3; i++)
        assert_true(p.decisions[i].is_start);
    assert_int_equal(p.decisions[0].slots[0].gpus, 0x0f);
    assert_int_equal(p.decisions[1].slots[0].gpus, 0x30);
    plan_done(&p);
}

static void nobody_passes_one_that_does_not_fit_yet(void **state)
{
    const struct plan_node node = {"n1", "a100", 8, 0x3f, true};
    const struct plan_job jobs[] = {JOB(1, 1, 4, "any", 1), JOB(2, 1, 1, "any", 1),
                                    JOB(3, 1, 1, "any", 1)};
    const struct plan_snapshot s = SNAPSHOT(jobs, 3, &node, 1);
    struct plan p;
    (void)state;
    plan_make(&s, &p);
    assert_false(p.decisions[0].is_start);
    assert_non_null(strstr(p.decisions[0].reason, "4 GPUs on 1 node; 2 of 8 are free"));
    assert_false(p.decisions[1].is_start);
    assert_non_null(strstr(p.decisions[1].reason, "1 job ahead"));
    assert_non_null(strstr(p.decisions[2].reason, "2 jobs ahead, first job 1"));
    plan_done(&p);
}

static void one_that_can_never_fit_holds_nobody_up(void **state)
{
    const struct plan_node node = {"n1", "a100", 8, 0, true};
    const struct plan_job jobs[] = {JOB(1, 2, 8, "any", 1), JOB(2, 1, 1, "h100", 1),
                                    JOB(3, 1, 1, "a100", 1)};
    const struct plan_snapshot s = SNAPSHOT(jobs, 3, &node, 1);
    struct plan p;
    (void)state;
    plan_make(&s, &p);
    assert_non_null(strstr(p.decisions[0].reason, "waits for nodes"));
    assert_false(p.decisions[1].is_start);
    assert_true(p.decisions[2].is_start);
    plan_done(&p);
}

static void urgent_goes_before_normal(void **state)
{
    const struct plan_node node = {"n1", "a100", 1, 0, true};
    const struct plan_job jobs[] = {JOB(1, 1, 1, "any", 1), JOB(2, 1, 1, "any", 2)};
    const struct plan_snapshot s = SNAPSHOT(jobs, 2, &node, 1);
    struct plan p;
    (void)state;
    plan_make(&s, &p);
    assert_int_equal(jobs[p.decisions[0].job].id, 2);
    assert_true(p.decisions[0].is_start);
    assert_false(p.decisions[1].is_start);
    plan_done(&p);
}

static void a_gang_gets_all_its_nodes_or_none(void **state)
{
    const struct plan_node nodes[] = {
        {"n1", "a100", 8, 0, true}, {"n2", "a100", 8, 0x1f, true}, {"n3", "a100", 8, 0, false}};
    const struct plan_job jobs[] = {JOB(1, 2, 4, "any", 1)};
    const struct plan_snapshot s = SNAPSHOT(jobs, 1, nodes, 3);
    struct plan p;
    (void)state;
    plan_make(&s, &p);
    assert_false(p.decisions[0].is_start);
    assert_null(p.decisions[0].slots);
    plan_done(&p);
}

static void random_plans_never_give_a_gpu_twice(void **state)
{
    (void)state;
    srandom(7);
    for (int round = 0; round < 2000; round++) {
        struct plan_node nodes[6];
        struct plan_job jobs[20];
        uint64_t taken[6];
        struct plan p;
        for (int i = 0; i < 6; i++) {
            int gpus = (int)(random() % 9);
            nodes[i] = (struct plan_node){"n", i % 2 ? "a100" : "h100", gpus,
                                          (uint64_t)random() & ((UINT64_C(1) << gpus) - 1),
                                          random() % 5 != 0};
            taken[i] = nodes[i].busy;
        }
        for (int i = 0; i < 20; i++)
            jobs[i] = (struct plan_job)JOB(random() % 1000, 1 + random() % 3, 1 + random() % 8,
                                           random() % 3 ? "any" : "a100", (int)(random() % 3));
        const struct plan_snapshot s = SNAPSHOT(jobs, 20, nodes, 6);
        plan_make(&s, &p);
        for (size_t i = 0; i < p.count; i++) {
            const struct plan_decision *d = &p.decisions[i];
            assert_true(d->is_start || d->reason[0]);
            assert_int_equal(d->slot_count, d->is_start ? jobs[d->job].nodes : 0);
            for (size_t k = 0; k < d->slot_count; k++) {
                size_t n = d->slots[k].node;
                assert_int_equal(taken[n] & d->slots[k].gpus, 0);
                assert_int_equal(__builtin_popcountll(d->slots[k].gpus),
                                 jobs[d->job].gpus_per_node);
                assert_true(d->slots[k].gpus < (UINT64_C(1) << nodes[n].gpus));
                assert_true(nodes[n].is_up);
                taken[n] |= d->slots[k].gpus;
            }
        }
        plan_done(&p);
    }
}

/* Persons 1 and 2, projects 10 (lattice) and 20 (plasma), tenant 100 (north). */
static const struct cap_owner lattice_1 = {1, 10, 100, "lattice", "north"},
                              lattice_2 = {2, 10, 100, "lattice", "north"},
                              plasma_1 = {1, 20, 100, "plasma", "north"};

static void a_job_over_a_limit_waits_and_says_whose(void **state)
{
    static const struct {
        struct cap_rule rules[3];
        struct cap_owner used_by;
        int64_t used, needs;
        const char *words; /* NULL: it starts */
    } cases[] = {
        {{{0}}, lattice_1, 16, 8, NULL},
        {{{CAP_PERSON, 1, 8}},
         lattice_1,
         8,
         1,
         "waits for your own jobs: 8 of your 8 GPUs are in use, it needs 1"},
        {{{CAP_PERSON, 1, 8}}, lattice_1, 7, 1, NULL},
        {{{CAP_PERSON, 1, 8}}, lattice_1, 7, 2, "7 of your 8 GPUs are in use, it needs 2"},
        {{{CAP_PERSON, 1, 8}}, lattice_1, 8, 0, NULL}, /* without GPUs it may */
        {{{CAP_PERSON, 1, 8}}, plasma_1, 8, 1, "waits for your own jobs"},
        {{{CAP_PERSON, 2, 8}}, lattice_1, 8, 1, NULL},
        {{{CAP_EVERYONE, 0, 4}}, lattice_1, 4, 1, "4 of your 4 GPUs are in use"},
        {{{CAP_EVERYONE, 0, 4}}, lattice_2, 4, 1, NULL},
        {{{CAP_EVERYONE, 0, 4}, {CAP_PERSON, 1, 6}}, lattice_1, 4, 2, NULL},
        {{{CAP_EVERYONE, 0, 4}, {CAP_PERSON, 1, 6}}, lattice_1, 4, 3, "4 of your 6"},
        {{{CAP_EVERYONE, 0, 4}, {CAP_PERSON, 1, 0}}, lattice_1, 40, 8, NULL},
        {{{CAP_PROJECT, 10, 8}},
         lattice_2,
         8,
         1,
         "waits for jobs of project lattice: 8 of its 8 GPUs are in use, it needs 1"},
        {{{CAP_PROJECT, 10, 8}}, plasma_1, 8, 1, NULL},
        {{{CAP_TENANT, 100, 1}},
         lattice_2,
         1,
         1,
         "waits for jobs of tenant north: 1 of its 1 GPU is in use, it needs 1"},
        {{{CAP_PERSON, 1, 2}}, lattice_2, 0, 3, "needs 3 GPUs, and your own jobs may use 2"},
        {{{CAP_PERSON, 1, 2}}, lattice_1, 5, 1, "5 of your 2 GPUs"}, /* lowered meanwhile */
    };
    const struct plan_node node = {"n1", "a100", 64, 0, true};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plan_job job = JOB(7, 1, cases[i].needs, "any", 1);
        const struct cap_use use = {cases[i].used_by, cases[i].used};
        struct plan_snapshot s = SNAPSHOT(&job, 1, &node, 1);
        struct plan p;
        job.owner = lattice_1;
        s.uses = &use;
        s.use_count = 1;
        s.rules = cases[i].rules;
        while (s.rule_count < 3 && (s.rules[s.rule_count].id || s.rules[s.rule_count].gpus))
            s.rule_count++;
        plan_make(&s, &p);
        assert_int_equal(p.decisions[0].is_start, !cases[i].words);
        if (cases[i].words)
            assert_non_null(strstr(p.decisions[0].reason, cases[i].words));
        plan_done(&p);
    }
}

static void a_job_that_waits_for_a_limit_holds_nobody_up(void **state)
{
    const struct plan_node node = {"n1", "a100", 8, 0, true};
    const struct cap_rule rules[] = {{CAP_PERSON, 1, 2}};
    struct plan_job jobs[] = {JOB(1, 1, 2, "any", 1), JOB(2, 1, 1, "any", 1),
                              JOB(3, 1, 8, "any", 1), JOB(4, 1, 1, "any", 1)};
    struct plan_snapshot s = SNAPSHOT(jobs, 4, &node, 1);
    struct plan p;
    (void)state;
    jobs[0].owner = jobs[1].owner = lattice_1;
    jobs[2].owner = jobs[3].owner = lattice_2;
    s.rules = rules;
    s.rule_count = 1;
    plan_make(&s, &p);
    assert_true(p.decisions[0].is_start); /* counts at once for the next */
    assert_non_null(strstr(p.decisions[1].reason, "2 of your 2 GPUs"));
    assert_non_null(strstr(p.decisions[2].reason, "next in line"));
    assert_non_null(strstr(p.decisions[3].reason, "1 job ahead, first job 3"));
    plan_done(&p);
}

static int64_t used_under(const struct cap_rule *r, const struct cap_owner *o, int64_t gpus)
{
    const int64_t ids[CAP_SCOPES] = {0, o->person, o->project, o->tenant};
    return ids[r->scope] == r->id ? gpus : 0;
}

static struct cap_owner random_owner(void)
{
    int64_t project = 10 + random() % 4;
    return (struct cap_owner){1 + random() % 4, project, 100 + project % 2, "p", "t"};
}

static void random_plans_never_use_more_at_once_than_any_limit(void **state)
{
    (void)state;
    srandom(11);
    for (int round = 0; round < 5000; round++) {
        const struct plan_node node = {"n1", "a100", 64, 0, true};
        struct cap_rule rules[] = {
            {CAP_PERSON, 1, random() % 6},   {CAP_PERSON, 2, random() % 6},
            {CAP_PERSON, 3, random() % 6},   {CAP_PERSON, 4, random() % 6},
            {CAP_PROJECT, 10, random() % 9}, {CAP_PROJECT, 12, random() % 9},
            {CAP_TENANT, 100, random() % 12}};
        struct plan_job jobs[20];
        struct cap_use uses[4];
        struct plan_snapshot s = SNAPSHOT(jobs, 20, &node, 1);
        struct plan p;
        int64_t used[COUNT(rules)] = {0}, before[COUNT(rules)];
        for (int i = 0; i < 4; i++) {
            uses[i] = (struct cap_use){random_owner(), random() % 3};
            for (size_t k = 0; k < COUNT(rules); k++)
                used[k] += used_under(&rules[k], &uses[i].owner, uses[i].gpus);
        }
        memcpy(before, used, sizeof(used));
        for (int i = 0; i < 20; i++) {
            jobs[i] = (struct plan_job)JOB(i + 1, 1, random() % 4, "any", (int)(random() % 3));
            jobs[i].owner = random_owner();
        }
        s.rules = rules;
        s.rule_count = COUNT(rules);
        s.uses = uses;
        s.use_count = 4;
        plan_make(&s, &p);
        for (size_t i = 0; i < p.count; i++) {
            const struct plan_job *j = &jobs[p.decisions[i].job];
            bool is_capped = strstr(p.decisions[i].reason, "limit of GPUs at once");
            bool would_pass = true;
            for (size_t k = 0; k < COUNT(rules); k++) {
                int64_t more = used_under(&rules[k], &j->owner, j->gpus_per_node);
                would_pass =
                    would_pass && (!more || !rules[k].gpus || used[k] + more <= rules[k].gpus);
                used[k] += p.decisions[i].is_start ? more : 0;
            }
            assert_int_equal(is_capped, !would_pass);
        }
        for (size_t k = 0; k < COUNT(rules); k++)
            assert_true(!rules[k].gpus || used[k] == before[k] || used[k] <= rules[k].gpus);
        plan_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_start_in_the_order_they_came),
        cmocka_unit_test(nobody_passes_one_that_does_not_fit_yet),
        cmocka_unit_test(one_that_can_never_fit_holds_nobody_up),
        cmocka_unit_test(urgent_goes_before_normal),
        cmocka_unit_test(a_gang_gets_all_its_nodes_or_none),
        cmocka_unit_test(random_plans_never_give_a_gpu_twice),
        cmocka_unit_test(a_job_over_a_limit_waits_and_says_whose),
        cmocka_unit_test(a_job_that_waits_for_a_limit_holds_nobody_up),
        cmocka_unit_test(random_plans_never_use_more_at_once_than_any_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
