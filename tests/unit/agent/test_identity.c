// SPDX-License-Identifier: Apache-2.0
/* Every step of becoming a user fails here once, and once pretends to succeed: nobody may come
 * out of it who goes on. A seccomp filter plays the kernel that refuses. Needs root. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/identity.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

enum { UID = 200001, GROUP = 200900, BECAME = 0, REFUSED = 1, WRONG = 2, ANY = -1 };

static const gid_t groups[] = {GROUP};
static const struct identity user = {UID, UID, groups, 1};

/* The system call `number` (with `first` as its first argument, or ANY) returns -code from now
 * on. */
static void forbid(int number, int first, int code)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 0, first == ANY ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {COUNT(program), program};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0)
        _exit(WRONG);
}

/* Becomes the user in a child where `number` is forbidden, and says how that went. */
static int become_with(int number, int first, int code)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct err why;
        if (number >= 0)
            forbid(number, first, code);
        _exit(identity_become(&user, &why) < 0 ? REFUSED : BECAME);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_step_that_fails_or_lies_is_noticed(void **state)
{
    static const struct {
        int number, first;
    } steps[] = {
        {SYS_setgroups, ANY}, {SYS_setresgid, ANY},         {SYS_setresuid, ANY},
        {SYS_capset, ANY},    {SYS_prctl, PR_CAPBSET_DROP}, {SYS_prctl, PR_SET_NO_NEW_PRIVS},
        {SYS_getgroups, ANY}, {SYS_getresuid, ANY},         {SYS_getresgid, ANY},
        {SYS_capget, ANY},    {SYS_prctl, PR_SET_DUMPABLE}, {SYS_prctl, PR_CAP_AMBIENT},
    };
    (void)state;
    assert_int_equal(become_with(-1, ANY, 0), BECAME);
    for (size_t i = 0; i < COUNT(steps); i++)
        assert_int_equal(become_with(steps[i].number, steps[i].first, EPERM), REFUSED);
    for (size_t i = 0; i < 3; i++) /* success that is none */
        assert_int_equal(become_with(steps[i].number, steps[i].first, 0), REFUSED);
    assert_int_equal(become_with(SYS_prctl, PR_SET_NO_NEW_PRIVS, 0), REFUSED);
}

static void root_is_never_taken_on(void **state)
{
    const struct identity bad[] = {{0, UID, NULL, 0}, {UID, 0, NULL, 0}};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(identity_become(&bad[i], NULL),
                         -EPERM); /* before anything is changed */
    assert_int_equal(geteuid(), 0);
}

static void limits_are_set(void **state)
{
    int status;
    pid_t child = fork();
    (void)state;
    if (child == 0) {
        struct rlimit core, files;
        bool is_set = identity_limit() == 0 && getrlimit(RLIMIT_CORE, &core) == 0 &&
                      getrlimit(RLIMIT_NOFILE, &files) == 0 && core.rlim_max == 0 &&
                      files.rlim_max <= 65536 && umask(0) == 077;
        _exit(is_set ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_that_fails_or_lies_is_noticed),
        cmocka_unit_test(root_is_never_taken_on),
        cmocka_unit_test(limits_are_set),
    };
    if (geteuid() != 0) {
        fprintf(stderr, "needs root: it takes on other uids\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
