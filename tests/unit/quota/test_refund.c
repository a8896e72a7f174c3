// SPDX-License-Identifier: Apache-2.0
/* What is given back by itself: which causes, how much at most, and never more than was
 * charged. */
#include "quota/refund.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quota/price.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

enum { HOUR = PRICE_HOUR_MS };

static const struct refund_rules rules = {
    .node_fault_ms = 24 * HOUR, .preempted_ms = HOUR, .maintenance_ms = 0};

static void an_attempts_cause_says_what_it_is_given_back_for(void **state)
{
    static const struct {
        const char *attempt, *refund;
    } cases[] = {
        {"lost", "node_fault"},
        {"node_fault", "node_fault"},
        {"preempted", "preempted"},
        {"maintenance", "maintenance"},
        {"shutdown", "maintenance"},
        {"natural", NULL},
        {"cancelled", NULL},
        {"limit", NULL},
        {"memory", NULL},
        {"not_started", NULL},
        {"", NULL},
        {"NODE_FAULT", NULL},
        {"node_fault ", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *cause = refund_cause(cases[i].attempt);
        assert_true(!cause == !cases[i].refund);
        if (cause)
            assert_string_equal(cause, cases[i].refund);
    }
}

static void a_refund_is_the_tables_time_of_all_gpus(void **state)
{
    static const struct {
        struct refund_run run;
        int64_t wanted;
    } cases[] = {
        /* cause, gpus, weight, chargeable, charged, checkpoint, interval */
        {{"node_fault", 2, 1000, HOUR, 2 * HOUR, false, 0}, 2 * HOUR},
        {{"node_fault", 1, 1000, 25 * HOUR, 25 * HOUR, false, 0}, 24 * HOUR},
        {{"node_fault", 4, 500, 48 * HOUR, 96 * HOUR, false, 0}, 48 * HOUR},
        {{"preempted", 8, 1000, HOUR + 1, 8 * (HOUR + 1), false, 0}, 8 * HOUR},
        {{"preempted", 8, 1000, HOUR - 1, 8 * (HOUR - 1), false, 0}, 8 * (HOUR - 1)},
        {{"maintenance", 8, 1000, HOUR, 8 * HOUR, false, 0}, 0}, /* this site's rule: none */
        {{"node_fault", 2, 1000, HOUR, 2 * HOUR, true, 600000}, 2 * 600000},
        {{"node_fault", 2, 1000, 300000, 2 * 300000, true, 600000}, 2 * 300000},
        {{"preempted", 1, 1000, 3 * HOUR, 3 * HOUR, true, 2 * HOUR}, HOUR},
        {{"preempted", 1, 1000, 3 * HOUR, 3 * HOUR, true, 0}, HOUR}, /* none declared */
        {{"node_fault", 2, 1000, HOUR, 2 * HOUR, false, 600000}, 2 * HOUR},
        {{"node_fault", 3, 333, 333, 332, false, 0}, 332},
        {{"preempted", 3, 333, HOUR + 1, (HOUR + INT64_C(1)) * 999 / 1000, false, 0},
         HOUR / 1000 * 999},
        {{"node_fault", 0, 1000, HOUR, 0, false, 0}, 0},
        {{"node_fault", 2, 1000, 0, 0, false, 0}, 0},
        {{"goodwill", 2, 1000, HOUR, 2 * HOUR, false, 0}, 0}, /* no cause of the table */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(refund_gpums(&rules, &cases[i].run), cases[i].wanted);
}

static void a_refund_is_never_more_than_the_charge(void **state)
{
    (void)state;
    for (int64_t ran = 0; ran < 3 * HOUR; ran += HOUR / 7)
        for (int64_t gpus = 0; gpus < 9; gpus += 4)
            for (int weight = 1; weight < 3000; weight += 977) {
                int64_t charge;
                assert_int_equal(price_gpums(gpus, ran, weight, &charge), 0);
                struct refund_run run = {"preempted", gpus, weight, ran, charge, false, 0};
                assert_in_range(refund_gpums(&rules, &run), 0, charge);
            }
    struct refund_run less = {"node_fault", 8, 1000, 48 * HOUR, 1, false, 0};
    assert_int_equal(refund_gpums(&rules, &less), 1);
}

static int read_text(const char *text, struct refund_rules *out, struct err *e)
{
    char path[] = "/tmp/refund-XXXXXX";
    struct conf *conf = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int r = conf_read(path, &conf, e);
    if (r == 0)
        r = refund_rules_read(conf, out, e);
    conf_free(conf);
    unlink(path);
    return r;
}

static void the_rules_are_read_from_the_configuration(void **state)
{
    struct refund_rules got;
    struct err why;
    (void)state;
    assert_int_equal(read_text("", &got, &why), 0);
    assert_int_equal(got.node_fault_ms, 24 * HOUR);
    assert_int_equal(got.preempted_ms, HOUR);
    assert_int_equal(got.maintenance_ms, 24 * HOUR);
    assert_int_equal(read_text("[refund]\nnode_fault = 2h\npreempted = 0\n", &got, &why), 0);
    assert_int_equal(got.node_fault_ms, 2 * HOUR);
    assert_int_equal(got.preempted_ms, 0);
    static const char *const bad[] = {
        "[refund]\nnode_fault = -1\n",   "[refund]\nnode_fault = 1.5h\n",
        "[refund]\nnode_fault = 32d\n",  "[refund]\nnode_fault =\n",
        "[refund]\nsunshine = 1h\n",     "[refund]\npreempted = 1h\npreempted = 2h\n",
        "[refund]\nmaintenance = 1e3\n",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_true(read_text(bad[i], &got, &why) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempts_cause_says_what_it_is_given_back_for),
        cmocka_unit_test(a_refund_is_the_tables_time_of_all_gpus),
        cmocka_unit_test(a_refund_is_never_more_than_the_charge),
        cmocka_unit_test(the_rules_are_read_from_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
