// SPDX-License-Identifier: Apache-2.0
/* First come, first served: order, packing, gangs, and the reason in words. */
#include "runner/sched/plan.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void jobs_start_in_the_order_they_came(void **state)
{
    const struct plan_node node = {"n1", "a100", 8, 0, true};
    const struct plan_job jobs[] = {
        {12, 1, 2, "any", 1}, {11, 1, 4, "any", 1}, {13, 1, 2, "any", 1}};
    const struct plan_snapshot s = {jobs, 3, &node, 1};
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
    const struct plan_job jobs[] = {
        {1, 1, 4, "any", 1}, {2, 1, 1, "any", 1}, {3, 1, 1, "any", 1}};
    const struct plan_snapshot s = {jobs, 3, &node, 1};
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
    const struct plan_job jobs[] = {
        {1, 2, 8, "any", 1}, {2, 1, 1, "h100", 1}, {3, 1, 1, "a100", 1}};
    const struct plan_snapshot s = {jobs, 3, &node, 1};
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
    const struct plan_job jobs[] = {{1, 1, 1, "any", 1}, {2, 1, 1, "any", 2}};
    const struct plan_snapshot s = {jobs, 2, &node, 1};
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
    const struct plan_job jobs[] = {{1, 2, 4, "any", 1}};
    const struct plan_snapshot s = {jobs, 1, nodes, 3};
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
            jobs[i] = (struct plan_job){random() % 1000, 1 + random() % 3, 1 + random() % 8,
                                        random() % 3 ? "any" : "a100", (int)(random() % 3)};
        const struct plan_snapshot s = {jobs, 20, nodes, 6};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_start_in_the_order_they_came),
        cmocka_unit_test(nobody_passes_one_that_does_not_fit_yet),
        cmocka_unit_test(one_that_can_never_fit_holds_nobody_up),
        cmocka_unit_test(urgent_goes_before_normal),
        cmocka_unit_test(a_gang_gets_all_its_nodes_or_none),
        cmocka_unit_test(random_plans_never_give_a_gpu_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
