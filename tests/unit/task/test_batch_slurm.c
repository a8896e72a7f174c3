// SPDX-License-Identifier: Apache-2.0
/* Slurm's environment, its lists of nodes, and the command that spreads a task. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/task/batch.h"
#include "runner/task/batch_slurm.h"
#include "tests/unit/test.h"

static void a_list_names_its_nodes_in_order(void **state)
{
    static const struct {
        const char *list, *names;
        int64_t count;
    } cases[] = {
        {"n1", "n1", 1},
        {"n[1-4]", "n1,n2,n3,n4", 4},
        {"n[1-3,7]", "n1,n2,n3,n7", 4},
        {"n[1-2],login", "n1,n2,login", 3},
        {"a,b-c,d.e_f", "a,b-c,d.e_f", 3},
        {"n[008-011]", "n008,n009,n010,n011", 4},
        {"n[9-10]", "n9,n10", 2},
        {"n[1,3]x", "n1x,n3x", 2},
        {"r[1-2]n[3-4]", "r1n3,r1n4,r2n3,r2n4", 4},
        {"r[1]n[2]g[3-4]z,q[0]", "r1n2g3z,r1n2g4z,q0", 3},
        {"n[5]", "n5", 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(cleanup_free) char *names = NULL;
        int64_t count = 0;
        assert_int_equal(batch_slurm_expand(cases[i].list, 4, &names, &count, NULL), 0);
        assert_string_equal(names, cases[i].names);
        assert_int_equal(count, cases[i].count);
    }
}

static void a_list_of_another_form_is_refused(void **state)
{
    static const struct {
        const char *list;
        int code;
    } bad[] = {
        {"", -EINVAL},
        {",", -EINVAL},
        {"a,", -EINVAL},
        {",a", -EINVAL},
        {"a,,b", -EINVAL},
        {"n[", -EINVAL},
        {"n[]", -EINVAL},
        {"n[1", -EINVAL},
        {"n]", -EINVAL},
        {"n[1-]", -EINVAL},
        {"n[-1]", -EINVAL},
        {"n[2-1]", -EINVAL},
        {"n[1,]", -EINVAL},
        {"n[,1]", -EINVAL},
        {"n[a]", -EINVAL},
        {"n[1-2-3]", -EINVAL},
        {"n[[1]]", -EINVAL},
        {"n[1][", -EINVAL},
        {"a b", -EINVAL},
        {"a\nb", -EINVAL},
        {"a;b", -EINVAL},
        {"$(id)", -EINVAL},
        {"é", -EINVAL},
        {"n[1234567890]", -EINVAL},
        {"n[1-9999999999999999999999]", -EINVAL},
        {"n[1-6]", -E2BIG},
        {"n[0-999999999]", -E2BIG},
        {"a,b,c,d,e,f", -E2BIG},
        {"n[1-9][1-9][1-9][1-9][1-9][1-9][1-9]", -E2BIG},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(cleanup_free) char *names = NULL;
        int64_t count = 0;
        int r = batch_slurm_expand(bad[i].list, 5, &names, &count, NULL);
        if (r != bad[i].code)
            fail_msg("'%s' gave %d", bad[i].list, r);
        assert_null(names);
    }
}

static void long_names_and_lists_are_refused(void **state)
{
    static const size_t lengths[] = {255, 256, 257, 1000, 70000};
    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        AUTO(cleanup_free) char *list = calloc(1, lengths[i] + 8);
        AUTO(cleanup_free) char *names = NULL;
        int64_t count = 0;
        memset(list, 'x', lengths[i]);
        assert_int_equal(batch_slurm_expand(list, 9, &names, &count, NULL) == 0, i == 0);
        strncat(list, "[1-2]", 6); /* a name grows while it is expanded */
        assert_true(batch_slurm_expand(list, 9, &names, &count, NULL) < 0);
        free(TAKE(names));
    }
}

static void surround(void)
{
    clearenv();
    setenv("SLURM_JOB_ID", "4711", 1);
    setenv("SLURM_JOB_NUM_NODES", "2", 1);
    setenv("SLURM_NODEID", "1", 1);
    setenv("SLURM_JOB_NODELIST", "n[1-2]", 1);
    setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
    setenv("SLURM_JOB_GPUS", "4,5", 1);
}

static void the_environment_says_where_this_is(void **state)
{
    AUTO(batch_site_done) struct batch_site s = {0};
    (void)state;
    surround();
    assert_int_equal(batch_slurm_read(&s, NULL), 0);
    assert_string_equal(s.id, "4711");
    assert_string_equal(s.nodes, "n1,n2");
    assert_string_equal(s.gpus, "0,1");
    assert_string_equal(s.node_gpus, "4,5");
    assert_int_equal(s.node, 1);
    assert_int_equal(s.node_count, 2);
}

static void gpus_are_what_the_job_sees(void **state)
{
    static const struct {
        const char *seen, *step, *job, *gpus, *node_gpus;
    } cases[] = {
        {"0,1", "6,7", "4,5,6,7", "0,1", "6,7"},
        {NULL, NULL, NULL, "", ""},
        {"", NULL, NULL, "", ""},
        {"NoDevFiles", NULL, NULL, "", ""},
        {NULL, NULL, "2,3", "2,3", "2,3"},
        {"GPU-5f0c,GPU-99", NULL, "0,1", "GPU-5f0c,GPU-99", "0,1"},
        {"MIG-GPU-1/7/0", NULL, "0:0", "MIG-GPU-1/7/0", "0:0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(batch_site_done) struct batch_site s = {0};
        surround();
        unsetenv("CUDA_VISIBLE_DEVICES");
        unsetenv("SLURM_JOB_GPUS");
        if (cases[i].seen)
            setenv("CUDA_VISIBLE_DEVICES", cases[i].seen, 1);
        if (cases[i].step)
            setenv("SLURM_STEP_GPUS", cases[i].step, 1);
        if (cases[i].job)
            setenv("SLURM_JOB_GPUS", cases[i].job, 1);
        assert_int_equal(batch_slurm_read(&s, NULL), 0);
        assert_string_equal(s.gpus, cases[i].gpus);
        assert_string_equal(s.node_gpus, cases[i].node_gpus);
    }
}

static void an_environment_that_is_not_slurms_is_refused_by_name(void **state)
{
    static const struct {
        const char *name, *value; /* NULL: unset */
    } bad[] = {
        {"SLURM_JOB_ID", NULL},
        {"SLURM_JOB_NUM_NODES", NULL},
        {"SLURM_JOB_NUM_NODES", "0"},
        {"SLURM_JOB_NUM_NODES", "2x"},
        {"SLURM_JOB_NUM_NODES", "4097"},
        {"SLURM_NODEID", NULL},
        {"SLURM_NODEID", "2"},
        {"SLURM_NODEID", "-1"},
        {"SLURM_JOB_NODELIST", NULL},
        {"SLURM_JOB_NODELIST", "n[1-3]"},
        {"CUDA_VISIBLE_DEVICES", "0;id"},
        {"CUDA_VISIBLE_DEVICES", "0\n1"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct batch_site s = {0};
        struct err why = {{0}};
        surround();
        if (bad[i].value)
            setenv(bad[i].name, bad[i].value, 1);
        else
            unsetenv(bad[i].name);
        assert_int_equal(batch_slurm_read(&s, &why), -EINVAL);
        if (!strstr(why.text, bad[i].name))
            fail_msg("%s: %s", bad[i].name, why.text);
        assert_null(s.nodes);
    }
}

static void the_older_names_of_variables_are_read_too(void **state)
{
    AUTO(batch_site_done) struct batch_site s = {0};
    (void)state;
    surround();
    unsetenv("SLURM_JOB_NUM_NODES");
    unsetenv("SLURM_JOB_NODELIST");
    setenv("SLURM_NNODES", "2", 1);
    setenv("SLURM_NODELIST", "a,b", 1);
    assert_int_equal(batch_slurm_read(&s, NULL), 0);
    assert_string_equal(s.nodes, "a,b");
}

static void a_task_is_spread_by_arguments_alone(void **state)
{
    static const char *const wanted[] = {"/opt/bin/srun",
                                         "--nodes=3",
                                         "--ntasks=3",
                                         "--ntasks-per-node=1",
                                         "--kill-on-bad-exit=1",
                                         "--wait=0",
                                         "--cpu-bind=none",
                                         "--mpi=none",
                                         "--input=none",
                                         "--quiet",
                                         "--export=ALL",
                                         "/x/runner-task",
                                         "--node",
                                         "/j/7/.firefly/attempt-t/request"};
    struct batch_spread s;
    (void)state;
    batch_slurm_spread(&s, 3, "/opt/bin/srun", "/x/runner-task",
                       "/j/7/.firefly/attempt-t/request");
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_string_equal(s.argv[i], wanted[i]);
    assert_null(s.argv[COUNT(wanted)]);
    batch_slurm_spread(&s, BATCH_NODES_MAX, NULL, "/x/runner-task", "/f");
    assert_string_equal(s.argv[0], "srun");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_names_its_nodes_in_order),
        cmocka_unit_test(a_list_of_another_form_is_refused),
        cmocka_unit_test(long_names_and_lists_are_refused),
        cmocka_unit_test(the_environment_says_where_this_is),
        cmocka_unit_test(gpus_are_what_the_job_sees),
        cmocka_unit_test(an_environment_that_is_not_slurms_is_refused_by_name),
        cmocka_unit_test(the_older_names_of_variables_are_read_too),
        cmocka_unit_test(a_task_is_spread_by_arguments_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
