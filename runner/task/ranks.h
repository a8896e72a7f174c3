// SPDX-License-Identifier: Apache-2.0
/* The ranks of an attempt on this node: starts them, passes on their output, waits for them.
 *
 * Each rank is a process group. TERM (asked for on the control socket, or as a signal) goes to
 * all. When one fails the others get TERM, then KILL. When the control socket ends, the keeper
 * is gone: everything below this process is killed at once. Where there is no keeper, KILL
 * comes after TERM and the grace from here, and nothing below this process outlives the ranks.
 */
#ifndef FF_TASK_RANKS_H
#define FF_TASK_RANKS_H

#include "runner/task/place.h"

struct ranks_plan {
    const struct place *place;
    enum spec_kind kind;
    char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *shown; /* what the log calls it if it cannot be started */
    int control;       /* "T": TERM to all; its end: KILL. -1: there is no keeper */
    int64_t grace_ms;  /* for the others when one rank fails; without a keeper after any TERM */
    void (*on_tick)(void *arg); /* NULL: none */
    void *arg;
    int64_t tick_ms;
};

/* Returns the exit status of the first rank that failed (128 + signal for a signal), or 0. */
int ranks_run(const struct ranks_plan *plan);

#endif
