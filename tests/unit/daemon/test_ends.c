// SPDX-License-Identifier: Apache-2.0
/* What is written at an end: from the executor's word, or from what was metered last. */
#include "runner/daemon/ends.h"

#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static struct live job_that_ran(int64_t metered_ms, int64_t metered_at_ms)
{
    return (struct live){.state = JOB_RUNNING,
                         .time_limit_ms = 10000,
                         .spent_ms = 1000,
                         .attempt = {.id = 9,
                                     .gpus = 2,
                                     .weight_permille = 1500,
                                     .started_ms = 5000,
                                     .metered_ms = metered_ms,
                                     .metered_at_ms = metered_at_ms}};
}

static void an_attempts_end_is_the_executors_or_what_was_seen_last(void **state)
{
    static const struct {
        int64_t metered_ms, metered_at_ms; /* seen last */
        struct exec_status exec;
        int64_t run_ms, at_ms;
        const char *cause;
        int64_t exit_code;
        enum job_state last;
    } cases[] = {
        {900,
         5900,
         {EXEC_OVER, 5000, 6000, 1000, .exit_code = 0, .cause = "natural"},
         1000,
         6000,
         "natural",
         0,
         JOB_COMPLETED},
        {900,
         5900,
         {EXEC_OVER, 5000, 6000, 1000, .exit_code = 3, .cause = "natural"},
         1000,
         6000,
         "natural",
         3,
         JOB_FAILED},
        {900,
         5900,
         {EXEC_OVER, 5000, 6000, 1000, .exit_code = -1, .signal_no = 9, .cause = "limit"},
         1000,
         6000,
         "limit",
         -1,
         JOB_TIMED_OUT},
        {900,
         5900,
         {EXEC_LOST, 5000, 5950, 950, .exit_code = -1, .cause = "lost"},
         950,
         5950,
         "lost",
         -1,
         JOB_LOST},
        {900,
         5900,
         {EXEC_LOST, .exit_code = -1}, /* its record was unreadable */
         900,
         5900,
         "lost",
         -1,
         JOB_LOST},
        {900, 5900, {EXEC_NONE, .exit_code = -1}, 900, 5900, "lost", -1, JOB_LOST},
        {0, 0, {EXEC_NONE, .exit_code = -1}, 0, 5000, "lost", -1, JOB_LOST},
        {900,
         5900,
         {EXEC_OVER, 5000, 4000, 1000, .exit_code = 0, .cause = "natural"},
         1000,
         5900,
         "natural",
         0,
         JOB_COMPLETED}, /* the clock was set back */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct live job = job_that_ran(cases[i].metered_ms, cases[i].metered_at_ms);
        struct journal_op op = {.kind = JOURNAL_END};
        ends_attempt(&op, &job, &cases[i].exec);
        assert_int_equal(op.run_ms, cases[i].run_ms);
        assert_int_equal(op.at_ms, cases[i].at_ms);
        assert_string_equal(op.cause, cases[i].cause);
        assert_int_equal(op.exit_code, cases[i].exit_code);
        assert_int_equal(op.last_state, cases[i].last);
        assert_int_equal(op.gpus, 2);
        assert_int_equal(op.weight_permille, 1500);
        assert_int_equal(op.limit_ms - op.spent_ms, 9000);
        assert_true(*op.last_note != '\0');
    }
}

static void an_end_that_the_site_wanted_has_its_cause(void **state)
{
    static const struct {
        const char *told, *wanted_by_site, *cause;
        enum job_state last;
    } cases[] = {
        {"cancelled", "", "cancelled", JOB_CANCELLED},
        {"cancelled", "maintenance", "maintenance", JOB_CANCELLED},
        {"cancelled", "node_fault", "node_fault", JOB_CANCELLED},
        {"maintenance", "maintenance", "maintenance", JOB_CANCELLED},
        {"natural", "maintenance", "natural", JOB_COMPLETED}, /* it was over before */
        {"limit", "maintenance", "limit", JOB_TIMED_OUT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct live job = job_that_ran(1, 5001);
        struct exec_status exec = {
            .state = EXEC_OVER, .started_ms = 5000, .ended_ms = 6000, .run_ms = 1000};
        struct journal_op op = {.kind = JOURNAL_END};
        snprintf(exec.cause, sizeof(exec.cause), "%s", cases[i].told);
        snprintf(job.cancel_cause, sizeof(job.cancel_cause), "%s", cases[i].wanted_by_site);
        ends_attempt(&op, &job, &exec);
        assert_string_equal(op.cause, cases[i].cause);
        assert_int_equal(op.last_state, cases[i].last);
    }
}

static void an_end_outside_is_ours_if_somebody_had_asked_for_it(void **state)
{
    static const struct {
        enum exec_state exec;
        bool is_cancelled;
        const char *wanted_by_site, *cause;
        enum job_state last;
    } cases[] = {
        {EXEC_OVER, false, "", "outside", JOB_CANCELLED},
        {EXEC_OVER, true, "", "cancelled", JOB_CANCELLED},
        {EXEC_OVER, true, "maintenance", "maintenance", JOB_CANCELLED},
        {EXEC_NEVER_RAN, false, "", "outside", JOB_CANCELLED},
        {EXEC_NEVER_RAN, true, "", "cancelled", JOB_CANCELLED},
        {EXEC_LOST, true, "", "lost", JOB_LOST},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct live job = job_that_ran(0, 0);
        struct exec_status exec = {
            .state = cases[i].exec, .ended_ms = 6000, .exit_code = -1, .cause = "outside"};
        struct journal_op op = {.kind = JOURNAL_END};
        job.is_cancelled = cases[i].is_cancelled;
        snprintf(job.cancel_cause, sizeof(job.cancel_cause), "%s", cases[i].wanted_by_site);
        ends_attempt(&op, &job, &exec);
        assert_string_equal(op.cause, cases[i].cause);
        assert_int_equal(op.last_state, cases[i].last);
        assert_int_equal(op.at_ms, 6000);
    }
}

static void a_job_whose_attempt_has_ended_ends_by_it(void **state)
{
    struct live job = job_that_ran(1, 5001);
    struct journal_op op = {.kind = JOURNAL_FINISH};
    (void)state;
    job.state = JOB_COMPLETING;
    snprintf(job.attempt.cause, sizeof(job.attempt.cause), "%s", "natural");
    job.attempt.exit_code = 4;
    ends_job(&op, &job);
    assert_int_equal(op.event, EVENT_FAILED);
    assert_int_equal(op.state, JOB_FAILED);
    assert_int_equal(op.exit_code, 4);
    assert_non_null(strstr(op.note, "exit status 4"));
}

static void a_month_is_due_once_it_was_metered_to_its_end(void **state)
{
    static const struct {
        int64_t started_ms, metered_at_ms, charged_until_ms, began_ms;
        bool is_due;
    } cases[] = {
        {5000, 7000, 0, 6000, true},     {5000, 6000, 0, 6000, true},
        {5000, 5999, 0, 6000, false},    /* no heartbeat since */
        {6000, 7000, 0, 6000, false},    /* it began with the month */
        {5000, 7000, 6000, 6000, false}, /* posted */
        {5000, 9000, 6000, 8000, true},  /* another month has ended */
        {5000, 7000, 0, 0, false},       /* not known yet */
        {0, 7000, 0, 6000, false},       /* not started */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct live job = job_that_ran(1000, cases[i].metered_at_ms);
        job.attempt.started_ms = cases[i].started_ms;
        job.attempt.charged_until_ms = cases[i].charged_until_ms;
        assert_int_equal(ends_month_is_due(&job, cases[i].began_ms), cases[i].is_due);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempts_end_is_the_executors_or_what_was_seen_last),
        cmocka_unit_test(an_end_that_the_site_wanted_has_its_cause),
        cmocka_unit_test(an_end_outside_is_ours_if_somebody_had_asked_for_it),
        cmocka_unit_test(a_job_whose_attempt_has_ended_ends_by_it),
        cmocka_unit_test(a_month_is_due_once_it_was_metered_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
