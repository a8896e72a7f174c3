// SPDX-License-Identifier: Apache-2.0
/* What is written for which limits (pure, so that v2's controllers are checked on a hybrid
 * machine too), and real cgroups: killing, and device rules by both of their ways. Needs root.
 * */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/cgroup.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void limits_become_writes(void **state)
{
    static const struct {
        enum cgroup_kind kind;
        struct cgroup_limits limits;
        const char *writes;
    } cases[] = {
        {CGROUP_V2,
         {1 << 20, 100, 3},
         "memory.max=1048576 memory.swap.max=0 memory.oom.group=1 pids.max=100 "
         "cpu.max=300000 100000 "},
        {CGROUP_V1,
         {1 << 20, 100, 3},
         "memory.limit_in_bytes=1048576 pids.max=100 cpu.cfs_quota_us=300000 "},
        {CGROUP_V2, {0, 0, 0}, ""},
        {CGROUP_V1, {0, 7, 0}, "pids.max=7 "},
        {CGROUP_NO, {1 << 20, 100, 3}, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum cgroup_kind kinds[CGROUP_CONTROLLERS];
        struct cgroup_write writes[CGROUP_WRITES_MAX];
        char text[512] = "";
        size_t used = 0;
        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            kinds[c] = cases[i].kind;
        size_t n = cgroup_plan(kinds, &cases[i].limits, writes);
        for (size_t k = 0; k < n; k++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s=%s ", writes[k].file,
                                     writes[k].value);
        assert_string_equal(text, cases[i].writes);
    }
}

static struct cgroup_site site;
static char name[32];

static int open_site(void **state)
{
    (void)state;
    snprintf(name, sizeof(name), "ff-unit-%d", (int)getpid());
    cgroup_site_open(&site, "/sys/fs/cgroup", name);
    return 0;
}

static int close_site(void **state)
{
    static const char *const tops[] = {"", "unified", "memory", "pids", "cpu", "devices"};
    char path[96];
    (void)state;
    cgroup_site_done(&site);
    for (size_t i = 0; i < COUNT(tops); i++) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s", tops[i], name);
        rmdir(path);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    return 0;
}

static void join(const struct cgroup *c)
{
    for (size_t i = 0; i < c->join_count; i++)
        if (write(c->join[i], "0", 1) != 1)
            _exit(99);
}

static void all_inside_die_and_the_cgroup_goes(void **state)
{
    AUTO(cgroup_done) struct cgroup c = CGROUP_NONE;
    struct device_rules devices;
    const struct cgroup_limits limits = {.memory_bytes = 64 << 20, .pids = 20, .cpus = 1};
    int ready[2], status;
    char byte;
    (void)state;
    device_rules_init(&devices);
    assert_true(site.can_kill);
    assert_int_equal(cgroup_make(&site, "t1", &limits, &devices, &c, NULL), 0);
    struct cgroup again = CGROUP_NONE;
    assert_int_equal(cgroup_make(&site, "t1", &limits, &devices, &again, NULL), -EEXIST);
    assert_true(cgroup_is_empty(c.events));
    assert_false(cgroup_had_oom(c.oom));
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        join(&c);
        setsid();
        if (write(ready[1], "r", 1) == 1)
            pause();
        _exit(98);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(cgroup_is_empty(c.events));
    assert_int_equal(cgroup_remove(&site, "t1", 5000), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == 9);
    assert_int_equal(cgroup_remove(&site, "t1", 0), 0); /* none there is fine */
    close(ready[0]);
    close(ready[1]);
}

/* What a process in the cgroup may do, as bits. */
enum { NULL_WORKS = 1, RANDOM_WORKS = 2, KMSG_WORKS = 4, MKNOD_WORKS = 8, DISK_WORKS = 16 };

static int probe(const char *folder)
{
    char path[64];
    int works = 0, fd = open("/dev/null", O_RDWR);
    works |= fd >= 0 && write(fd, "x", 1) == 1 ? NULL_WORKS : 0;
    works |= open("/dev/urandom", O_RDONLY) >= 0 ? RANDOM_WORKS : 0;
    works |= open("/dev/kmsg", O_RDONLY) >= 0 ? KMSG_WORKS : 0;
    snprintf(path, sizeof(path), "%s/c", folder);
    works |= mknod(path, S_IFCHR | 0600, makedev(1, 3)) == 0 ? MKNOD_WORKS : 0;
    snprintf(path, sizeof(path), "%s/b", folder);
    works |= mknod(path, S_IFBLK | 0600, makedev(7, 0)) == 0 ? DISK_WORKS : 0;
    return works;
}

static int probe_inside(const struct cgroup *c)
{
    char folder[] = "/var/tmp/ffXXXXXX", path[64];
    int status;
    assert_non_null(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0) {
        join(c);
        _exit(probe(folder));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(path, sizeof(path), "%s/c", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/b", folder);
    unlink(path);
    rmdir(folder);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Makes a cgroup where devices are kept by `kind` alone, and looks from inside, as root. */
static void check_devices(enum cgroup_kind kind)
{
    AUTO(cgroup_done) struct cgroup c = CGROUP_NONE;
    struct cgroup_site one = site;
    const struct cgroup_limits none = {0};
    struct device_rules devices;
    device_rules_init(&devices);
    one.kind[CGROUP_DEVICES] = kind;
    if (kind == CGROUP_V1)
        one.v1[CGROUP_DEVICES] = open("/sys/fs/cgroup/devices", O_RDONLY | O_DIRECTORY);
    if (kind == CGROUP_V1 && one.v1[CGROUP_DEVICES] < 0)
        return; /* a machine with v2 alone */
    assert_int_equal(cgroup_make(&one, name, &none, &devices, &c, NULL), 0);
    assert_int_equal(probe_inside(&c), kind == CGROUP_NO ? 31 : NULL_WORKS | RANDOM_WORKS);
    assert_int_equal(cgroup_remove(&one, name, 5000), 0);
    if (kind == CGROUP_V1)
        close(one.v1[CGROUP_DEVICES]);
}

static void device_rules_hold_by_bpf_and_by_v1_even_for_root(void **state)
{
    (void)state;
    check_devices(CGROUP_NO);
    check_devices(CGROUP_BPF);
    check_devices(CGROUP_V1);
}

static void only_a_gpus_device_is_a_gpu(void **state)
{
    static const char *const bad[] = {"/dev/null",       "/dev/nvidia",   "/dev/nvidia-uvm",
                                      "/dev/nvidia0/..", "dev/nvidia0",   "/dev/nvidia 0",
                                      "/dev/nvidia0x",   "/dev/nvidia-1", ""};
    struct device_rules devices;
    (void)state;
    device_rules_init(&devices);
    size_t count = devices.count;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(device_rules_add_gpu(&devices, bad[i], NULL), -EINVAL);
        assert_int_equal(devices.count, count);
    }
    assert_int_equal(device_rules_add_gpu(&devices, "/dev/nvidia4000", NULL), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_become_writes),
        cmocka_unit_test_setup_teardown(all_inside_die_and_the_cgroup_goes, open_site,
                                        close_site),
        cmocka_unit_test_setup_teardown(device_rules_hold_by_bpf_and_by_v1_even_for_root,
                                        open_site, close_site),
        cmocka_unit_test(only_a_gpus_device_is_a_gpu),
    };
    if (geteuid() != 0) {
        fprintf(stderr, "needs root: it makes cgroups\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
