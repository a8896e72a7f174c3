// SPDX-License-Identifier: Apache-2.0
/* The table of legal moves and the fold over it. */
#include "runner/job/job.h"

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void a_job_folds_to_its_last_state(void **state)
{
    static const enum job_event done[] = {
        EVENT_PLACED,  EVENT_ATTEMPT, EVENT_NOT_STARTED, EVENT_ATTEMPT,   EVENT_WITHDRAWN,
        EVENT_ATTEMPT, EVENT_STARTED, EVENT_SUSPEND,     EVENT_SUSPENDED, EVENT_ATTEMPT,
        EVENT_STARTED, EVENT_ENDED,   EVENT_COMPLETED};
    static const enum job_state after[] = {
        JOB_NONE,     JOB_QUEUED,   JOB_STARTING,   JOB_QUEUED,     JOB_STARTING,
        JOB_QUEUED,   JOB_STARTING, JOB_RUNNING,    JOB_SUSPENDING, JOB_SUSPENDED,
        JOB_STARTING, JOB_RUNNING,  JOB_COMPLETING, JOB_COMPLETED};
    (void)state;
    for (size_t n = 0; n <= COUNT(done); n++)
        assert_int_equal(job_fold(done, n), after[n]);
}

static void an_illegal_move_folds_to_none(void **state)
{
    static const enum job_event twice[] = {EVENT_PLACED, EVENT_PLACED};
    static const enum job_event unborn[] = {EVENT_STARTED};
    (void)state;
    assert_int_equal(job_fold(twice, 2), JOB_NONE);
    assert_int_equal(job_fold(unborn, 1), JOB_NONE);
}

static void nothing_happens_after_a_final_state(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATES; s++)
        for (int k = 0; k < JOB_EVENTS; k++)
            if (job_state_is_final((enum job_state)s))
                assert_int_equal(job_next((enum job_state)s, (enum job_event)k), JOB_NONE);
}

static void every_name_finds_its_value(void **state)
{
    (void)state;
    for (int i = 0; i < JOB_STATES; i++) {
        enum job_state s;
        assert_true(job_state_find(job_state_name((enum job_state)i), &s));
        assert_int_equal(s, i);
    }
    for (int i = 0; i < JOB_EVENTS; i++) {
        enum job_event k;
        assert_true(job_event_find(job_event_name((enum job_event)i), &k));
        assert_int_equal(k, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_folds_to_its_last_state),
        cmocka_unit_test(an_illegal_move_folds_to_none),
        cmocka_unit_test(nothing_happens_after_a_final_state),
        cmocka_unit_test(every_name_finds_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
