// SPDX-License-Identifier: Apache-2.0
/* The file of a batch job: taken when it is whole, refused by its field or line when not. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/jget.h"
#include "runner/task/batch.h"
#include "runner/task/batch_slurm.h"
#include "tests/unit/test.h"

#define FIRST "#!/opt/firefly/runner-task --batch\n"

static const char whole[] =
    "{\"token\":\"t-1\",\"job\":7,\"attempt\":2,\"job_dir\":\"/j/7\",\"project\":\"climate\","
    "\"project_dir\":\"/p/climate\",\"nodes\":2,\"limit_ms\":90500,\"grace_ms\":500,"
    "\"resume\":true,\"launcher\":\"/opt/slurm/bin/srun\",\"spec\":{\"kind\":\"batch\","
    "\"name\":\"n\",\"project\":\"climate\",\"allocation\":0,\"nodes\":2,\"gpus_per_node\":1,"
    "\"gpu_type\":\"any\",\"cpus\":0,\"memory_bytes\":0,\"time_limit_ms\":60000,\"env\":{},"
    "\"script\":\"true\\n\",\"checkpoint\":false,\"checkpoint_interval_ms\":0,\"retries\":0,"
    "\"priority\":\"normal\"}}";

/* The file with one field replaced; "" leaves it out, NULL changes nothing. */
static char *make_file(const char *field, const char *value)
{
    char *text = NULL;
    AUTO(json_freep) json_t *o = json_loads(whole, 0, NULL);
    if (field && !*value)
        json_object_del(o, field);
    else if (field)
        json_object_set_new(o, field, json_loads(value, JSON_DECODE_ANY, NULL));
    AUTO(cleanup_free) char *line = json_dumps(o, JSON_COMPACT);
    assert_true(asprintf(&text, FIRST "%s\n", line) > 0);
    return text;
}

static void a_whole_file_is_taken(void **state)
{
    AUTO(cleanup_free) char *text = make_file(NULL, NULL);
    AUTO(batch_freep) struct batch *b = NULL;
    struct err why = {{0}};
    (void)state;
    if (batch_parse(text, strlen(text), &b, &why) < 0)
        fail_msg("%s", why.text);
    assert_string_equal(b->token, "t-1");
    assert_string_equal(b->job_dir, "/j/7");
    assert_string_equal(b->launcher, "/opt/slurm/bin/srun");
    assert_int_equal(b->job, 7);
    assert_int_equal(b->attempt, 2);
    assert_int_equal(b->nodes, 2);
    assert_int_equal(b->grace_ms, 500);
    assert_true(b->resume);
    assert_string_equal(b->spec->script, "true\n");
    assert_string_equal(b->text, text);
}

static void what_may_be_left_out_has_its_value(void **state)
{
    static const char *const optional[] = {"project_dir", "grace_ms", "resume", "launcher"};
    (void)state;
    for (size_t i = 0; i < COUNT(optional); i++) {
        AUTO(cleanup_free) char *text = make_file(optional[i], "");
        AUTO(batch_freep) struct batch *b = NULL;
        assert_int_equal(batch_parse(text, strlen(text), &b, NULL), 0);
        assert_int_equal(b->grace_ms, i == 1 ? 30000 : 500);
        assert_int_equal(b->resume, i != 2);
    }
}

static void a_field_out_of_form_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *field, *value;
    } bad[] = {
        {"token", ""},
        {"token", "\"A\""},
        {"token", "\"../x\""},
        {"token", "7"},
        {"job", ""},
        {"job", "0"},
        {"job", "\"7\""},
        {"attempt", "0"},
        {"attempt", "2147483648"},
        {"job_dir", ""},
        {"job_dir", "\"j/7\""},
        {"job_dir", "\"/j\\n7\""},
        {"job_dir", "null"},
        {"project", ""},
        {"project", "\"\""},
        {"project", "\"a\\u0001\""},
        {"project_dir", "\"p\""},
        {"nodes", "0"},
        {"nodes", "4097"},
        {"nodes", "1.5"},
        {"limit_ms", "0"},
        {"limit_ms", ""},
        {"grace_ms", "-1"},
        {"grace_ms", "86400001"},
        {"resume", "1"},
        {"launcher", "\"srun\""},
        {"launcher", "7"},
        {"spec", ""},
        {"spec", "\"{}\""},
        {"spec", "{}"},
        {"spec", "[]"},
        {"shell", "\"/bin/sh\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(cleanup_free) char *text = make_file(bad[i].field, bad[i].value);
        AUTO(batch_freep) struct batch *b = NULL;
        struct err why = {{0}};
        assert_true(batch_parse(text, strlen(text), &b, &why) < 0);
        assert_null(b);
        if (!strstr(why.text, bad[i].field))
            fail_msg("%s = %s: %s", bad[i].field, bad[i].value, why.text);
    }
}

static void lines_that_are_not_the_two_are_refused(void **state)
{
    static const char *const bad[] = {
        "",      "#",          "#!",        "#!/x",         "#!/x\n",     "#!/x\n\n",
        "{}\n",  "x\n{}\n",    "#!/x\n7\n", "#!/x\n[]\n",   "#!/x\n{}\n", "#!/x\n{\n",
        "#!\n{", "#!/x\n{}{}", "#!/x\r\n",  "#!/x\n\xff\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        AUTO(batch_freep) struct batch *b = NULL;
        assert_int_equal(batch_parse(bad[i], strlen(bad[i]), &b, NULL), -EINVAL);
    }
    AUTO(cleanup_free) char *text = make_file(NULL, NULL), *more = NULL;
    AUTO(batch_freep) struct batch *b = NULL;
    struct err why;
    assert_true(asprintf(&more, "%srm -rf /\n", text) > 0);
    assert_int_equal(batch_parse(more, strlen(more), &b, &why), -EINVAL);
    assert_non_null(strstr(why.text, "more than two lines"));
}

static void a_file_that_was_cut_or_damaged_does_no_harm(void **state)
{
    AUTO(cleanup_free) char *text = make_file(NULL, NULL);
    size_t len = strlen(text);
    (void)state;
    for (size_t n = 0; n + 1 < len; n++) { /* without its last newline it is whole */
        AUTO(batch_freep) struct batch *b = NULL;
        assert_true(batch_parse(text, n, &b, NULL) < 0);
    }
    for (size_t i = 0; i < len; i++) {
        static const char damage[] = {0, '\n', '"', '{', 'A', (char)0xff};
        for (size_t k = 0; k < sizeof(damage); k++) {
            AUTO(batch_freep) struct batch *b = NULL;
            char kept = text[i];
            text[i] = damage[k];
            batch_parse(text, len, &b, NULL);
            text[i] = kept;
        }
    }
}

static void only_a_file_of_the_account_alone_is_read(void **state)
{
    static const struct {
        mode_t mode;
        uid_t uid;
        int result;
    } cases[] = {{0600, 0, 0},      {0500, 0, 0},          {0755, 0, 0},     {0620, 0, -EPERM},
                 {0602, 0, -EPERM}, {0600, 54321, -EPERM}, {0777, 0, -EPERM}};
    AUTO(cleanup_free) char *text = make_file(NULL, NULL);
    char path[] = "/tmp/batch-XXXXXX";
    AUTO(cleanup_close) int fd = mkstemp(path);
    struct batch *b = NULL;
    (void)state;
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i].uid && geteuid() != 0)
            continue;
        assert_int_equal(fchown(fd, cases[i].uid ? cases[i].uid : geteuid(), (gid_t)-1), 0);
        assert_int_equal(fchmod(fd, cases[i].mode), 0);
        assert_int_equal(batch_read(path, &b, NULL), cases[i].result);
        batch_free(TAKE(b));
    }
    assert_int_equal(fchown(fd, geteuid(), (gid_t)-1), 0);
    fchmod(fd, 0600);
    assert_int_equal(ftruncate(fd, BATCH_FILE_MAX + 1), 0);
    assert_int_equal(batch_read(path, &b, NULL), -EFBIG);
    unlink(path);
    assert_int_equal(batch_read(path, &b, NULL), -ENOENT);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(batch_read(path, &b, NULL), -ELOOP);
    unlink(path);
    assert_int_equal(batch_read("/tmp", &b, NULL), -EINVAL);
    assert_int_equal(batch_read("/dev/null", &b, NULL), -EINVAL);
}

static void it_becomes_the_environment_of_a_task(void **state)
{
    AUTO(cleanup_free) char *text = make_file(NULL, NULL);
    AUTO(batch_freep) struct batch *b = NULL;
    const struct batch_site site = {
        .id = "42", .node = 1, .node_count = 2, .nodes = (char *)"n1,n2", .gpus = "0,1"};
    static const char *const wanted[][2] = {
        {"HOME", "/j/7"},
        {"TMPDIR", "/j/7/.firefly/tmp"},
        {"FIREFLY_TOKEN", "t-1"},
        {"FIREFLY_JOB_ID", "7"},
        {"FIREFLY_ATTEMPT", "2"},
        {"FIREFLY_JOB_DIR", "/j/7"},
        {"FIREFLY_GPUS", "0,1"},
        {"FIREFLY_NODES", "n1,n2"},
        {"FIREFLY_NODE", "1"},
        {"FIREFLY_RESUME", "1"},
        {"FIREFLY_PROJECT", "climate"},
        {"FIREFLY_PROJECT_DIR", "/p/climate"},
        {"FIREFLY_TIME_LIMIT_S", "91"},
    };
    (void)state;
    assert_int_equal(batch_parse(text, strlen(text), &b, NULL), 0);
    unsetenv("TMPDIR");
    batch_enter(b, &site);
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_string_equal(getenv(wanted[i][0]), wanted[i][1]);
    setenv("TMPDIR", "/local", 1);
    batch_enter(b, &site);
    assert_string_equal(getenv("TMPDIR"), "/local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_taken),
        cmocka_unit_test(what_may_be_left_out_has_its_value),
        cmocka_unit_test(a_field_out_of_form_is_refused_by_its_name),
        cmocka_unit_test(lines_that_are_not_the_two_are_refused),
        cmocka_unit_test(a_file_that_was_cut_or_damaged_does_no_harm),
        cmocka_unit_test(only_a_file_of_the_account_alone_is_read),
        cmocka_unit_test(it_becomes_the_environment_of_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
