// SPDX-License-Identifier: Apache-2.0
/* Slurm's words: states, refusals, ids, versions and small values, the bad ones included. */
#include <errno.h>

#include "runner/base/cleanup.h"
#include "runner/exec/slurm_words.h"
#include "tests/unit/test.h"

static void states_are_read_in_any_form(void **state)
{
    static const struct {
        const char *word;
        enum slurm_state wanted;
    } cases[] = {
        {"PENDING", SLURM_PENDING},
        {"running", SLURM_RUNNING},
        {"CANCELLED by 1001", SLURM_CANCELLED},
        {"OUT_OF_MEMORY", SLURM_OUT_OF_MEMORY},
        {"REQUEUE_HOLD", SLURM_PENDING},
        {"STAGE_OUT", SLURM_COMPLETING},
        {"NODE_FAIL", SLURM_NODE_FAIL},
        {"REQUEUED", SLURM_REQUEUED},
        {"RUN", SLURM_UNKNOWN},
        {"", SLURM_UNKNOWN},
        {" PENDING", SLURM_UNKNOWN},
        {"RUNNINGS", SLURM_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(slurm_state_read(cases[i].word), cases[i].wanted);
    assert_false(slurm_state_is_over(SLURM_UNKNOWN));
    assert_false(slurm_state_is_over(SLURM_COMPLETING));
    assert_true(slurm_state_is_over(SLURM_REQUEUED));
    for (int s = SLURM_UNKNOWN; s <= SLURM_REQUEUED; s++)
        assert_non_null(slurm_state_name((enum slurm_state)s));
}

static void of_several_states_the_one_that_goes_on_counts(void **state)
{
    (void)state;
    assert_int_equal(slurm_state_join(SLURM_CANCELLED, SLURM_COMPLETING), SLURM_COMPLETING);
    assert_int_equal(slurm_state_join(SLURM_RUNNING, SLURM_CONFIGURING), SLURM_CONFIGURING);
    assert_int_equal(slurm_state_join(SLURM_REQUEUED, SLURM_PENDING), SLURM_PENDING);
    assert_int_equal(slurm_state_join(SLURM_UNKNOWN, SLURM_FAILED), SLURM_FAILED);
    assert_int_equal(slurm_state_join(SLURM_FAILED, SLURM_UNKNOWN), SLURM_FAILED);
}

#define FAILED "sbatch: error: Batch job submission failed: "

static void refusals_are_told_from_trouble_and_doubt(void **state)
{
    static const struct {
        const char *text;
        enum slurm_answer wanted;
    } cases[] = {
        {FAILED "Invalid account or account/partition combination specified\n", SLURM_FAULT},
        {"sbatch: error: invalid partition specified: nopart\n" FAILED
         "Invalid partition name specified\n",
         SLURM_FAULT},
        {FAILED "Invalid qos specification", SLURM_FAULT},
        {FAILED "Requested node configuration is not available\n", SLURM_FAULT},
        {"sbatch: error: Invalid generic resource (gres) specification\n", SLURM_FAULT},
        {FAILED "Invalid user id\n", SLURM_FAULT},
        {FAILED "Job violates accounting/QOS policy (job submit limit, user's size and/or time "
                "limits)\n",
         SLURM_FAULT},
        {FAILED "Node count specification invalid\n", SLURM_FAULT},
        {"sbatch: error: Invalid --time specification\n", SLURM_FAULT},
        {"Access/permission denied for job 4711\n", SLURM_FAULT},
        {FAILED "Unable to contact slurm controller (connect failure)\n", SLURM_TROUBLE},
        {FAILED "Required partition not available (inactive or drain)\n", SLURM_TROUBLE},
        {FAILED "Rate limit exceeded, please retry momentarily\n", SLURM_TROUBLE},
        {FAILED "MaxJobCount limit reached\n", SLURM_TROUBLE},
        {FAILED "Protocol authentication error\n", SLURM_TROUBLE},
        {"sbatch: error: ClusterName needs to be specified\n"
         "sbatch: fatal: Unable to process configuration file\n",
         SLURM_TROUBLE},
        {"slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
         SLURM_TROUBLE},
        {"sacct: error: Problem talking to the database: Connection refused\n", SLURM_TROUBLE},
        {FAILED "Socket timed out on send/recv operation\n", SLURM_AMBIGUOUS},
        {FAILED "Unable to contact slurm controller (receive failure)\n", SLURM_AMBIGUOUS},
        {FAILED "Unable to contact slurm controller (send failure)\n", SLURM_AMBIGUOUS},
        {FAILED "Zero Bytes were transmitted or received\n", SLURM_AMBIGUOUS},
        {"sbatch: error: Socket timed out on send/recv operation\n" FAILED
         "Invalid qos specification\n",
         SLURM_AMBIGUOUS},
        {FAILED "Invalid qos specification\n" FAILED
                "Socket timed out on send/recv operation\n",
         SLURM_AMBIGUOUS},
        {FAILED "a sentence of a newer release\n", SLURM_AMBIGUOUS},
        {"", SLURM_AMBIGUOUS},
        {"\n\n", SLURM_AMBIGUOUS},
        {"Invalid job id specified for job 777\n", SLURM_GONE},
        {"Job has already finished for job 3\n", SLURM_GONE},
        {"scancel: error: Kill job error on job id 3: Job/step already completing or "
         "completed\n",
         SLURM_GONE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err why = {""};
        assert_int_equal(slurm_answer_read(cases[i].text, &why), cases[i].wanted);
        assert_true(strlen(why.text) > 0 && !strchr(why.text, '\n'));
    }
}

static void a_refusal_comes_with_the_remedy(void **state)
{
    struct err why;
    (void)state;
    slurm_answer_read(FAILED "Invalid account or account/partition combination specified\n",
                      &why);
    assert_non_null(strstr(why.text, "sacctmgr add user"));
    slurm_answer_read("\x01\xff nothing known\n", &why);
    assert_string_equal(why.text, "Slurm: an answer that is no text");
    slurm_answer_read("a\tb\n", &why);
    assert_string_equal(why.text, "Slurm: a b");
    slurm_answer_read("Invalid qos specification", NULL);
}

static void an_accepted_job_has_an_id_or_nothing_is_known(void **state)
{
    static const struct {
        const char *text, *cluster;
        int64_t id;
    } good[] = {
        {"4711\n", "", 4711},
        {"1\n", "", 1},
        {"4294967293;north-1\n", "north-1", 4294967293},
    };
    static const char *const bad[] = {
        "",
        "\n",
        "0\n",
        "-1\n",
        "4711",
        "04711\n",
        "4711 \n",
        "4711;\n",
        ";x\n",
        "4711;a b\n",
        "4711;-a\n",
        "4294967294\n",
        "4711\n4712\n",
        "note\n4711\n",
        "Submitted batch job 4711\n",
        "4711;a;b\n",
        "99999999999999999999999\n",
    };
    struct slurm_accepted out;
    struct err why;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(slurm_accepted_read(good[i].text, &out, NULL), 0);
        assert_int_equal(out.id, good[i].id);
        assert_string_equal(out.cluster, good[i].cluster);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(slurm_accepted_read(bad[i], &out, &why), -EINVAL);
}

static void versions_are_read_and_judged(void **state)
{
    static const struct {
        const char *text;
        int major, minor;
        bool is_known;
    } good[] = {
        {"slurm 22.05.8\n", 22, 5, true},       {"slurm-wlm 22.05.8\n", 22, 5, true},
        {"slurm 25.11.0-0rc1\n", 25, 11, true}, {"slurm 21.08.8-2\n", 21, 8, false},
        {"slurm 26.05.0\n", 26, 5, false},
    };
    static const char *const bad[] = {"",
                                      "slurm\n",
                                      "slurm 22\n",
                                      "22.05.8\n",
                                      "bash: sinfo: 1.2.3\n",
                                      "slurm x.y.z\n",
                                      "slurm -1.2.3"};
    struct slurm_version v;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(slurm_version_read(good[i].text, &v, NULL), 0);
        assert_int_equal(v.major, good[i].major);
        assert_int_equal(v.minor, good[i].minor);
        assert_int_equal(v.is_known, good[i].is_known);
    }
    for (size_t i = 0; i + 1 < COUNT(bad); i++)
        assert_int_equal(slurm_version_read(bad[i], &v, NULL), -EINVAL);
}

static void gpus_are_counted_and_unknown_is_not_none(void **state)
{
    static const struct {
        const char *tres, *type;
        int64_t gpus;
    } good[] = {
        {"cpu=4,mem=2000M,node=2,billing=4,gres/gpu=4,gres/gpu:a100=4", "a100", 4},
        {"billing=4,gres/gpu:a100=4,gres/gpu=4", "a100", 4},
        {"gres/gpu=2", "", 2},
        {"gres/gpu:a100=2,gres/gpu:h100=1,gres/gpu=3", "mixed", 3},
        {"gres/gpu:a100=2", "a100", 2},
        {"cpu=1,gres/gpumem=4G,gres/gpuutil=3", "", -1},
        {"", "", -1},
        {"cpu=1,mem=1G", "", -1},
        {"gres/gpu=0", "", 0},
    };
    static const char *const bad[] = {"gres/gpu=",
                                      "gres/gpu=x",
                                      "gres/gpu=-1",
                                      "gres/gpu:a100=",
                                      "gres/gpu=99999999999",
                                      "gres/gpu:=1",
                                      "gres/gpu=1M",
                                      "gres/gpu:012345678901234567890123456789012=1"};
    char type[SLURM_TYPE_MAX + 1];
    int64_t gpus;
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(slurm_tres_gpus(good[i].tres, &gpus, type), 0);
        assert_int_equal(gpus, good[i].gpus);
        assert_string_equal(type, good[i].type);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(slurm_tres_gpus(bad[i], &gpus, type), -EINVAL);
}

static void only_our_comment_has_a_token(void **state)
{
    static const char *const bad[] = {
        "",
        "(null)",
        "firefly:",
        "firefly:0123456789abcdef0123456789abcde",
        "firefly:0123456789abcdef0123456789abcdef0",
        "firefly:0123456789abcdef0123456789abcdeF",
        "firefly:0123456789abcdef0123456789abcdef\n",
        " firefly:0123456789abcdef0123456789abcdef",
        "Firefly:0123456789abcdef0123456789abcdef",
    };
    char token[SLURM_TOKEN_LEN + 1] = "x";
    (void)state;
    assert_true(slurm_token_read("firefly:0123456789abcdef0123456789abcdef", token));
    assert_string_equal(token, "0123456789abcdef0123456789abcdef");
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(slurm_token_read(bad[i], token));
        assert_string_equal(token, "");
    }
}

static void durations_are_days_hours_minutes_seconds(void **state)
{
    static const struct {
        const char *text;
        int r;
        int64_t wanted;
    } cases[] = {
        {"0:00", 0, 0},
        {"1:02", 0, 62},
        {"1:02:03", 0, 3723},
        {"5-00:00:00", 0, 432000},
        {"10:00", 0, 600},
        {"", -EINVAL, 0},
        {"90", -EINVAL, 0},
        {"1-2", -EINVAL, 0},
        {"1-02:03", -EINVAL, 0},
        {":1", -EINVAL, 0},
        {"1:", -EINVAL, 0},
        {"1:2:3:4", -EINVAL, 0},
        {"-1:00", -EINVAL, 0},
        {"1::2", -EINVAL, 0},
        {"1:00x", -EINVAL, 0},
        {"1-1-1:00:00", -EINVAL, 0},
        {"INVALID", -EINVAL, 0},
        {"99999999999:00", -ERANGE, 0},
        {"99999-00:00:00", -ERANGE, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t s = 0;
        assert_int_equal(slurm_duration_read(cases[i].text, &s), cases[i].r);
        assert_int_equal(s, cases[i].wanted);
    }
    assert_int_equal(slurm_minutes(60000), 1);
    assert_int_equal(slurm_minutes(60001), 2);
    assert_int_equal(slurm_minutes(1), 1);
}

static void a_reason_to_wait_is_told_in_words(void **state)
{
    (void)state;
    assert_string_equal(slurm_reason_text("Resources"), "its nodes are busy");
    assert_string_equal(slurm_reason_text("QOSMaxGRESPerUser"),
                        "a limit of its QOS in Slurm is reached");
    assert_string_equal(slurm_reason_text("ReqNodeNotAvail, UnavailableNodes:n1"),
                        "its nodes are down, drained or reserved");
    assert_string_equal(slurm_reason_text("BurstBufferStageIn"), "BurstBufferStageIn");
    assert_string_equal(slurm_reason_text(""), "it does not say why");
}

static void a_sentence_has_no_head(void **state)
{
    struct err why;
    (void)state;
    slurm_answer_read("sbatch: error: Batch job submission failed: Invalid qos specification\n",
                      &why);
    assert_string_equal(why.text,
                        "Slurm: Invalid qos specification; give the association that QOS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_read_in_any_form),
        cmocka_unit_test(of_several_states_the_one_that_goes_on_counts),
        cmocka_unit_test(refusals_are_told_from_trouble_and_doubt),
        cmocka_unit_test(a_refusal_comes_with_the_remedy),
        cmocka_unit_test(an_accepted_job_has_an_id_or_nothing_is_known),
        cmocka_unit_test(versions_are_read_and_judged),
        cmocka_unit_test(gpus_are_counted_and_unknown_is_not_none),
        cmocka_unit_test(only_our_comment_has_a_token),
        cmocka_unit_test(durations_are_days_hours_minutes_seconds),
        cmocka_unit_test(a_reason_to_wait_is_told_in_words),
        cmocka_unit_test(a_sentence_has_no_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
