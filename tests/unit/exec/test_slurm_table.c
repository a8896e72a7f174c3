// SPDX-License-Identifier: Apache-2.0
/* Whose a row of Slurm's is. */
#include "runner/exec/slurm_table.h"

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

enum { T = 1000000 };

#define TOKEN_A "0123456789abcdef0123456789abcdef"
#define TOKEN_B "fedcba9876543210fedcba9876543210"

static struct slurm_entry *entry_of(struct slurm_table *t, const char *token, int64_t id,
                                    int64_t submit_ms)
{
    const struct agent_account alice = {.name = "alice", .uid = 1000};
    struct slurm_entry *e = slurm_table_add(t, token, &alice, "genome");
    e->attempt.phase = SLURM_KNOWN;
    e->attempt.created_ms = T;
    e->attempt.accepted = id;
    e->attempt.run.id = submit_ms ? id : 0;
    e->attempt.run.submit_ms = submit_ms;
    return e;
}

/* A is seen running as job 7, B was accepted as job 8 and not seen yet. */
static void a_row_is_the_attempts_whatever_its_owner_wrote_into_it(void **state)
{
    static const struct {
        int64_t id, submit, uid;
        const char *token;
        int want; /* 0: nobody's */
    } cases[] = {
        {7, T + 1, 1000, TOKEN_A, 'A'},
        {7, T + 1, 1000, "", 'A'},                                 /* sacct, of a live job */
        {7, T + 1, 1000, "00000000000000000000000000000000", 'A'}, /* a comment made up */
        {7, T + 1, 1000, TOKEN_B, 'A'},                            /* another job's of his */
        {8, T + 2, 1000, TOKEN_B, 'B'},
        {8, T + 2, 1000, "", 'B'},
        {9, T + 3, 1000, TOKEN_B, 'B'}, /* submitted twice */
        {7, T + 9, 1000, TOKEN_A, 'A'}, /* requeued */
        {7, T + 1, 1001, TOKEN_A, 0},   /* somebody else's job */
        {9, T + 3, 1001, TOKEN_A, 0},
        {8, T - 100000, 1000, "", 0}, /* the number's owner of long ago */
        {5, T + 3, 1000, "", 0},
    };
    struct slurm_table *t = slurm_table_new();
    struct slurm_entry *a = entry_of(t, TOKEN_A, 7, T + 1), *b = entry_of(t, TOKEN_B, 8, 0);
    struct slurm_need need;
    (void)state;
    slurm_table_need(t, false, T, &need); /* makes the index */
    assert_int_equal(need.count, 2);
    slurm_need_done(&need);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slurm_seen s;
        slurm_seen_init(&s);
        s.cluster = "north";
        s.id = cases[i].id;
        s.submit_ms = cases[i].submit;
        s.uid = cases[i].uid;
        snprintf(s.token, sizeof(s.token), "%s", cases[i].token);
        const struct slurm_entry *e = slurm_table_match(t, &s);
        assert_ptr_equal(e, cases[i].want == 'A' ? a : cases[i].want == 'B' ? b : NULL);
    }
    slurm_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_the_attempts_whatever_its_owner_wrote_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
