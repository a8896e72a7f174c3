// SPDX-License-Identifier: Apache-2.0
/* Slurm's command lines: what they are, and that no odd value gets into one. */
#include <errno.h>

#include "runner/exec/slurm_argv.h"
#include "tests/unit/test.h"

static const struct slurm_submit whole = {
    .token = "0123456789abcdef0123456789abcdef",
    .name = "firefly-4711-2",
    .cluster = "north",
    .partition = "gpu",
    .account = "climate",
    .qos = "normal",
    .nodelist = "n[1-2]",
    .gpu_type = "a100",
    .output = "/jobs/4711/out.log",
    .folder = "/jobs/4711",
    .nodes = 2,
    .gpus_per_node = 4,
    .cpus = 8,
    .memory_bytes = (INT64_C(1) << 30) + 1,
    .limit_ms = 60001,
    .grace_ms = 30000,
};

static void assert_argv(const struct slurm_argv *a, const char *const *wanted, size_t count)
{
    assert_int_equal(a->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(a->items[i], wanted[i]);
    assert_null(a->items[count]);
}

static void a_submission_says_all_that_was_asked(void **state)
{
    static const char *const wanted[] = {
        "sbatch",
        "--parsable",
        "--no-requeue",
        "--export=ALL",
        "--propagate=NONE",
        "--open-mode=append",
        "--comment=firefly:0123456789abcdef0123456789abcdef",
        "--job-name=firefly-4711-2",
        "--clusters=north",
        "--partition=gpu",
        "--account=climate",
        "--qos=normal",
        "--nodelist=n[1-2]",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--gres=gpu:a100:4",
        "--cpus-per-task=8",
        "--mem=1025M",
        "--time=2",
        "--signal=TERM@30",
        "--output=/jobs/4711/out.log",
        "--chdir=/jobs/4711",
    };
    AUTO(slurm_argv_done) struct slurm_argv a = {0};
    (void)state;
    assert_int_equal(slurm_argv_sbatch(&a, &whole, NULL), 0);
    assert_argv(&a, wanted, COUNT(wanted));
}

static void what_is_not_asked_is_left_to_slurm(void **state)
{
    static const struct {
        const char *type, *wanted;
        bool by_gpus_per_node;
    } gpus[] = {
        {"", "--gres=gpu:4", false},
        {"any", "--gres=gpu:4", false},
        {NULL, "--gpus-per-node=4", true},
        {"1g.5gb", "--gpus-per-node=1g.5gb:4", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(gpus); i++) {
        AUTO(slurm_argv_done) struct slurm_argv a = {0};
        struct slurm_submit s = whole;
        s.cluster = s.partition = s.account = s.qos = s.nodelist = NULL;
        s.cpus = s.memory_bytes = s.grace_ms = 0;
        s.gpu_type = gpus[i].type;
        s.by_gpus_per_node = gpus[i].by_gpus_per_node;
        assert_int_equal(slurm_argv_sbatch(&a, &s, NULL), 0);
        assert_int_equal(a.count, 14);
        assert_string_equal(a.items[10], gpus[i].wanted);
        assert_string_equal(a.items[11], "--time=2");
    }
}

#define TEXT(member, value)                                                                    \
    {                                                                                          \
        offsetof(struct slurm_submit, member), value                                           \
    }

static void an_odd_text_is_refused_with_its_value(void **state)
{
    static const struct {
        size_t offset;
        const char *value;
    } bad[] = {
        TEXT(token, ""),
        TEXT(token, "0123456789abcdef0123456789abcde"),
        TEXT(token, "0123456789abcdef0123456789abcdef0"),
        TEXT(token, "0123456789ABCDEF0123456789abcdef"),
        TEXT(token, "0123456789abcdef0123456789abcde\n"),
        TEXT(name, ""),
        TEXT(name, "-x"),
        TEXT(name, "a\nb"),
        TEXT(name, "a\x7f"),
        TEXT(name, "\xff"),
        TEXT(cluster, ""),
        TEXT(cluster, "a,b"),
        TEXT(cluster, "-a"),
        TEXT(partition, "a b"),
        TEXT(partition, "gpu\n"),
        TEXT(partition, "--hold"),
        TEXT(account, "a;b"),
        TEXT(account, "$(id)"),
        TEXT(account, "01234567890123456789012345678901234567890123456789012345678901234"),
        TEXT(qos, "a=b"),
        TEXT(qos, "a/b"),
        TEXT(nodelist, ""),
        TEXT(nodelist, "-n1"),
        TEXT(nodelist, "n1 n2"),
        TEXT(nodelist, "n1\nn2"),
        TEXT(nodelist, "/etc/passwd"),
        TEXT(gpu_type, "a:1"),
        TEXT(gpu_type, "a,gpu:b"),
        TEXT(gpu_type, "-a"),
        TEXT(gpu_type, "a\n"),
        TEXT(gpu_type, "012345678901234567890123456789012"),
        TEXT(output, "out.log"),
        TEXT(output, ""),
        TEXT(output, "/jobs/%u/out"),
        TEXT(output, "/jobs/\\out"),
        TEXT(output, "/jobs/a\nb"),
        TEXT(folder, "-D"),
        TEXT(folder, "../x"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct slurm_argv a = {0};
        struct slurm_submit s = whole;
        struct err why = {""};
        memcpy((char *)&s + bad[i].offset, &bad[i].value, sizeof(bad[i].value));
        assert_int_equal(slurm_argv_sbatch(&a, &s, &why), -EINVAL);
        assert_non_null(strstr(why.text, "not allowed"));
        assert_int_equal(a.count, 0);
    }
}

#define NUMBER(member, value)                                                                  \
    {                                                                                          \
        offsetof(struct slurm_submit, member), value                                           \
    }

static void a_number_out_of_range_is_refused(void **state)
{
    static const struct {
        size_t offset;
        int64_t value;
    } bad[] = {
        NUMBER(nodes, 0),
        NUMBER(nodes, -1),
        NUMBER(nodes, INT64_MAX),
        NUMBER(gpus_per_node, -1),
        NUMBER(gpus_per_node, INT64_MAX),
        NUMBER(cpus, -1),
        NUMBER(cpus, INT64_MAX),
        NUMBER(memory_bytes, -1),
        NUMBER(limit_ms, 0),
        NUMBER(limit_ms, -1),
        NUMBER(limit_ms, INT64_MAX),
        NUMBER(grace_ms, -1),
        NUMBER(grace_ms, 65535001),
        NUMBER(grace_ms, INT64_MAX),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct slurm_argv a = {0};
        struct slurm_submit s = whole;
        memcpy((char *)&s + bad[i].offset, &bad[i].value, sizeof(int64_t));
        assert_int_equal(slurm_argv_sbatch(&a, &s, NULL), -EINVAL);
    }
}

static void a_cancel_goes_to_the_job_of_that_name_alone(void **state)
{
    static const char *const kill[] = {"scancel", "--clusters=north", "--name=firefly-4711-2",
                                       "4711"};
    static const char *const notice[] = {"scancel", "--signal=TERM", "--batch", "4294967293"};
    static const char *const limit[] = {"scontrol", "update", "JobId=4711", "TimeLimit=90"};
    static const char *const spread[] = {"scancel", "--signal=TERM", "4711"};
    static const char *const waiting[] = {"scancel", "--state=PENDING", "4711"};
    const struct slurm_target named = {
        .id = 4711, .cluster = "north", .name = "firefly-4711-2"};
    const struct slurm_target last = {.id = 4294967293}, plain = {.id = 4711};
    AUTO(slurm_argv_done) struct slurm_argv a = {0}, b = {0}, c = {0}, d = {0}, e = {0};
    (void)state;
    assert_int_equal(slurm_argv_scancel(&a, &named, false, NULL), 0);
    assert_argv(&a, kill, COUNT(kill));
    assert_int_equal(slurm_argv_scancel(&b, &last, true, NULL), 0);
    assert_argv(&b, notice, COUNT(notice));
    assert_int_equal(slurm_argv_limit(&c, &plain, 90, NULL), 0);
    assert_argv(&c, limit, COUNT(limit));
    assert_int_equal(slurm_argv_scancel(
                         &d, &(struct slurm_target){.id = 4711, .is_spread = true}, true, NULL),
                     0);
    assert_argv(&d, spread, COUNT(spread));
    assert_int_equal(slurm_argv_scancel(&e,
                                        &(struct slurm_target){.id = 4711, .is_waiting = true},
                                        false, NULL),
                     0);
    assert_argv(&e, waiting, COUNT(waiting));
}

static void a_target_that_is_none_is_refused(void **state)
{
    static const struct slurm_target bad[] = {
        {.id = 0},
        {.id = -1},
        {.id = 4294967294},
        {.id = 1, .cluster = "a b"},
        {.id = 1, .name = "a,b"},
        {.id = 1, .name = ""},
    };
    struct slurm_argv a = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(slurm_argv_scancel(&a, &bad[i], false, NULL), -EINVAL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(slurm_argv_limit(&a, &bad[i], 1, NULL), -EINVAL);
    assert_int_equal(slurm_argv_limit(&a, &(struct slurm_target){.id = 1}, 0, NULL), -EINVAL);
}

static void lists_are_asked_for_with_the_nonce_between_columns(void **state)
{
    const int64_t ids[] = {7, 4711};
    const struct slurm_ask ask = {.nonce = "k3f9a1b2",
                                  .cluster = "north",
                                  .name = "firefly-4711-2",
                                  .ids = ids,
                                  .id_count = 2,
                                  .oldest_ago_s = 100};
    AUTO(slurm_argv_done) struct slurm_argv queue = {0}, past = {0}, nodes = {0}, version = {0};
    (void)state;
    assert_int_equal(slurm_argv_squeue(&queue, &ask, NULL), 0);
    assert_string_equal(queue.items[5], "--jobs=7,4711");
    assert_non_null(
        strstr(queue.items[7], "--Format=JobArrayID:|k3f9a1b2|,Cluster:|k3f9a1b2|"));
    assert_int_equal(slurm_argv_sacct(&past, &ask, NULL), 0);
    assert_string_equal(past.items[4], "--starttime=now-86500seconds");
    assert_string_equal(past.items[10], "--delimiter=|k3f9a1b2|");
    assert_non_null(strstr(past.items[11], "--format=JobID,Cluster,Submit,"));
    assert_int_equal(slurm_argv_sinfo(&nodes, &ask, NULL), 0);
    assert_string_equal(nodes.items[0], "sinfo");
    assert_int_equal(slurm_argv_version(&version, NULL), 0);
    assert_string_equal(version.items[1], "--version");
}

static void without_a_nonce_json_is_asked_for(void **state)
{
    const struct slurm_ask ask = {0};
    AUTO(slurm_argv_done) struct slurm_argv queue = {0}, past = {0}, nodes = {0};
    (void)state;
    assert_int_equal(slurm_argv_squeue(&queue, &ask, NULL), 0);
    assert_string_equal(queue.items[queue.count - 1], "--json");
    assert_int_equal(slurm_argv_sacct(&past, &ask, NULL), 0);
    assert_string_equal(past.items[past.count - 1], "--json");
    assert_int_equal(slurm_argv_sinfo(&nodes, &ask, NULL), 0);
    assert_string_equal(nodes.items[nodes.count - 1], "--json");
}

static void an_ask_out_of_range_is_refused(void **state)
{
    static int64_t ids[SLURM_IDS_MAX + 1];
    static const char *const nonces[] = {"",          "1234567",
                                         "a|b|c|d|e", "12345678\n",
                                         "12345678,", "012345678901234567890123456789012"};
    struct slurm_argv a = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++)
        ids[i] = 4294967293;
    for (size_t i = 0; i < COUNT(nonces); i++) {
        assert_int_equal(slurm_argv_squeue(&a, &(struct slurm_ask){.nonce = nonces[i]}, NULL),
                         -EINVAL);
        assert_int_equal(slurm_argv_sacct(&a, &(struct slurm_ask){.nonce = nonces[i]}, NULL),
                         -EINVAL);
    }
    struct slurm_ask many = {.ids = ids, .id_count = COUNT(ids)};
    assert_int_equal(slurm_argv_squeue(&a, &many, NULL), -E2BIG);
    many.id_count = SLURM_IDS_MAX;
    assert_int_equal(slurm_argv_squeue(&a, &many, NULL), 0);
    slurm_argv_done(&a);
    ids[7] = 0;
    assert_int_equal(slurm_argv_squeue(&a, &many, NULL), -EINVAL);
    assert_int_equal(slurm_argv_sacct(&a, &(struct slurm_ask){.oldest_ago_s = -1}, NULL),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_says_all_that_was_asked),
        cmocka_unit_test(what_is_not_asked_is_left_to_slurm),
        cmocka_unit_test(an_odd_text_is_refused_with_its_value),
        cmocka_unit_test(a_number_out_of_range_is_refused),
        cmocka_unit_test(a_cancel_goes_to_the_job_of_that_name_alone),
        cmocka_unit_test(a_target_that_is_none_is_refused),
        cmocka_unit_test(lists_are_asked_for_with_the_nonce_between_columns),
        cmocka_unit_test(without_a_nonce_json_is_asked_for),
        cmocka_unit_test(an_ask_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
