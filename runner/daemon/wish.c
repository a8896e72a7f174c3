// SPDX-License-Identifier: Apache-2.0
/* One function for each kind of request. Pure. */
#include "runner/daemon/wish.h"

#include <stdio.h>
#include <string.h>

#include "runner/base/cleanup.h"

static const char *const names[] = {"cancel", "extend", "release", "reconcile"};

enum wish_kind wish_kind_find(const char *name)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (!strcmp(names[i], name))
            return (enum wish_kind)i;
    return WISH_OTHER;
}

static enum wish_answer say(enum wish_answer answer, const char *text, char *note)
{
    snprintf(note, WISH_NOTE_MAX + 1, "%s", text);
    return answer;
}

static bool is_waiting(enum job_state s)
{
    return s == JOB_QUEUED || s == JOB_SUSPENDED;
}

static enum wish_answer extend(const struct wish_facts *f, char *note)
{
    if (is_waiting(f->state))
        return say(WISH_DONE, "its time limit is the new one", note);
    if (f->state == JOB_COMPLETING || f->is_ending)
        return say(WISH_REFUSED, "it was ending already: what is not used is released", note);
    if (f->has_limit)
        return say(WISH_DONE, "it runs on, with the new time limit", note);
    if (f->is_limit_refused) {
        snprintf(note, WISH_NOTE_MAX + 1,
                 "it keeps its old limit, what is not used is released: "
                 "%.130s",
                 f->trouble);
        return WISH_REFUSED;
    }
    return WISH_WAIT;
}

static enum wish_answer release(const struct wish_facts *f, char *note)
{
    if (f->is_damaged)
        return say(WISH_REFUSED, "its books do not balance: see `quota verify`", note);
    if (is_waiting(f->state))
        return WISH_BEGIN;
    return say(WISH_REFUSED, "it runs: cancel it, and what it does not use is released", note);
}

static enum wish_answer reconcile_attempt(const struct wish_facts *f, char *note)
{
    switch (f->exec) {
    case EXEC_RUNNING:
        return say(f->is_begun ? WISH_DONE : WISH_REFUSED,
                   "its attempt runs: the executor knows it", note);
    case EXEC_STARTING:
        return say(f->is_begun ? WISH_DONE : WISH_REFUSED,
                   "its attempt is being started: the executor knows it", note);
    case EXEC_UNKNOWN:
        return WISH_WAIT;
    case EXEC_NONE:
    case EXEC_OVER:
    case EXEC_NEVER_RAN:
    case EXEC_LOST:
        break;
    }
    return f->is_begun || f->state == JOB_COMPLETING ? WISH_WAIT : WISH_BEGIN;
}

static enum wish_answer reconcile(const struct wish_facts *f, char *note)
{
    if (f->is_damaged && !f->is_begun)
        return WISH_BEGIN;
    if (f->is_damaged) {
        snprintf(note, WISH_NOTE_MAX + 1, "left alone again: %.170s", f->why);
        return WISH_REFUSED;
    }
    if (!is_waiting(f->state))
        return reconcile_attempt(f, note);
    if (f->is_begun)
        return say(WISH_DONE, "it is in the queue again", note);
    snprintf(note, WISH_NOTE_MAX + 1, "nothing is wrong with it: %.160s",
             f->why[0] ? f->why : "it waits in the queue");
    return WISH_REFUSED;
}

enum wish_answer wish_next(const struct wish_facts *f, char note[WISH_NOTE_MAX + 1])
{
    note[0] = '\0';
    if (f->kind == WISH_OTHER)
        return say(WISH_REFUSED, "this site's executor does not offer that", note);
    if (f->is_over)
        return say(f->kind == WISH_EXTEND ? WISH_REFUSED : WISH_DONE, "the job has ended",
                   note);
    if (f->kind == WISH_CANCEL)
        return f->is_in_hand ? WISH_BEGIN : WISH_WAIT;
    if (!f->is_in_hand || f->is_busy)
        return WISH_WAIT;
    return f->kind == WISH_EXTEND    ? extend(f, note)
           : f->kind == WISH_RELEASE ? release(f, note)
                                     : reconcile(f, note);
}
