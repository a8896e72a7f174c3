// SPDX-License-Identifier: Apache-2.0
/* What a Slurm's configuration is found to be: ok, a note, or to be mended. */
#include <errno.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/exec/slurm_config.h"
#include "tests/unit/test.h"

enum { TEXT_MAX = 1 << 16 };

static const struct slurm_wishes wishes = {.submit_deadline_ms = 30000,
                                           .account = "firefly-runner"};

static void load(const char *name, struct buf *out)
{
    char path[512], block[4096];
    size_t n;
    snprintf(path, sizeof(path), "%s/slurm/%s", TESTS_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buf_put_bytes(out, block, n);
    fclose(file);
}

/* Findings that are not ok, written down as lines. */
static void write_down(enum slurm_verdict verdict, const char *text, void *arg)
{
    static const char *const words[] = {"ok", "note", "mend"};
    if (verdict != SLURM_OK)
        buf_printf(arg, "%s: %s\n", words[verdict], text);
}

/* The value of `key` replaced in the text of a real one; the key left out when it is NULL. */
static void change(const struct buf *real, const char *key, const char *value, struct buf *out)
{
    size_t n = strlen(key);
    buf_clear(out);
    for (const char *line = buf_text(real); *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        bool is_it = !strncmp(line, key, n) && (line[n] == ' ' || line[n] == '=');
        if (is_it && value)
            buf_printf(out, "%s = %s\n", key, value);
        else if (!is_it)
            buf_printf(out, "%.*s\n", (int)len, line);
        line += len;
    }
}

static void check(const char *text, const struct slurm_wishes *w, struct buf *out)
{
    AUTO(slurm_config_done) struct slurm_config c = {0};
    buf_clear(out);
    slurm_config_read(&c, text);
    slurm_config_check(&c, w, write_down, out);
}

static void the_private_slurm_lacks_nothing_but_an_epilog(void **state)
{
    AUTO(buf_done) struct buf real = BUF_INIT(TEXT_MAX), said = BUF_INIT(TEXT_MAX);
    AUTO(slurm_config_done) struct slurm_config c = {0};
    (void)state;
    load("config-22.05.txt", &real);
    slurm_config_read(&c, buf_text(&real));
    assert_int_equal(c.clock_s, 1795491935);
    assert_string_equal(slurm_config_get(&c, "ClusterName"), "firefly");
    assert_string_equal(slurm_config_get(&c, "ConstrainDevices"), "yes");
    assert_string_equal(slurm_config_get(&c, "Epilog"), "");
    assert_string_equal(slurm_config_get(&c, "NoSuchKey"), "");
    check(buf_text(&real), &wishes, &said);
    assert_string_equal(
        buf_text(&said),
        "note: slurm.conf: Epilog = (nothing): nothing looks after a job's GPUs "
        "before the next job has them. In slurm.conf write Epilog= with the one "
        "of runner/slurm.md\n");
}

static void what_is_wrong_is_said_with_its_remedy(void **state)
{
    static const struct {
        const char *key, *value;
        const char *says; /* NULL: nothing more than before */
        const char *how;
    } cases[] = {
        {"AccountingStorageType", "accounting_storage/none", "cannot be settled", "slurmdbd"},
        {"AccountingStoreFlags", "(null)", "mend: slurm.conf: AccountingStoreFlags = (nothing)",
         "AccountingStoreFlags=job_comment"},
        {"AccountingStoreFlags", "job_script,job_comment", NULL, NULL},
        {"AccountingStoreFlags", NULL, "AccountingStoreFlags = (nothing)", "job_comment"},
        {"AccountingStorageTRES", "cpu,mem,gres/gpu:a100", "how many GPUs",
         "AccountingStorageTRES=gres/gpu"},
        {"GresTypes", "mps", "no job can ask for GPUs", "GresTypes=gpu"},
        {"GresTypes", "gpu,mps", NULL, NULL},
        {"SelectType", "select/linear", "one by one", "select/cons_tres"},
        {"SelectTypeParameters", "CR_CORE", "more memory", "CR_Core_Memory"},
        {"SelectTypeParameters", "CR_SOCKET_MEMORY", NULL, NULL},
        {"ProctrackType", "proctrack/linuxproc", "outlives it", "proctrack/cgroup"},
        {"TaskPlugin", "task/none", "off the GPUs", "task/cgroup"},
        {"TaskPlugin", "task/affinity,task/cgroup", NULL, NULL},
        {"TaskPlugin", "affinity,cgroup", NULL, NULL},
        {"ConstrainDevices", "no", "mend: cgroup.conf: ConstrainDevices = no",
         "In cgroup.conf write ConstrainDevices=yes"},
        {"ConstrainRAMSpace", "no", "the memory of all others", "ConstrainRAMSpace=yes"},
        {"EnforcePartLimits", "NO", "waits in the queue", "EnforcePartLimits=ALL"},
        {"EnforcePartLimits", "ANY", NULL, NULL},
        {"PreemptMode", "GANG,SUSPEND", "note: slurm.conf: PreemptMode", "CANCEL"},
        {"MessageTimeout", "30 sec", "mend: slurm.conf: MessageTimeout = 30 s",
         "submit_deadline"},
        {"MessageTimeout", "29 sec", NULL, NULL},
        {"MinJobAge", "10 sec", "mend: slurm.conf: MinJobAge = 10 s", "MinJobAge=300"},
        {"MinJobAge", "0 sec", NULL, NULL},
        {"JobRequeue", "1", NULL, NULL},
        {"PrivateData", "jobs,usage",
         "the jobs of others are hidden from the account firefly-runner",
         "AdminLevel=Operator"},
        {"PrivateData", "accounts,users", NULL, NULL},
    };
    AUTO(buf_done) struct buf real = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);
    AUTO(buf_done) struct buf said = BUF_INIT(TEXT_MAX), usual = BUF_INIT(TEXT_MAX);
    (void)state;
    load("config-22.05.txt", &real);
    check(buf_text(&real), &wishes, &usual);
    for (size_t i = 0; i < COUNT(cases); i++) {
        change(&real, cases[i].key, cases[i].value, &text);
        check(buf_text(&text), &wishes, &said);
        if (!cases[i].says) {
            assert_string_equal(buf_text(&said), buf_text(&usual));
            continue;
        }
        if (!strstr(buf_text(&said), cases[i].says) || !strstr(buf_text(&said), cases[i].how))
            fail_msg("%s = %s: %s", cases[i].key, cases[i].value, buf_text(&said));
    }
}

static void what_an_operator_may_see_is_not_hidden(void **state)
{
    AUTO(buf_done) struct buf real = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);
    AUTO(buf_done) struct buf said = BUF_INIT(TEXT_MAX);
    struct slurm_wishes more = wishes;
    (void)state;
    more.is_operator = true;
    load("config-22.05.txt", &real);
    change(&real, "PrivateData", "jobs", &text);
    check(buf_text(&text), &more, &said);
    assert_null(strstr(buf_text(&said), "PrivateData"));
    assert_true(slurm_user_is_operator("root|Administrator\nfirefly-runner|Operator\n",
                                       "firefly-runner"));
    assert_true(slurm_user_is_operator("a|Administrator\n", "a"));
    assert_false(slurm_user_is_operator("firefly-runner|None\n", "firefly-runner"));
    assert_false(slurm_user_is_operator("firefly-runner2|Operator\n", "firefly-runner"));
    assert_false(slurm_user_is_operator("", "firefly-runner"));
}

static void slurmdbds_own_section_is_read(void **state)
{
    AUTO(buf_done) struct buf real = BUF_INIT(TEXT_MAX), said = BUF_INIT(TEXT_MAX);
    (void)state;
    load("slurmdbd-22.05.txt", &real);
    slurm_database_check(buf_text(&real), &wishes, write_down, &said);
    assert_string_equal(buf_text(&said), "");
    slurm_database_check("PrivateData = none\nSlurmDBD configuration:\nPrivateData = jobs\n",
                         &wishes, write_down, &said);
    assert_non_null(strstr(buf_text(&said), "mend: slurmdbd.conf: PrivateData = jobs"));
}

static void a_partition_is_found_and_judged(void **state)
{
    static const char two[] =
        "PartitionName=cpu AllowGroups=ALL Default=NO MaxNodes=UNLIMITED RootOnly=NO State=UP\n"
        "PartitionName=gpu AllowGroups=ai,bio Default=YES MaxNodes=4 MaxTime=1-00:00:00 "
        "RootOnly=NO State=DOWN\n";
    AUTO(buf_done) struct buf said = BUF_INIT(TEXT_MAX);
    (void)state;
    assert_true(slurm_partition_check(two, "cpu", write_down, &said));
    assert_string_equal(buf_text(&said), "");
    assert_true(slurm_partition_check(two, "", write_down, &said));
    assert_non_null(strstr(buf_text(&said), "mend: partition gpu: State = DOWN"));
    assert_non_null(strstr(buf_text(&said), "note: partition gpu: AllowGroups = ai,bio"));
    assert_non_null(strstr(buf_text(&said), "note: partition gpu: MaxNodes = 4"));
    buf_clear(&said);
    assert_false(slurm_partition_check(two, "big", write_down, &said));
    assert_non_null(strstr(buf_text(&said), "mend: partition big: there is none"));
    assert_false(slurm_partition_check("", "", write_down, &said));
}

static void who_answers_is_told(void **state)
{
    AUTO(buf_done) struct buf said = BUF_INIT(TEXT_MAX);
    (void)state;
    slurm_ping_check("Slurmctld(primary) at a is UP\n", write_down, &said);
    assert_string_equal(buf_text(&said), "");
    slurm_ping_check("Slurmctld(primary) at a is UP\nSlurmctld(backup) at b is DOWN\n",
                     write_down, &said);
    assert_string_equal(buf_text(&said), "note: Slurmctld(backup) at b is DOWN\n");
    slurm_ping_check("Slurmctld(primary) at a is DOWN\n", write_down, &said);
    assert_non_null(strstr(buf_text(&said), "mend: slurmctld: does not answer"));
    assert_true(slurm_clusters_have("other\nfirefly\n", "firefly"));
    assert_false(slurm_clusters_have("firefly2\n", "firefly"));
}

static void names_are_checked_before_they_are_words(void **state)
{
    static const char *const bad[] = {"-x", "a b", "a;b", "a\nb", "--all"};
    struct slurm_argv argv;
    struct err e;
    (void)state;
    assert_int_equal(slurm_config_argv(&argv, SLURM_ASK_USER, "", "firefly-runner", &e), 0);
    assert_string_equal(argv.items[0], "sacctmgr");
    assert_string_equal(argv.items[argv.count - 2], "firefly-runner");
    slurm_argv_done(&argv);
    assert_int_equal(slurm_config_argv(&argv, SLURM_ASK_CONFIG, "firefly", "", &e), 0);
    assert_string_equal(argv.items[0], "scontrol");
    assert_string_equal(argv.items[1], "--clusters=firefly");
    slurm_argv_done(&argv);
    assert_int_equal(slurm_config_argv(&argv, SLURM_ASK_CONFIG, "", "", &e), 0);
    assert_int_equal(argv.count, 3);
    slurm_argv_done(&argv);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(slurm_config_argv(&argv, SLURM_ASK_USER, "", bad[i], &e), -EINVAL);
        assert_int_equal(slurm_config_argv(&argv, SLURM_ASK_CONFIG, bad[i], "", &e), -EINVAL);
    }
}

static void what_is_no_configuration_does_no_harm(void **state)
{
    static const char *const texts[] = {
        "", "=", "= x", "Key", "Key =", " = \n\n=\n", "Configuration data as of yesterday\n"};
    AUTO(buf_done) struct buf said = BUF_INIT(TEXT_MAX);
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(slurm_config_done) struct slurm_config c = {0};
        slurm_config_read(&c, texts[i]);
        assert_int_equal(c.clock_s, -1);
        check(texts[i], &wishes, &said);
        assert_non_null(strstr(buf_text(&said), "mend: slurm.conf: GresTypes = (nothing)"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_private_slurm_lacks_nothing_but_an_epilog),
        cmocka_unit_test(what_is_wrong_is_said_with_its_remedy),
        cmocka_unit_test(what_an_operator_may_see_is_not_hidden),
        cmocka_unit_test(slurmdbds_own_section_is_read),
        cmocka_unit_test(a_partition_is_found_and_judged),
        cmocka_unit_test(who_answers_is_told),
        cmocka_unit_test(names_are_checked_before_they_are_words),
        cmocka_unit_test(what_is_no_configuration_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
