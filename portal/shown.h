// SPDX-License-Identifier: Apache-2.0
/* How the pages write times, amounts and states. Pure but for the process's time zone, which
 * main sets to the site's. Texts are the arena's, or "" when that is full. */
#ifndef FF_PORTAL_SHOWN_H
#define FF_PORTAL_SHOWN_H

#include <stdint.h>

#include <jansson.h>

#include "quota/jobs.h"
#include "quota/person.h"
#include "runner/base/arena.h"

const char *shown_time(struct arena *a, int64_t at_ms);  /* "2026-11-23 20:15 CET"; 0: "" */
const char *shown_date(struct arena *a, int64_t at_ms);  /* "23 November 2026"; 0: "" */
const char *shown_clock(struct arena *a, int64_t at_ms); /* "20:15:02" */
const char *shown_duration(struct arena *a, int64_t ms); /* "1 d 12 h", "2 h 30 min", "45 s" */
const char *shown_size(struct arena *a, int64_t bytes);  /* "1.4 MiB" */
const char *shown_hours(struct arena *a,
                        int64_t gpums); /* "118.5"; below 0.05 "0.003", "<0.001" */

const char *shown_weight(struct arena *a, int64_t permille); /* "×2", "×0.25" */

/* Two amounts that are to be compared: one decimal, or three where one would show them as
 * equal. */
struct shown_pair {
    const char *a, *b;
};
struct shown_pair shown_hours_pair(struct arena *a, int64_t one_gpums, int64_t other_gpums);

const char *shown_state(enum job_state s); /* "waiting", "running", "time limit reached" */
/* The class of its colour: "wait", "run", "good", "bad", "off". */
const char *shown_tone(enum job_state s);

/* A job as a row of a list and as the head of its page. Caller frees. */
json_t *shown_job(struct arena *a, const struct job_row *row);

/* Why it is in this state, in words: what the scheduler says, how it ended, what happens
 * next. */
const char *shown_reason(struct arena *a, enum job_state s, const char *waits_for,
                         const char *outcome);

/* One allocation of a person: project, term, held, used, free. Caller frees. */
json_t *shown_balance(struct arena *a, const struct balance *b);

#endif
