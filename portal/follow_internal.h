// SPDX-License-Identifier: Apache-2.0
/* Inside follow.c (who watches, and the job's state) and follow_log.c (the job's log). */
#ifndef FF_PORTAL_FOLLOW_INTERNAL_H
#define FF_PORTAL_FOLLOW_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "auth/token.h"
#include "portal/portal.h"
#include "runner/job/job.h"

struct runner_ask;
struct sse;
struct work;

struct watcher {
    struct watcher *next;
    struct follow *follow;
    struct sse *stream;
    char session[TOKEN_TEXT];
    int64_t person;
    uint64_t no;             /* never used twice */
    int64_t attempt, offset; /* what it has had of which attempt's log */
};

struct follow {
    struct follow *next;
    struct follows *all;
    int64_t job;
    struct watcher *watchers;
    struct loop_timer *timer;

    struct work *polling;
    int64_t poll_at_ms, check_at_ms;
    json_t *state; /* the last "state" event; NULL before the first */
    enum job_state now;
    int64_t attempt; /* the latest, 0: none yet */

    int log_fd; /* of log_attempt; -1: not open */
    int64_t log_attempt;
    struct runner_ask *asking;
    struct work *reading;
    int64_t ask_at_ms;
    bool is_noticed;  /* the watchers were told that the log cannot be read */
    bool is_log_over; /* the job is final, and there is no more of its log to be had */
};

struct follows {
    struct portal *portal;
    struct follow *first;
    uint64_t last_no;
};

/* One event to all. */
void follow_tell(struct follow *f, const char *event, const json_t *data);
struct watcher *follow_find(const struct follow *f, uint64_t no); /* or NULL */

/* Called at each tick: asks for the log, or reads what is new. */
void follow_log_tick(struct follow *f, int64_t now_ms);
void follow_log_done(struct follow *f); /* closes and cancels; before `f` is freed */

#endif
