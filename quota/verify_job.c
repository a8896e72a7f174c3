// SPDX-License-Identifier: Apache-2.0
/* The proof of every job: what it says of itself against the sums of its transfers, its
 * attempts and the fold over its events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/verify_internal.h"
#include "runner/job/job.h"

static const struct verify_check
    check_hold = {"hold",
                  "a job must have exactly one hold and its extensions, as large in all as "
                  "the job says"},
    check_hold_size = {"hold size", "the hold is not GPUs × time limit × weight"},
    check_held = {"held", "what is held for the job is not what its transfers leave: a release "
                          "is missing, or a charge is wrong"},
    check_release = {"release", "the hold was released before the job ended"},
    check_charge = {"charge", "the job's charge is not the sum of its transfers"},
    check_raw = {"raw", "GPU-hours without weight are not those of the charges"},
    check_over = {"overdrawn", "more was charged than held, or refunded than charged"},
    check_ended = {"ended", "only a job that is over has an end"},
    check_attempts = {"attempts", "the attempts are not those of the job's events"},
    check_attempt_charge = {"attempt charge",
                            "what was charged for the attempt is not what it used"},
    check_attempt_size = {"attempt size",
                          "the attempt's charge is not GPUs × chargeable time × weight"},
    check_attempt_raw = {"attempt raw",
                         "what was charged without weight is not GPUs × chargeable time"},
    check_attempt_open = {"attempt open", "an attempt never ended"},
    check_state = {"state",
                   "a job is its events: they lead to another state than the stored one"},
    check_events = {"events", "a job is its events: some are missing"},
    check_order = {"event order", "a job is its events: one cannot follow the one before"};

/* ---- what both the jobs' and the attempts' rows go through */

struct subject {
    struct verify *v;
    const struct db_rows *rows;
    char where[64];
};

static int64_t number(const struct subject *s, unsigned column)
{
    return db_rows_i64(s->rows, column);
}

static void tell(const struct subject *s, const struct verify_check *check,
                 const char *expected, const char *found)
{
    verify_tell(s->v, check, s->where, expected, found);
}

static void expect(const struct subject *s, const struct verify_check *check, int64_t expected,
                   int64_t found)
{
    char texts[2][24];
    if (expected == found)
        return;
    snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)expected);
    snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)found);
    tell(s, check, texts[0], texts[1]);
}

/* At most so much; below 0 nothing can be. */
static void expect_at_most(const struct subject *s, const struct verify_check *check,
                           int64_t most, int64_t found)
{
    char texts[2][40];
    if (0 <= found && found <= most)
        return;
    snprintf(texts[0], sizeof(texts[0]), "0 to %lld", (long long)most);
    snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)found);
    tell(s, check, texts[0], texts[1]);
}

/* Two that belong together, as "charged 5, refunded 2": expected, then found. */
static void expect_two(const struct subject *s, const struct verify_check *check,
                       const char *const words[2], const int64_t amounts[4])
{
    char texts[2][96];
    if (amounts[0] == amounts[2] && amounts[1] == amounts[3])
        return;
    for (size_t i = 0; i < 2; i++)
        snprintf(texts[i], sizeof(texts[i]), "%s %lld, %s %lld", words[0],
                 (long long)amounts[2 * i], words[1], (long long)amounts[2 * i + 1]);
    tell(s, check, texts[0], texts[1]);
}

/* Those of some thousand jobs: every statement takes the bounds as often as it asks. */
static int each_row(struct verify *v, enum sql id, struct db_args bounds,
                    void (*on_row)(struct subject *s), struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(v->db, id, bounds, &rows, e);
    if (r < 0)
        return r;
    struct subject s = {.v = v, .rows = rows};
    while ((r = db_rows_next(rows, e)) > 0)
        on_row(&s);
    return r;
}

/* The proof has its own arithmetic, without bounds. */
static int64_t weighted(int64_t gpus, int64_t run_ms, int64_t weight_permille)
{
    __int128 gpums = (__int128)gpus * run_ms * weight_permille / 1000;
    return gpums > INT64_MAX ? INT64_MAX : (int64_t)gpums;
}

/* ---- jobs */

enum job_column {
    JOB_ID,
    JOB_STATE,
    JOB_IS_FINAL,
    JOB_HAS_END,
    JOB_GPUS,
    JOB_LIMIT,
    JOB_WEIGHT,
    JOB_HOLD,
    JOB_CHARGED,
    JOB_REFUNDED,
    JOB_RAW,
    SUM_HOLDS,
    SUM_HOLD,
    SUM_CHARGED,
    SUM_RAW,
    SUM_REFUNDED,
    SUM_RELEASED,
    SUM_HELD,
    JOB_ATTEMPTS,
    JOB_LAST_ATTEMPT,
    JOB_ATTEMPT_EVENTS
};

/* Of all the time, extensions included: the last one makes up for what was floored before. */
static void check_hold_of(const struct subject *s)
{
    expect(s, &check_hold_size,
           weighted(number(s, JOB_GPUS), number(s, JOB_LIMIT), number(s, JOB_WEIGHT)),
           number(s, JOB_HOLD));
}

static void check_job_end(const struct subject *s)
{
    bool is_final = number(s, JOB_IS_FINAL);
    if (is_final != (number(s, JOB_HAS_END) != 0))
        tell(s, &check_ended, is_final ? "a time of its end" : "none",
             is_final ? "none" : "one");
    if (!is_final)
        expect(s, &check_release, 0, number(s, SUM_RELEASED));
}

static void check_job(struct subject *s)
{
    bool is_final = number(s, JOB_IS_FINAL);
    int64_t left = number(s, JOB_HOLD) - number(s, JOB_CHARGED) + number(s, JOB_REFUNDED);
    snprintf(s->where, sizeof(s->where), "job %lld (%s)", (long long)number(s, JOB_ID),
             db_rows_text(s->rows, JOB_STATE));
    expect_two(s, &check_hold, (const char *[]){"first holds", "in all"},
               (int64_t[]){1, number(s, JOB_HOLD), number(s, SUM_HOLDS), number(s, SUM_HOLD)});
    check_hold_of(s);
    expect(s, &check_held, is_final ? 0 : left, number(s, SUM_HELD));
    expect_two(s, &check_charge, (const char *[]){"charged", "refunded"},
               (int64_t[]){number(s, SUM_CHARGED), number(s, SUM_REFUNDED),
                           number(s, JOB_CHARGED), number(s, JOB_REFUNDED)});
    expect(s, &check_raw, number(s, SUM_RAW), number(s, JOB_RAW));
    expect_at_most(s, &check_over, number(s, JOB_HOLD), number(s, JOB_CHARGED));
    expect_at_most(s, &check_over, number(s, JOB_CHARGED), number(s, JOB_REFUNDED));
    check_job_end(s);
    expect_two(s, &check_attempts, (const char *[]){"attempts", "the last is"},
               (int64_t[]){number(s, JOB_ATTEMPT_EVENTS), number(s, JOB_ATTEMPT_EVENTS),
                           number(s, JOB_ATTEMPTS), number(s, JOB_LAST_ATTEMPT)});
}

/* ---- attempts */

enum attempt_column {
    ATTEMPT_JOB,
    ATTEMPT_STATE,
    ATTEMPT_IS_FINAL,
    ATTEMPT_NO,
    ATTEMPT_LAST,
    ATTEMPT_IS_OPEN,
    ATTEMPT_GPUS,
    ATTEMPT_CHARGEABLE,
    ATTEMPT_WEIGHT,
    ATTEMPT_CHARGE,
    ATTEMPT_POSTED,
    ATTEMPT_POSTED_RAW,
    ATTEMPT_POSTED_AFTER,
    ATTEMPT_MONTHS_ENDED
};

static int64_t attempt_gpums(const struct subject *s, int64_t run_ms)
{
    return weighted(number(s, ATTEMPT_GPUS), run_ms, number(s, ATTEMPT_WEIGHT));
}

/* One that goes on is charged at a month's end, for no more than the time since its launch. */
static void check_open(const struct subject *s)
{
    if (number(s, ATTEMPT_IS_FINAL) || number(s, ATTEMPT_NO) < number(s, ATTEMPT_LAST))
        tell(s, &check_attempt_open, "ended", "open");
    int64_t since_ms = number(s, ATTEMPT_POSTED_AFTER);
    expect_at_most(s, &check_attempt_charge, attempt_gpums(s, since_ms > 0 ? since_ms : 0),
                   number(s, ATTEMPT_POSTED));
}

/* What was posted at a month's end by a clock that was ahead stays posted. */
static bool is_posted_ahead(const struct subject *s)
{
    return number(s, ATTEMPT_MONTHS_ENDED) &&
           number(s, ATTEMPT_CHARGE) == number(s, ATTEMPT_POSTED) &&
           number(s, ATTEMPT_CHARGE) > attempt_gpums(s, number(s, ATTEMPT_CHARGEABLE));
}

/* Nothing is posted for what is too little to have a weighted part. */
static void check_attempt_raw_of(const struct subject *s)
{
    int64_t raw = number(s, ATTEMPT_GPUS) * number(s, ATTEMPT_CHARGEABLE);
    int64_t posted = number(s, ATTEMPT_POSTED_RAW);
    if (weighted(1, llabs(raw - posted), number(s, ATTEMPT_WEIGHT)) > 0)
        expect(s, &check_attempt_raw, raw, posted);
}

static void check_attempt(struct subject *s)
{
    int64_t charge = number(s, ATTEMPT_CHARGE), posted = number(s, ATTEMPT_POSTED);
    snprintf(s->where, sizeof(s->where), "job %lld (%s) attempt %lld",
             (long long)number(s, ATTEMPT_JOB), db_rows_text(s->rows, ATTEMPT_STATE),
             (long long)number(s, ATTEMPT_NO));
    if (number(s, ATTEMPT_IS_OPEN)) {
        check_open(s);
        return;
    }
    bool is_ahead = is_posted_ahead(s);
    if (!is_ahead)
        expect(s, &check_attempt_size, attempt_gpums(s, number(s, ATTEMPT_CHARGEABLE)), charge);
    if (!number(s, ATTEMPT_IS_FINAL) && posted < charge) /* the rest is under way */
        return;
    expect(s, &check_attempt_charge, charge, posted);
    if (!is_ahead)
        check_attempt_raw_of(s);
}

/* ---- states: the fold over the events, job by job as they stream by */

struct fold {
    struct verify *v;
    int64_t job, stored_seq;
    char where[64];
    char stored_state[16];
    enum job_state state;
    int64_t seq;    /* of the last event seen */
    bool is_broken; /* told already: an event that cannot follow, or a gap */
};

static void fold_end(const struct fold *f)
{
    char expected[48], found[48];
    if (!f->job || f->is_broken)
        return;
    if (strcmp(job_state_name(f->state), f->stored_state))
        verify_tell(f->v, &check_state, f->where, job_state_name(f->state), f->stored_state);
    if (f->seq == f->stored_seq)
        return;
    snprintf(expected, sizeof(expected), "%lld events", (long long)f->stored_seq);
    snprintf(found, sizeof(found), "%lld", (long long)f->seq);
    verify_tell(f->v, &check_events, f->where, expected, found);
}

static void fold_break(struct fold *f, const struct verify_check *check, const char *expected,
                       const char *found)
{
    verify_tell(f->v, check, f->where, expected, found);
    f->is_broken = true;
}

static void fold_event(struct fold *f, int64_t seq, const char *kind)
{
    char expected[64], found[64];
    enum job_event event;
    if (f->is_broken)
        return;
    if (seq != f->seq + 1) {
        snprintf(expected, sizeof(expected), "event %lld", (long long)f->seq + 1);
        snprintf(found, sizeof(found), "event %lld", (long long)seq);
        fold_break(f, &check_events, expected, found);
        return;
    }
    enum job_state next = job_event_find(kind, &event) ? job_next(f->state, event) : JOB_NONE;
    if (next == JOB_NONE) {
        snprintf(expected, sizeof(expected), "a move from %s", job_state_name(f->state));
        snprintf(found, sizeof(found), "event %lld: %s", (long long)seq, kind);
        fold_break(f, &check_order, expected, found);
        return;
    }
    f->state = next;
    f->seq = seq;
}

static int run_events(struct verify *v, struct db_args bounds, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct fold f = {0};
    int r = db_select(v->db, SQL_VERIFY_EVENTS, bounds, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0) {
        if (db_rows_i64(rows, 0) != f.job) {
            fold_end(&f);
            f = (struct fold){
                .v = v, .job = db_rows_i64(rows, 0), .stored_seq = db_rows_i64(rows, 2)};
            snprintf(f.stored_state, sizeof(f.stored_state), "%s", db_rows_text(rows, 1));
            snprintf(f.where, sizeof(f.where), "job %lld (%s)", (long long)f.job,
                     f.stored_state);
        }
        if (!db_rows_is_null(rows, 3))
            fold_event(&f, db_rows_i64(rows, 3), db_rows_text(rows, 4));
    }
    if (r == 0)
        fold_end(&f);
    return r;
}

/* ---- */

/* The last of the next some thousand jobs after `from`; no more than `from` when there are
 * none. */
static int next_part(struct db *db, int64_t from, int64_t *out_until, struct err *e)
{
    return db_select_i64(db, SQL_VERIFY_PART, DB_ARGS(DB_I64(from)), out_until, e);
}

int verify_jobs(struct verify *v, struct err *e)
{
    int64_t from = 0, until = 0;
    int r;
    while ((r = next_part(v->db, from, &until, e)) == 0 && until > from) {
#define BOUNDS DB_I64(from), DB_I64(until)
        r = each_row(v, SQL_VERIFY_JOBS, DB_ARGS(BOUNDS, BOUNDS, BOUNDS, BOUNDS), check_job, e);
        if (r == 0)
            r = each_row(v, SQL_VERIFY_ATTEMPTS, DB_ARGS(BOUNDS, BOUNDS, BOUNDS), check_attempt,
                         e);
        if (r == 0)
            r = run_events(v, DB_ARGS(BOUNDS), e);
#undef BOUNDS
        if (r < 0)
            return r;
        from = until;
    }
    return r;
}
