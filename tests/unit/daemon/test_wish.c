// SPDX-License-Identifier: Apache-2.0
/* Requests: what is answered, what is begun and what waits, for every kind and situation. */
#include "runner/daemon/wish.h"

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

#define IN_HAND .is_in_hand = true, .why = ""

static void each_request_has_its_answer(void **state)
{
    static const struct {
        struct wish_facts f;
        enum wish_answer want;
        const char *words;
    } cases[] = {
        {{.kind = WISH_OTHER, IN_HAND, .state = JOB_RUNNING}, WISH_REFUSED, "not offer"},
        {{.kind = WISH_OTHER, .is_over = true}, WISH_REFUSED, "not offer"},

        {{.kind = WISH_CANCEL, .is_over = true}, WISH_DONE, "has ended"},
        {{.kind = WISH_CANCEL}, WISH_WAIT, ""},
        {{.kind = WISH_CANCEL, IN_HAND, .state = JOB_RUNNING}, WISH_BEGIN, ""},
        {{.kind = WISH_CANCEL, IN_HAND, .is_busy = true}, WISH_BEGIN, ""},

        {{.kind = WISH_EXTEND, .is_over = true}, WISH_REFUSED, "has ended"},
        {{.kind = WISH_EXTEND}, WISH_WAIT, ""},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_QUEUED}, WISH_DONE, "time limit"},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_SUSPENDED}, WISH_DONE, "time limit"},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_QUEUED, .is_busy = true}, WISH_WAIT, ""},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_STARTING}, WISH_WAIT, ""},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_RUNNING}, WISH_WAIT, ""},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_RUNNING, .has_limit = true},
         WISH_DONE,
         "runs on"},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_RUNNING, .is_ending = true},
         WISH_REFUSED,
         "ending already"},
        {{.kind = WISH_EXTEND,
          IN_HAND,
          .state = JOB_RUNNING,
          .is_limit_refused = true,
          .trouble = "Slurm: only an operator may"},
         WISH_REFUSED,
         "keeps its old limit, what is not used is released: Slurm: only"},
        {{.kind = WISH_EXTEND, IN_HAND, .state = JOB_COMPLETING, .has_limit = true},
         WISH_REFUSED,
         "ending already"},

        {{.kind = WISH_RELEASE, .is_over = true}, WISH_DONE, "has ended"},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_QUEUED}, WISH_BEGIN, ""},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_SUSPENDED}, WISH_BEGIN, ""},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_QUEUED, .is_busy = true}, WISH_WAIT, ""},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_STARTING}, WISH_REFUSED, "cancel it"},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_RUNNING}, WISH_REFUSED, "cancel it"},
        {{.kind = WISH_RELEASE, IN_HAND, .state = JOB_QUEUED, .is_damaged = true},
         WISH_REFUSED,
         "do not balance"},

        {{.kind = WISH_RECONCILE, .is_over = true}, WISH_DONE, "has ended"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_QUEUED},
         WISH_REFUSED,
         "nothing is wrong with it: it waits in the queue"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_QUEUED, .is_damaged = true},
         WISH_BEGIN,
         ""},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_QUEUED, .is_begun = true},
         WISH_DONE,
         "in the queue again"},
        {{.kind = WISH_RECONCILE,
          .is_in_hand = true,
          .why = "no hold",
          .state = JOB_QUEUED,
          .is_damaged = true,
          .is_begun = true},
         WISH_REFUSED,
         "left alone again: no hold"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_RUNNING, .exec = EXEC_RUNNING},
         WISH_REFUSED,
         "its attempt runs"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_STARTING, .exec = EXEC_STARTING},
         WISH_REFUSED,
         "being started"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_RUNNING, .exec = EXEC_NONE},
         WISH_BEGIN,
         ""},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_RUNNING, .exec = EXEC_LOST},
         WISH_BEGIN,
         ""},
        {{.kind = WISH_RECONCILE,
          IN_HAND,
          .state = JOB_RUNNING,
          .exec = EXEC_NONE,
          .is_begun = true},
         WISH_WAIT,
         ""},
        {{.kind = WISH_RECONCILE,
          IN_HAND,
          .state = JOB_RUNNING,
          .exec = EXEC_RUNNING,
          .is_begun = true},
         WISH_DONE,
         "its attempt runs"},
        {{.kind = WISH_RECONCILE, IN_HAND, .state = JOB_COMPLETING, .exec = EXEC_OVER},
         WISH_WAIT,
         ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char note[WISH_NOTE_MAX + 1];
        assert_int_equal(wish_next(&cases[i].f, note), cases[i].want);
        assert_non_null(strstr(note, cases[i].words));
        assert_int_equal(!note[0], !cases[i].words[0]);
    }
}

static void kinds_are_known_by_their_names(void **state)
{
    (void)state;
    assert_int_equal(wish_kind_find("cancel"), WISH_CANCEL);
    assert_int_equal(wish_kind_find("reconcile"), WISH_RECONCILE);
    assert_int_equal(wish_kind_find("suspend"), WISH_OTHER);
    assert_int_equal(wish_kind_find(""), WISH_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_has_its_answer),
        cmocka_unit_test(kinds_are_known_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
