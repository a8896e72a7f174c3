// SPDX-License-Identifier: Apache-2.0
/* Whose processes may be started, in both modes, and which runnerd is obeyed. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/agent/account.h"
#include "runner/agent/epoch.h"
#include "tests/unit/test.h"

static const struct settings range = {
    .is_root = true, .mode = MODE_RANGE, .uid_min = 200000, .uid_max = 299999, .min_uid = 1000};

static void a_range_takes_its_own_numbers_alone(void **state)
{
    static const struct {
        struct agent_account account;
        int64_t project_gid;
        int result;
    } cases[] = {
        {{.name = "a", .uid = 200000, .gid = 200000}, 0, 0},
        {{.name = "a", .uid = 299999, .gid = 299999}, 0, 0},
        {{.name = "a", .uid = 200001, .gid = 200001, .groups = {200900}, .group_count = 1},
         200900,
         0},
        {{.name = "a", .uid = 200001, .gid = 200001}, 200001, 0},
        {{.name = "a", .uid = 200001, .gid = 200001}, 200900, -EPERM},
        {{.name = "a", .uid = 199999, .gid = 200000}, 0, -EPERM},
        {{.name = "a", .uid = 300000, .gid = 200000}, 0, -EPERM},
        {{.name = "a", .uid = 0, .gid = 200000}, 0, -EPERM},
        {{.name = "a", .uid = 200000, .gid = 0}, 0, -EPERM},
        {{.name = "a", .uid = 200000, .gid = 100}, 0, -EPERM},
        {{.name = "a", .uid = 200000, .gid = 200000, .groups = {0}, .group_count = 1},
         0,
         -EPERM},
        {{.name = "a", .uid = 200000, .gid = 200000, .groups = {200001, 6}, .group_count = 2},
         0,
         -EPERM},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(account_check(&range, &cases[i].account, cases[i].project_gid, NULL),
                         cases[i].result);
}

static void below_min_uid_nobody_runs_in_any_mode(void **state)
{
    struct settings s = range;
    struct agent_account a = {.name = "a", .uid = 500, .gid = 500};
    (void)state;
    s.uid_min = 1;
    assert_int_equal(account_check(&s, &a, 0, NULL), -EPERM);
    s.mode = MODE_NSS;
    const struct agent_account root = {.name = "root", .uid = 0, .gid = 0};
    const struct agent_account daemon = {.name = "daemon", .uid = 1, .gid = 1};
    assert_int_equal(account_check(&s, &root, 0, NULL), -EPERM);
    assert_int_equal(account_check(&s, &daemon, 0, NULL), -EPERM);
}

static void the_name_service_has_the_last_word(void **state)
{
    struct settings s = range;
    (void)state;
    s.mode = MODE_NSS;
    struct passwd *nobody = getpwnam("nobody");
    assert_non_null(nobody);
    struct agent_account a = {.name = "nobody", .uid = nobody->pw_uid, .gid = nobody->pw_gid};
    assert_int_equal(account_check(&s, &a, 0, NULL), 0);
    a.uid = nobody->pw_uid - 1;
    assert_int_equal(account_check(&s, &a, 0, NULL), -EPERM);
    a.uid = nobody->pw_uid;
    a.gid = nobody->pw_gid - 1;
    assert_int_equal(account_check(&s, &a, 0, NULL), -EPERM);
    a.gid = nobody->pw_gid;
    a.groups[0] = 200000;
    a.group_count = 1;
    assert_int_equal(account_check(&s, &a, 0, NULL), -EPERM);
    const struct agent_account unknown = {
        .name = "no-such-account", .uid = 200000, .gid = 200000};
    assert_int_equal(account_check(&s, &unknown, 0, NULL), -EPERM);
}

static void without_root_there_is_one_uid(void **state)
{
    struct settings s = range;
    struct agent_account a = {.name = "a", .uid = getuid(), .gid = 0};
    (void)state;
    s.is_root = false;
    assert_int_equal(account_check(&s, &a, 0, NULL), 0);
    a.uid++;
    assert_int_equal(account_check(&s, &a, 0, NULL), -EPERM);
}

static void the_highest_epoch_is_kept_and_older_or_late_calls_are_refused(void **state)
{
    char folder[] = "/tmp/ffXXXXXX", path[64];
    struct epoch p;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/epoch", folder);
    assert_int_equal(epoch_load(&p, folder, NULL), 0);
    assert_int_equal(epoch_admit(&p, &(struct agent_head){5, 100}, 100, NULL), 0);
    assert_int_equal(epoch_admit(&p, &(struct agent_head){5, 100}, 101, NULL), -ETIME);
    assert_int_equal(epoch_admit(&p, &(struct agent_head){4, 100}, 50, NULL), -ESTALE);
    assert_int_equal(epoch_admit(&p, &(struct agent_head){9, 100}, 200, NULL), -ETIME);
    assert_int_equal(p.highest, 5); /* a call that was refused leads nobody */
    assert_int_equal(epoch_load(&p, folder, NULL), 0);
    assert_int_equal(p.highest, 5);
    FILE *torn = fopen(path, "w");
    fputs("5x", torn);
    fclose(torn);
    assert_int_equal(epoch_load(&p, folder, NULL), -EBADMSG);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_takes_its_own_numbers_alone),
        cmocka_unit_test(below_min_uid_nobody_runs_in_any_mode),
        cmocka_unit_test(the_name_service_has_the_last_word),
        cmocka_unit_test(without_root_there_is_one_uid),
        cmocka_unit_test(the_highest_epoch_is_kept_and_older_or_late_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
