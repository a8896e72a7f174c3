// SPDX-License-Identifier: Apache-2.0
/* Samples of GPUs: what each stands for, and the whole way from a driver of our own to the attempts. */
#include "runner/daemon/sample.h"

#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/loop.h"
#include "runner/base/xnew.h"
#include "runner/proto/agent_calls.h"
#include "tests/unit/test.h"

static void a_sample_stands_for_the_run_time_since_the_last(void **state)
{
    struct live_attempt a = {.metered_ms = 4000};
    (void)state;
    sample_add(&a, 2, 0);
    assert_int_equal(a.sampled_gpums, 2 * 4000);
    assert_int_equal(a.idle_gpums, 0);
    a.metered_ms = 14000;
    sample_add(&a, 2, 1);
    assert_int_equal(a.sampled_gpums, 2 * 14000);
    assert_int_equal(a.idle_gpums, 10000);
    sample_add(&a, 2, 2); /* no new heartbeat: nothing to count */
    assert_int_equal(a.sampled_gpums, 2 * 14000);
}

static void what_nobody_looked_at_is_not_counted(void **state)
{
    struct live_attempt a = {.metered_ms = 3600000}; /* runnerd was started again meanwhile */
    (void)state;
    sample_add(&a, 4, 4);
    assert_int_equal(a.sampled_gpums, 4 * SAMPLE_MS);
    assert_int_equal(a.idle_gpums, 4 * SAMPLE_MS);
    a.metered_ms += SAMPLE_MS;
    sample_add(&a, 0, 0); /* GPUs that do not say */
    assert_int_equal(a.sampled_gpums, 4 * SAMPLE_MS);
    a.metered_ms += SAMPLE_MS;
    sample_add(&a, 4, 0);
    assert_int_equal(a.sampled_gpums, 8 * SAMPLE_MS);
}

static void idle_is_at_most_what_was_sampled_and_that_what_ran(void **state)
{
    struct live_attempt a = {0};
    (void)state;
    srandom(3);
    for (int i = 0; i < 1000; i++) {
        int seen = (int)(random() % 5);
        a.metered_ms += random() % 30000;
        sample_add(&a, seen, (int)(random() % (seen + 1)));
        assert_true(a.idle_gpums <= a.sampled_gpums);
        assert_true(a.sampled_gpums <= 4 * a.metered_ms);
    }
}

/* GPU 0 works, GPU 1 does not, GPU 2 does not say, and asking for GPU 3 breaks the driver. */
static const char driver[] =
    "struct utilization { unsigned gpu, memory; };\n"
    "static char devices[4];\n"
    "int nvmlInit_v2(void) { return 0; }\n"
    "int nvmlShutdown(void) { return 0; }\n"
    "const char *nvmlErrorString(int c) { return c == 15 ? \"GPU is lost\" : \"other\"; }\n"
    "int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = devices + i; return 0; }\n"
    "int nvmlDeviceGetUtilizationRates(void *d, struct utilization *u)\n"
    "{ long i = (char *)d - devices; u->gpu = i ? 4 : 5; return i < 2 ? 0 : i == 2 ? 3 : 15; }\n"
    "int nvmlDeviceGetCount_v2(void) { return 1; }\n"
    "int nvmlDeviceGetUUID(void) { return 1; }\n"
    "int nvmlDeviceGetName(void) { return 1; }\n"
    "int nvmlDeviceGetMemoryInfo(void) { return 1; }\n"
    "int nvmlDeviceGetMinorNumber(void) { return 1; }\n";

static void compile_driver(char path[40])
{
    char code[64];
    int status, fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(code, sizeof(code), "%s.c", path);
    FILE *file = fopen(code, "w");
    assert_non_null(file);
    fputs(driver, file);
    fclose(file);
    pid_t child = fork();
    if (child == 0) {
        execlp("cc", "cc", "-shared", "-fPIC", "-o", path, code, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    unlink(code);
}

static struct live *add_job(struct live_table *jobs, int64_t id, const char *gpus)
{
    char place[100];
    struct live *j = xnew(struct live);
    snprintf(place, sizeof(place), "{\"nodes\":[{\"name\":\"n1\",\"gpus\":[%s]}]}", gpus);
    j->id = id;
    j->state = JOB_RUNNING;
    j->attempt.id = 10 * id;
    j->attempt.metered_ms = 1000;
    exec_place_read(place, &j->attempt.place);
    return live_add(jobs, j);
}

struct wait {
    struct loop *loop;
    struct live_table *jobs;
    int rounds;
};

/* Until all three were sampled, at most ten seconds. */
static void on_poll(void *arg)
{
    struct wait *w = arg;
    const struct live *first = live_find(w->jobs, 1);
    if (first->attempt.sampled_gpums > 0 || w->rounds++ == 1000)
        loop_stop(w->loop);
}

static void the_driver_tells_and_the_attempts_get_it(void **state)
{
    static const struct {
        int64_t job;
        const char *gpus;
        int64_t sampled, idle;
    } cases[] = {{1, "0,1", 2000, 1000}, {2, "2", 0, 0}, {4, "3", 0, 0}, {5, "3,0", 1000, 0}};
    struct wait w = {loop_new(), live_table_new(), 0};
    struct agent_gpu gpus[AGENT_GPUS_MAX] = {{0}};
    char path[40] = "/tmp/ffXXXXXX";
    (void)state;
    compile_driver(path);
    for (int i = 0; i < AGENT_GPUS_MAX; i++)
        gpus[i].index = i;
    for (size_t i = 0; i < COUNT(cases); i++)
        add_job(w.jobs, cases[i].job, cases[i].gpus);
    add_job(w.jobs, 3, "0")->state = JOB_STARTING;
    struct loop_timer *poll = loop_timer_new(w.loop, 10, 10, on_poll, &w);
    struct sampler *sampler = sampler_new(
        w.loop, w.jobs,
        &(struct sampler_conf){.library = path, .node = "n1", .gpus = gpus, .every_ms = 20});
    loop_run(w.loop);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct live_attempt *a = &live_find(w.jobs, cases[i].job)->attempt;
        assert_int_equal(a->sampled_gpums, cases[i].sampled);
        assert_int_equal(a->idle_gpums, cases[i].idle);
    }
    assert_int_equal(live_find(w.jobs, 3)->attempt.sampled_gpums, 0);
    sampler_free(sampler);
    loop_timer_free(poll);
    live_table_free(w.jobs);
    loop_free(w.loop);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_stands_for_the_run_time_since_the_last),
        cmocka_unit_test(what_nobody_looked_at_is_not_counted),
        cmocka_unit_test(idle_is_at_most_what_was_sampled_and_that_what_ran),
        cmocka_unit_test(the_driver_tells_and_the_attempts_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
