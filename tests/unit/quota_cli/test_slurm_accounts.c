// SPDX-License-Identifier: Apache-2.0
/* The steps from what Slurm's accounting has to what the projects are. */
#include <errno.h>

#include "quota/cli/slurm_accounts.h"
#include "runner/base/buf.h"
#include "tests/unit/test.h"

/* The steps as lines: "add users lab: alice,bob". */
static void write_down(const struct slurm_steps *s, struct buf *out)
{
    char users[SLURM_WORD_MAX];
    for (size_t i = 0; i < s->count; i++) {
        slurm_step_users(&s->items[i], users);
        buf_printf(out, "%s %s%s%s\n", slurm_step_name(&s->items[i]), s->items[i].account,
                   *users ? ": " : "", users);
    }
}

static void the_steps_lead_from_what_is_to_what_shall_be(void **state)
{
    static const struct {
        const char *want, *have, *known, *steps;
    } cases[] = {
        {"", "root||\nroot|root|\n", "root|root|\n", ""},
        {"lab||\nlab|alice|\nlab|bob|\n", "root||\n", "root|root|\n",
         "add account lab\nadd users lab: alice,bob\n"},
        {"lab||\nlab|alice|\n", "lab||\nlab|alice|\n", "lab|firefly|\n", ""},
        {"Lab||\nlab|Alice|\n", "lab||\nlab|alice|\n", "lab|firefly|\n", ""},
        {"lab||\nlab|alice|\n", "lab||\nlab|bob|\n", "lab|firefly|\n",
         "add users lab: alice\nremove users lab: bob\n"},
        {"", "lab||\nlab|bob|\n", "lab|firefly|\n", "remove account lab\n"},
        /* the site's own: neither used nor emptied */
        {"", "lab||\nlab|bob|\n", "lab|physics|\n", ""},
        {"lab||\nlab|alice|\nroot||\n", "lab||\nroot||\n", "lab|physics|\nroot|root|\n",
         "not ours lab\nnot ours root\n"},
        /* known to the accounting, but not in this cluster */
        {"lab||\n", "", "lab|firefly|\n", "add account lab\n"},
        /* what is new stands before what goes; doubles count once, in any order */
        {"b|x|\na||\nb||\nb|x|\na|y|\n", "c||\nb||\n", "b|firefly|\nc|firefly|\n",
         "add account a\nadd users a: y\nadd users b: x\nremove account c\n"},
        /* associations with a partition of their own are associations */
        {"lab||\nlab|alice|\n", "lab||\nlab|alice|gpu|\nlab|alice|cpu|\n", "lab|firefly|\n",
         ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(slurm_pairs_done) struct slurm_pairs want = {0};
        AUTO(slurm_pairs_done) struct slurm_pairs have = {0};
        AUTO(slurm_pairs_done) struct slurm_pairs known = {0};
        AUTO(slurm_steps_done) struct slurm_steps steps = {0};
        AUTO(buf_done) struct buf got = BUF_INIT(4096);
        slurm_pairs_read(&want, cases[i].want);
        slurm_pairs_read(&have, cases[i].have);
        slurm_pairs_read(&known, cases[i].known);
        slurm_pairs_sort(&want);
        slurm_pairs_sort(&have);
        slurm_pairs_sort(&known);
        slurm_steps_make(&want, &have, &known, &steps);
        write_down(&steps, &got);
        assert_string_equal(buf_text(&got), cases[i].steps);
    }
}

static void many_users_go_in_several_commands(void **state)
{
    AUTO(slurm_pairs_done) struct slurm_pairs want = {0};
    AUTO(slurm_steps_done) struct slurm_steps steps = {0};
    struct slurm_pairs none = {0};
    struct slurm_command command;
    char name[SLURM_NAME_MAX + 1];
    (void)state;
    assert_int_equal(slurm_pairs_add(&want, "lab", "", false, NULL), 0);
    for (int i = 0; i < 250; i++) {
        snprintf(name, sizeof(name), "%0*d", SLURM_NAME_MAX, i); /* as long as may be */
        assert_int_equal(slurm_pairs_add(&want, "lab", name, false, NULL), 0);
    }
    slurm_pairs_sort(&want);
    slurm_steps_make(&want, &none, &none, &steps);
    assert_int_equal(steps.count, 4);
    assert_int_equal(steps.items[1].user_count, SLURM_STEP_USERS_MAX);
    assert_int_equal(steps.items[3].user_count, 50);
    slurm_step_command(&steps.items[1], "/usr/bin/sacctmgr", "c", &command);
    assert_int_equal(strlen(command.words[5]), SLURM_STEP_USERS_MAX * (SLURM_NAME_MAX + 1) - 1);
}

static void each_step_is_one_command_of_words(void **state)
{
    static const struct {
        enum slurm_step_kind kind;
        const char *line;
    } cases[] = {
        {SLURM_ADD_ACCOUNT, "sacctmgr --immediate --quiet add account Name=lab Cluster=c "
                            "Description=project Organization=firefly"},
        {SLURM_ADD_USERS,
         "sacctmgr --immediate --quiet add user alice,bob Account=lab Cluster=c"},
        {SLURM_REMOVE_USERS, "sacctmgr --immediate --quiet remove user where User=alice,bob "
                             "Account=lab Cluster=c"},
        {SLURM_REMOVE_ACCOUNT,
         "sacctmgr --immediate --quiet remove account where Account=lab Cluster=c"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool has_users =
            cases[i].kind == SLURM_ADD_USERS || cases[i].kind == SLURM_REMOVE_USERS;
        struct slurm_step step = {.kind = cases[i].kind,
                                  .account = "lab",
                                  .users = {"alice", "bob"},
                                  .user_count = has_users ? 2 : 0};
        struct slurm_command command;
        AUTO(buf_done) struct buf line = BUF_INIT(4096);
        slurm_step_command(&step, "sacctmgr", "c", &command);
        for (size_t w = 0; command.words[w]; w++)
            buf_printf(&line, "%s%s", w ? " " : "", command.words[w]);
        assert_string_equal(buf_text(&line), cases[i].line);
    }
}

static void a_name_that_is_no_word_is_refused(void **state)
{
    static const char *const bad[] = {"-i", "a b", "a,b", "a=b", "a\nb", "\xc3\xa4"};
    AUTO(slurm_pairs_done) struct slurm_pairs p = {0};
    char name[SLURM_NAME_MAX + 2];
    struct err e;
    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(slurm_pairs_add(&p, name, "", false, &e), -EINVAL);
    assert_int_equal(slurm_pairs_add(&p, "", "alice", false, &e), -EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(slurm_pairs_add(&p, bad[i], "", false, &e), -EINVAL);
        assert_int_equal(slurm_pairs_add(&p, "lab", bad[i], false, &e), -EINVAL);
        assert_non_null(strstr(e.text, "can be no name in Slurm"));
    }
    assert_int_equal(p.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_lead_from_what_is_to_what_shall_be),
        cmocka_unit_test(many_users_go_in_several_commands),
        cmocka_unit_test(each_step_is_one_command_of_words),
        cmocka_unit_test(a_name_that_is_no_word_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
