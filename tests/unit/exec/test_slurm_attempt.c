// SPDX-License-Identifier: Apache-2.0
/* An attempt below Slurm: by tables of what was seen, and by random histories of a small Slurm
 * that lags, forgets, requeues and takes late what it seemed not to have taken. */
#include "runner/exec/slurm_attempt.h"

#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

enum { T = 1000000, SETTLE = 10000, ROWS_MAX = 6 };

/* Of squeue, unless `is_sacct`; times are ms after T, 0: none. */
struct row {
    bool is_sacct;
    int64_t id, submit, start, end, elapsed_s;
    enum slurm_state state;
    int exit_code, signal_no;
    int64_t restarts;
};

static struct slurm_attempt attempt_new(void)
{
    return (struct slurm_attempt){
        .job = 4711, .attempt = 1, .phase = SLURM_DOUBTFUL, .limit_ms = 60000};
}

static int64_t time_of(int64_t ms)
{
    return ms ? T + ms : -1;
}

static void see(struct slurm_attempt *a, const struct row *r, int64_t now)
{
    struct slurm_seen s;
    slurm_seen_init(&s);
    s.cluster = "north";
    s.id = r->id;
    s.submit_ms = time_of(r->submit);
    s.start_ms = time_of(r->start);
    s.end_ms = time_of(r->end);
    s.elapsed_s = r->elapsed_s;
    s.state = r->state;
    s.reason = r->state == SLURM_PENDING ? "Resources" : "";
    s.exit_code = r->exit_code;
    s.signal_no = r->signal_no;
    s.restarts = r->restarts;
    s.limit_ms = 120000;
    slurm_attempt_see(a, &s, r->is_sacct, T + now);
}

static void what_was_seen_says_what_is_true(void **state)
{
    static const struct {
        struct row rows[ROWS_MAX];
        const char *stop; /* why it was stopped before the last row */
        enum exec_state want;
        int64_t run_ms, exit_code, surplus;
        const char *cause;
    } cases[] = {
        {.want = EXEC_UNKNOWN, .exit_code = -1},
        {{{.id = 7, .submit = 1, .state = SLURM_PENDING}},
         .want = EXEC_STARTING,
         .exit_code = -1},
        {{{.id = 7, .submit = 1, .start = 5, .state = SLURM_CONFIGURING}},
         .want = EXEC_STARTING,
         .exit_code = -1},
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1},
        /* it has ended, but only sacct says how */
        {{{.id = 7,
           .submit = 1,
           .start = 5,
           .end = 4005,
           .elapsed_s = 4,
           .state = SLURM_COMPLETED}},
         .want = EXEC_RUNNING,
         .run_ms = 4000,
         .exit_code = -1},
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {true, 7, 1, 5, 4005, 4, SLURM_FAILED, .exit_code = 7}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = 7,
         .cause = "natural"},
        /* sacct takes 128 away */
        {{{false, 7, 1, 5, 4005, 4, SLURM_FAILED, .exit_code = 139},
          {true, 7, 1, 5, 4005, 4, SLURM_FAILED, .exit_code = 11}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = 139,
         .cause = "natural"},
        /* rows of sacct's that are not its last word */
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {true, 7, 1, 5, 0, 9, SLURM_RUNNING, .exit_code = -1},
          {true, 7, 1, 5, 0, 9, SLURM_COMPLETED, .exit_code = 0},
          {true, 7, 1, 5, 0, 0, SLURM_PENDING, .exit_code = -1}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1},
        /* ends that are not its own */
        {{{true, 7, 1, 5, 4005, 4, SLURM_CANCELLED, .exit_code = -1}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "outside"},
        {{{.id = 7, .submit = 1, .start = 5, .state = SLURM_RUNNING},
          {true, 7, 1, 5, 4005, 4, SLURM_CANCELLED, .exit_code = -1}},
         .stop = "cancelled",
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "cancelled"},
        {{{.id = 7, .submit = 1, .start = 5, .state = SLURM_RUNNING},
          {true, 7, 1, 5, 4005, 4, SLURM_NODE_FAIL, .exit_code = -1}},
         .stop = "cancelled",
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "node_fail"},
        {{{true, 7, 1, 5, 61005, 61, SLURM_CANCELLED, .exit_code = -1}},
         .want = EXEC_OVER,
         .run_ms = 61000,
         .exit_code = -1,
         .cause = "limit"},
        /* the limit of Slurm's job is 120 s, ours 60 */
        {{{false, 7, 1, 5, 59005, 59, SLURM_FAILED, .exit_code = 143},
          {true, 7, 1, 5, 59005, 59, SLURM_FAILED, .exit_code = 15}},
         .want = EXEC_OVER,
         .run_ms = 59000,
         .exit_code = 143,
         .cause = "natural"},
        {{{false, 7, 1, 5, 60005, 60, SLURM_FAILED, .exit_code = 143},
          {true, 7, 1, 5, 60005, 60, SLURM_FAILED, .exit_code = 15}},
         .want = EXEC_OVER,
         .run_ms = 60000,
         .exit_code = 143,
         .cause = "limit"},
        {{{true, 7, 1, 5, 4005, 4, SLURM_TIMEOUT, .exit_code = -1}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "limit"},
        {{{true, 7, 1, 5, 4005, 4, SLURM_PREEMPTED, .exit_code = -1}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "preempted"},
        {{{true, 7, 1, 5, 4005, 4, SLURM_OUT_OF_MEMORY, .exit_code = -1, .signal_no = 125}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .cause = "memory"},
        {{{true, 7, 1, 0, 4005, 0, SLURM_CANCELLED, .exit_code = -1}},
         .want = EXEC_NEVER_RAN,
         .exit_code = -1,
         .cause = "outside"},
        /* requeued: the run that began is the one, and is over; the other must not be */
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {.id = 7, .submit = 9, .state = SLURM_PENDING, .restarts = 1}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1,
         .surplus = 7},
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {.id = 7, .submit = 9, .state = SLURM_PENDING, .restarts = 1},
          {true, 7, 1, 5, 4005, 4, SLURM_REQUEUED, .exit_code = -1}},
         .want = EXEC_OVER,
         .run_ms = 4000,
         .exit_code = -1,
         .surplus = 7,
         .cause = "outside"},
        /* twice, for one submission seemed lost */
        {{{.id = 7, .submit = 1, .state = SLURM_PENDING},
          {.id = 8, .submit = 2, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1,
         .surplus = 7},
        {{{.id = 8, .submit = 2, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {.id = 7, .submit = 1, .start = 9, .elapsed_s = 1, .state = SLURM_RUNNING}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1,
         .surplus = 7},
        /* slurmctld has forgotten that it began */
        {{{.id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING},
          {.id = 7, .submit = 1, .state = SLURM_PENDING}},
         .want = EXEC_RUNNING,
         .run_ms = 3000,
         .exit_code = -1,
         .surplus = 7},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slurm_attempt a = attempt_new();
        struct exec_status s;
        for (size_t k = 0; k < ROWS_MAX && cases[i].rows[k].id; k++) {
            bool is_last = k + 1 == ROWS_MAX || !cases[i].rows[k + 1].id;
            a.is_stopped = is_last && cases[i].stop;
            snprintf(a.why, sizeof(a.why), "%s", a.is_stopped ? cases[i].stop : "");
            see(&a, &cases[i].rows[k], 100);
        }
        slurm_attempt_status(&a, &s);
        print_message("case %zu\n", i);
        assert_int_equal(s.state, cases[i].want);
        assert_int_equal(s.run_ms, cases[i].run_ms);
        assert_int_equal(s.exit_code, cases[i].exit_code);
        assert_int_equal(a.surplus, cases[i].surplus);
        assert_string_equal(s.cause, cases[i].cause ? cases[i].cause : "");
    }
}

static enum exec_state state_of(const struct slurm_attempt *a)
{
    struct exec_status s;
    slurm_attempt_status(a, &s);
    return s.state;
}

static void it_is_absent_only_after_a_look_that_began_late_enough(void **state)
{
    struct slurm_attempt a = attempt_new();
    (void)state;
    a.asked_ms = T;
    slurm_attempt_looked(&a, T - 1, SETTLE); /* it had begun before */
    slurm_attempt_looked(&a, T + 5, SETTLE);
    slurm_attempt_looked(&a, T + SETTLE, SETTLE);
    assert_int_equal(state_of(&a), EXEC_UNKNOWN);
    slurm_attempt_looked(&a, T + 5 + SETTLE, SETTLE);
    assert_int_equal(state_of(&a), EXEC_NONE);
    see(&a, &(struct row){.id = 7, .submit = 1, .state = SLURM_PENDING}, 20000);
    assert_int_equal(state_of(&a), EXEC_STARTING); /* there it is after all */
    a.phase = SLURM_ASKING;
    slurm_attempt_looked(&a, T + 10 * SETTLE, SETTLE);
    assert_int_equal(a.phase, SLURM_ASKING);
}

static void what_squeue_shows_no_more_is_lost_or_ended_as_it_was_seen(void **state)
{
    static const struct row runs = {
        .id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING};
    static const struct row ended = {false, 7, 1, 5, 4005, 4, SLURM_FAILED, .exit_code = 7};
    const struct {
        const struct row *row;
        enum exec_state want;
        int64_t run_ms;
    } cases[] = {{&runs, EXEC_LOST, 3000}, {&ended, EXEC_OVER, 4000}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slurm_attempt a = attempt_new();
        struct exec_status s;
        see(&a, cases[i].row, 5000);
        assert_true(slurm_attempt_wants_sacct(&a, T + 5001));
        slurm_attempt_looked(&a, T + 50001, SETTLE);
        assert_int_equal(state_of(&a), EXEC_RUNNING);
        slurm_attempt_looked(&a, T + 50001 + SETTLE, SETTLE);
        slurm_attempt_status(&a, &s);
        assert_int_equal(s.state, cases[i].want);
        assert_int_equal(s.run_ms, cases[i].run_ms);
        assert_false(slurm_attempt_wants_sacct(&a, T + 6000 + SETTLE));
    }
}

static void squeues_word_on_an_end_holds_when_sacct_says_nothing(void **state)
{
    static const struct row ended = {false, 7, 1, 5, 4005, 4, SLURM_FAILED, .exit_code = 7};
    struct slurm_attempt a = attempt_new();
    struct exec_status s;
    (void)state;
    see(&a, &ended, 5000);
    see(&a, &ended, 9000);
    slurm_attempt_settle(&a, T + 5000 + SETTLE - 1, SETTLE);
    assert_int_equal(state_of(&a), EXEC_RUNNING);
    slurm_attempt_settle(&a, T + 5000 + SETTLE, SETTLE);
    slurm_attempt_status(&a, &s);
    assert_int_equal(s.state, EXEC_OVER);
    assert_int_equal(s.exit_code, 7);
    assert_int_equal(s.run_ms, 4000);
}

static void what_slurmctld_forgot_and_we_cancelled_is_lost(void **state)
{
    static const struct row runs = {
        .id = 7, .submit = 1, .start = 5, .elapsed_s = 3, .state = SLURM_RUNNING};
    static const struct row waits = {.id = 7, .submit = 1, .state = SLURM_PENDING};
    static const struct row gone = {true, 7, 1, 0, 4005, 0, SLURM_CANCELLED, .exit_code = -1};
    struct slurm_attempt a = attempt_new();
    struct exec_status s;
    (void)state;
    see(&a, &runs, 3000);
    see(&a, &waits, 5000);
    assert_int_equal(a.surplus, 7);
    see(&a, &gone, 7000);
    slurm_attempt_status(&a, &s);
    assert_int_equal(s.state, EXEC_LOST);
    assert_int_equal(s.run_ms, 3000);
}

static void one_that_waits_is_withdrawn_unless_it_began(void **state)
{
    static const struct row waits = {.id = 7, .submit = 1, .state = SLURM_PENDING};
    static const struct row runs = {.id = 7, .submit = 1, .start = 5, .state = SLURM_RUNNING};
    static const struct row gone = {true, 7, 1, 0, 4005, 0, SLURM_CANCELLED, .exit_code = -1};
    static const struct row killed = {true, 7, 1, 5, 5, 0, SLURM_CANCELLED, .exit_code = -1};
    struct slurm_attempt a = attempt_new(), b;
    struct exec_status s;
    (void)state;
    see(&a, &waits, 100);
    assert_int_equal(slurm_attempt_waits_since(&a), T + 1);
    a.is_withdrawn = true;
    snprintf(a.waited_for, sizeof(a.waited_for), "Resources");
    b = a;
    see(&b, &gone, 5000);
    slurm_attempt_status(&b, &s);
    assert_int_equal(s.state, EXEC_NEVER_RAN);
    assert_true(s.is_withdrawn);
    assert_non_null(strstr(s.note, "its nodes are busy"));
    b = a;
    see(&b, &killed, 5000); /* in the very moment in which it began */
    slurm_attempt_status(&b, &s);
    assert_string_equal(s.cause, "preempted");
    see(&a, &runs, 200);
    assert_false(a.is_withdrawn);
    assert_int_equal(slurm_attempt_waits_since(&a), 0);
}

static void a_limit_is_ours_in_ms_whatever_slurms_is(void **state)
{
    struct slurm_attempt a = attempt_new();
    static const struct row runs = {
        .id = 7, .submit = 1, .start = 5, .elapsed_s = 55, .state = SLURM_RUNNING};
    (void)state;
    see(&a, &runs, 60000);
    assert_false(slurm_attempt_is_over_limit(&a, T + 60000));
    assert_false(slurm_attempt_is_over_limit(&a, T + 65000));
    assert_true(slurm_attempt_is_over_limit(&a, T + 65001));
    a.is_adopted = true; /* Slurm's is 120 s: it was not told of a longer one */
    a.limit_ms = 600000;
    see(&a, &runs, 60000);
    assert_int_equal(a.limit_ms, 120000);
    a.limit_ms = 600000; /* once; afterwards it is what the supervisor says */
    see(&a, &runs, 60000);
    assert_int_equal(a.limit_ms, 600000);
}

/* ---- random histories */

enum { JOBS_MAX = 3, RUNS_MAX = 3, FORGET_MS = 30000 };

struct true_run {
    int64_t submit, start, end; /* ms after T; 0: not yet */
    bool is_known;              /* by slurmdbd, with its end */
    enum slurm_state state;
};
struct true_job {
    int64_t id;     /* 0: free */
    int64_t obeyed; /* when slurmctld takes it */
    int runs;
    struct true_run run[RUNS_MAX];
};
struct history {
    struct slurm_attempt a;
    struct true_job jobs[JOBS_MAX];
    int job_count;
    int64_t now;
    unsigned seed;
    struct exec_status end; /* the first one that was told */
};

static int chance(struct history *h, int of)
{
    return rand_r(&h->seed) % of;
}

static struct true_run *last_run(struct true_job *j)
{
    return &j->run[j->runs - 1];
}

static bool is_live(const struct true_job *j)
{
    return j->id && !slurm_state_is_over(j->run[j->runs - 1].state);
}

/* The first to begin: it alone runs the user's code. */
static const struct true_run *the_one(const struct history *h)
{
    const struct true_run *first = NULL;
    for (int i = 0; i < h->job_count; i++)
        for (int k = 0; k < h->jobs[i].runs; k++) {
            const struct true_run *r = &h->jobs[i].run[k];
            if (r->start && (!first || r->start < first->start))
                first = r;
        }
    return first;
}

static void submit(struct history *h)
{
    struct true_job *j = &h->jobs[h->job_count++];
    bool is_answered = chance(h, 2), is_taken = is_answered || chance(h, 2);
    int64_t late = is_answered ? 0 : chance(h, SETTLE / 2);
    *j = (struct true_job){.id = 100 + h->job_count, .obeyed = h->now + late, .runs = 1};
    j->run[0] = (struct true_run){.submit = j->obeyed, .state = SLURM_PENDING};
    if (!is_taken)
        j->id = 0;
    h->a.accepted = is_answered ? j->id : 0;
    h->a.phase = is_answered ? SLURM_KNOWN : SLURM_DOUBTFUL;
    h->a.asked_ms = T + h->now;
    h->a.missed_ms = 0;
}

static void finish(struct history *h, struct true_run *r, enum slurm_state s)
{
    r->state = s;
    r->end = h->now;
    r->is_known = false;
}

/* Something happens to a job. Two runs do not begin in the same moment. */
static void happen(struct history *h, struct true_job *j)
{
    struct true_run *r = last_run(j);
    if (!is_live(j) || h->now < j->obeyed)
        return;
    if (h->a.surplus == j->id && r != the_one(h)) {
        finish(h, r, SLURM_CANCELLED);
        h->a.surplus = 0;
    } else if (!r->start && chance(h, 3) == 0) {
        r->start = h->now;
        r->state = SLURM_RUNNING;
    } else if (r->start && j->runs < RUNS_MAX && chance(h, 8) == 0) {
        finish(h, r, SLURM_REQUEUED);
        j->run[j->runs++] = (struct true_run){.submit = h->now + 1, .state = SLURM_PENDING};
    } else if (chance(h, 8) == 0) {
        finish(h, r, r->start ? SLURM_COMPLETED : SLURM_CANCELLED);
    }
}

static void show(struct history *h, const struct true_job *j, const struct true_run *r,
                 bool is_sacct, int64_t shown_end)
{
    int64_t until = r->end ? r->end : h->now;
    see(&h->a,
        &(struct row){.is_sacct = is_sacct,
                      .id = j->id,
                      .submit = r->submit,
                      .start = r->start,
                      .end = shown_end,
                      .elapsed_s = r->start ? (until - r->start) / 1000 : 0,
                      .state = r->state,
                      .restarts = j->runs - 1},
        h->now);
}

/* slurmdbd hears of ends late, and in their order. */
static void tell_slurmdbd(struct history *h)
{
    int64_t until = h->now - chance(h, 5000);
    for (int i = 0; i < h->job_count; i++)
        for (int k = 0; k < h->jobs[i].runs; k++) {
            struct true_run *r = &h->jobs[i].run[k];
            r->is_known = r->is_known || (r->end && r->end <= until);
        }
}

static void look(struct history *h)
{
    int64_t began_ms = T + h->now;
    bool is_whole = chance(h, 4) != 0;
    for (int i = 0; i < h->job_count; i++) {
        const struct true_job *j = &h->jobs[i];
        const struct true_run *r = j->id ? last_run(&h->jobs[i]) : NULL;
        bool is_shown = r && h->now >= j->obeyed && (!r->end || h->now < r->end + FORGET_MS);
        if (is_shown && (is_whole || chance(h, 2)))
            show(h, j, r, false, r->end);
    }
    if (!is_whole)
        return;
    tell_slurmdbd(h);
    for (int i = 0; i < h->job_count; i++)
        for (int k = 0; h->jobs[i].id && k < h->jobs[i].runs; k++) {
            const struct true_run *r = &h->jobs[i].run[k];
            if (h->now >= h->jobs[i].obeyed && slurm_attempt_wants_sacct(&h->a, began_ms))
                show(h, &h->jobs[i], r, true, r->is_known ? r->end : 0);
        }
    slurm_attempt_looked(&h->a, began_ms, SETTLE);
}

static void check(struct history *h)
{
    const struct true_run *one = the_one(h);
    struct exec_status s;
    slurm_attempt_settle(&h->a, T + h->now, SETTLE);
    slurm_attempt_status(&h->a, &s);
    if (s.state == EXEC_NONE) { /* then it may be submitted again */
        for (int i = 0; i < h->job_count; i++)
            assert_false(is_live(&h->jobs[i]));
        assert_null(one);
    }
    assert_int_not_equal(s.state, EXEC_LOST); /* this Slurm forgets nothing that lives */
    if (s.state == EXEC_OVER) {
        assert_non_null(one);
        assert_true(one->end > 0);
        assert_int_equal(s.started_ms, T + one->start);
        assert_int_equal(s.run_ms, (one->end - one->start) / 1000 * 1000);
    }
    if (h->end.state == EXEC_OVER)
        assert_memory_equal(&h->end, &s, sizeof(s));
    h->end = s;
}

static bool is_decided(const struct history *h)
{
    return h->end.state == EXEC_OVER || h->end.state == EXEC_NEVER_RAN ||
           h->end.state == EXEC_NONE;
}

static void history_run(unsigned seed)
{
    struct history h = {.a = attempt_new(), .seed = seed, .now = 1};
    submit(&h);
    for (int i = 0; i < 400; i++) {
        h.now += 1 + chance(&h, 3000);
        for (int k = 0; k < h.job_count; k++) {
            happen(&h, &h.jobs[k]);
            h.now += 2;
        }
        if (chance(&h, 2))
            look(&h);
        check(&h);
        if (h.end.state == EXEC_NONE && h.job_count < JOBS_MAX && chance(&h, 4) == 0)
            submit(&h);
    }
    if (!is_decided(&h))
        fail_msg("seed %u: %d at the end", seed, (int)h.end.state);
}

static void no_history_makes_it_run_twice_or_forget_an_end(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5000; seed++)
        history_run(seed);
}

static void a_second_submission_knows_nothing_of_the_first(void **state)
{
    struct slurm_attempt a = attempt_new();
    struct exec_status now;
    (void)state;
    see(&a, &(struct row){.id = 7, .submit = 1, .state = SLURM_PENDING}, 0);
    slurm_attempt_looked(&a, T + 1000, SETTLE);
    slurm_attempt_looked(&a, T + 2 * SETTLE, SETTLE);
    slurm_attempt_looked(&a, T + 4 * SETTLE, SETTLE);
    slurm_attempt_status(&a, &now);
    assert_int_equal(now.state, EXEC_NONE); /* slurmctld lost it */
    slurm_attempt_begin(&a);
    a.phase = SLURM_KNOWN;
    a.accepted = 7; /* and gave its number away again */
    see(&a, &(struct row){.id = 7, .submit = 50000, .start = 50001, .state = SLURM_RUNNING},
        50000);
    assert_int_equal(a.surplus, 0);
    assert_int_equal(a.run.id, 7);
    slurm_attempt_status(&a, &now);
    assert_int_equal(now.state, EXEC_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_says_what_is_true),
        cmocka_unit_test(it_is_absent_only_after_a_look_that_began_late_enough),
        cmocka_unit_test(what_squeue_shows_no_more_is_lost_or_ended_as_it_was_seen),
        cmocka_unit_test(squeues_word_on_an_end_holds_when_sacct_says_nothing),
        cmocka_unit_test(what_slurmctld_forgot_and_we_cancelled_is_lost),
        cmocka_unit_test(one_that_waits_is_withdrawn_unless_it_began),
        cmocka_unit_test(a_limit_is_ours_in_ms_whatever_slurms_is),
        cmocka_unit_test(a_second_submission_knows_nothing_of_the_first),
        cmocka_unit_test(no_history_makes_it_run_twice_or_forget_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
