// SPDX-License-Identifier: Apache-2.0
/* The processes below this one, for those who must leave none behind where no cgroup can be
 * killed.
 *
 * A caller that is a subreaper (PR_SET_CHILD_SUBREAPER) finds orphans too, however they were
 * forked.
 */
#ifndef FF_BASE_CHILD_H
#define FF_BASE_CHILD_H

#include <signal.h>

/* Sends SIGKILL to every living descendant of the calling process and returns how many there
 * were. What was being forked meanwhile is missed: reap, and call again until it returns 0. */
int child_kill_below(void);

/* Every signal to its default action and none blocked: what a program expects at its start. */
void child_reset_signals(void);

#endif
