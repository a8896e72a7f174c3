// SPDX-License-Identifier: Apache-2.0
/* The supervisor's decisions: for every state and every word of the executor the one next step.
 * */
#include "runner/daemon/step.h"

#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void each_situation_has_one_next_step(void **state)
{
    static const struct {
        struct step_facts f;
        enum step want;
    } cases[] = {
        {{.state = JOB_QUEUED}, STEP_NONE},
        {{.state = JOB_QUEUED, .is_cancelled = true}, STEP_GIVE_UP},
        {{.state = JOB_QUEUED, .refusals = STEP_REFUSALS_MAX}, STEP_GIVE_UP},
        {{.state = JOB_STARTING}, STEP_LAUNCH},
        {{.state = JOB_STARTING, .is_asking = true}, STEP_NONE},
        {{.state = JOB_STARTING, .is_refused = true}, STEP_LAUNCH},
        {{.state = JOB_STARTING, .is_refused = true, .is_fault = true}, STEP_NOT_STARTED},
        {{.state = JOB_STARTING, .is_refused = true, .troubles = 2}, STEP_LAUNCH},
        {{.state = JOB_STARTING, .is_refused = true, .troubles = 3}, STEP_NOT_STARTED},
        {{.state = JOB_STARTING, .is_refused = true, .is_cancelled = true}, STEP_NOT_STARTED},
        {{.state = JOB_STARTING, .is_cancelled = true}, STEP_LAUNCH},
        {{.state = JOB_STARTING, .exec.state = EXEC_STARTING}, STEP_NONE},
        {{.state = JOB_STARTING, .exec.state = EXEC_STARTING, .is_cancelled = true}, STEP_STOP},
        {{.state = JOB_STARTING,
          .exec.state = EXEC_STARTING,
          .is_cancelled = true,
          .is_stopped = true},
         STEP_NONE},
        {{.state = JOB_STARTING, .exec.state = EXEC_UNKNOWN, .is_cancelled = true}, STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_UNKNOWN}, STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_UNKNOWN, .is_cancelled = true}, STEP_STOP},
        {{.state = JOB_STARTING, .exec.state = EXEC_RUNNING, .is_cancelled = true},
         STEP_STARTED},
        {{.state = JOB_STARTING, .exec.state = EXEC_OVER}, STEP_STARTED},
        {{.state = JOB_STARTING, .exec.state = EXEC_LOST}, STEP_STARTED},
        {{.state = JOB_STARTING, .exec.state = EXEC_NEVER_RAN}, STEP_NOT_STARTED},
        {{.state = JOB_STARTING, .exec = {.state = EXEC_NEVER_RAN, .cause = "outside"}},
         STEP_END},
        {{.state = JOB_STARTING,
          .exec = {.state = EXEC_NEVER_RAN, .cause = "outside", .is_withdrawn = true}},
         STEP_NOT_STARTED},
        {{.state = JOB_RUNNING, .exec.state = EXEC_RUNNING}, STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_RUNNING, .is_cancelled = true}, STEP_STOP},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_cancelled = true,
          .is_stopped = true},
         STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_RUNNING, .is_overdue = true}, STEP_STOP},
        {{.state = JOB_RUNNING, .exec.state = EXEC_RUNNING, .has_old_limit = true}, STEP_LIMIT},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .has_old_limit = true,
          .is_asking = true},
         STEP_NONE},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .has_old_limit = true,
          .is_cancelled = true},
         STEP_STOP},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .has_old_limit = true,
          .is_stopped = true},
         STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_OVER, .has_old_limit = true}, STEP_END},
        {{.state = JOB_STARTING, .exec.state = EXEC_RUNNING, .has_old_limit = true},
         STEP_STARTED},
        {{.state = JOB_RUNNING, .exec.state = EXEC_RUNNING, .is_month_due = true}, STEP_CHARGE},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_month_due = true,
          .is_asking = true},
         STEP_CHARGE},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_month_due = true,
          .is_cancelled = true},
         STEP_STOP},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_month_due = true,
          .is_cancelled = true,
          .is_stopped = true},
         STEP_CHARGE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_OVER, .is_month_due = true}, STEP_END},
        {{.state = JOB_STARTING, .exec.state = EXEC_RUNNING, .is_month_due = true},
         STEP_STARTED},
        {{.state = JOB_RUNNING, .exec.state = EXEC_OVER}, STEP_END},
        {{.state = JOB_RUNNING, .exec.state = EXEC_LOST}, STEP_END},
        {{.state = JOB_RUNNING, .exec.state = EXEC_NONE}, STEP_END},
        {{.state = JOB_COMPLETING, .exec.state = EXEC_OVER}, STEP_FINISH},
        {{.state = JOB_COMPLETED}, STEP_FORGET},
        {{.state = JOB_QUEUED, .is_cancelled = true, .is_damaged = true}, STEP_NONE},
        {{.state = JOB_RUNNING, .exec.state = EXEC_OVER, .is_damaged = true}, STEP_NONE},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_month_due = true,
          .is_damaged = true},
         STEP_NONE},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .is_cancelled = true,
          .is_damaged = true},
         STEP_STOP},
        {{.state = JOB_RUNNING,
          .exec.state = EXEC_RUNNING,
          .has_old_limit = true,
          .is_damaged = true},
         STEP_LIMIT},
        {{.state = JOB_COMPLETING, .exec.state = EXEC_OVER, .is_damaged = true}, STEP_NONE},
        {{.state = JOB_LOST, .is_asking = true}, STEP_NONE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(step_next(&cases[i].f), cases[i].want);
}

static void the_outcome_says_how_it_ended(void **state)
{
    static const struct {
        const char *cause;
        int code, signal_no;
        enum job_event want;
        const char *words;
    } cases[] = {
        {"natural", 0, 0, EVENT_COMPLETED, "exit status 0"},
        {"natural", 3, 0, EVENT_FAILED, "exit status 3"},
        {"natural", -1, 9, EVENT_FAILED, "signal 9"},
        {"limit", -1, 15, EVENT_TIMED_OUT, "time limit"},
        {"cancelled", -1, 15, EVENT_CANCELLED, "cancelled"},
        {"maintenance", -1, 15, EVENT_CANCELLED, "cancelled by the site: maintenance"},
        {"shutdown", -1, 15, EVENT_CANCELLED,
         "cancelled by the site: its machine was shut down"},
        {"node_fault", 0, 0, EVENT_CANCELLED, "cancelled by the site: node fault"},
        {"memory", -1, 9, EVENT_FAILED, "memory"},
        {"lost", -1, 0, EVENT_LOST, "last heartbeat"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200];
        assert_int_equal(step_outcome(cases[i].cause, cases[i].code, cases[i].signal_no, text),
                         cases[i].want);
        assert_non_null(strstr(text, cases[i].words));
    }
}

static void a_charge_never_exceeds_what_is_left_of_the_limit(void **state)
{
    (void)state;
    assert_int_equal(step_chargeable_ms(500, 1000, 0), 500);
    assert_int_equal(step_chargeable_ms(1500, 1000, 0), 1000);
    assert_int_equal(step_chargeable_ms(700, 1000, 400), 600);
    assert_int_equal(step_chargeable_ms(700, 1000, 1000), 0);
    assert_int_equal(step_chargeable_ms(700, 1000, 2000), 0);
    assert_int_equal(step_chargeable_ms(-5, 1000, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_situation_has_one_next_step),
        cmocka_unit_test(the_outcome_says_how_it_ended),
        cmocka_unit_test(a_charge_never_exceeds_what_is_left_of_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
