// SPDX-License-Identifier: Apache-2.0
/* runner-keeper: one per attempt, outlives the agent, runs as the service.
 *
 * Parent and subreaper of the task. Writes the spool (start, a beat a second, exit), keeps the
 * head of the log up to its cap, ends the attempt at its time limit or when told to on its
 * control socket, where it also hears of another limit: TERM through runner-task, KILL of the
 * whole cgroup after the grace. When the task has ended it kills whatever is left before it
 * writes `exit`. Run time is CLOCK_BOOTTIME, so that a machine asleep counts. SIGTERM ends the
 * attempt with the cause "shutdown".
 */
#ifndef FF_AGENT_KEEPER_H
#define FF_AGENT_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

#include "runner/proto/spool.h"

/* The descriptors it is born with. Where there is no cgroup, KILL, EVENTS and OOM fail every
 * use. */
enum {
    KEEPER_PLAN =
        3, /* struct keeper_plan: both sides are of one build, and read it within one exec */
    KEEPER_ENTRY, /* the spool entry's folder */
    KEEPER_LOCK,  /* its lock, held */
    KEEPER_PIPE,  /* what the job writes */
    KEEPER_LOG,   /* where it is kept */
    KEEPER_TASK,  /* to runner-task: "T" is TERM to all ranks, its end KILL */
    KEEPER_GO,    /* one byte lets the task go */
    KEEPER_WORD,  /* struct birth_word to the agent */
    KEEPER_KILL,
    KEEPER_EVENTS,
    KEEPER_OOM,
    KEEPER_FDS = KEEPER_OOM - KEEPER_PLAN + 1
};

struct keeper_plan {
    struct spool_entry record; /* token, job, attempt, task, limit */
    int64_t grace_ms, log_max;
};

int keeper_run(void); /* returns when the attempt is over; the program's exit status */

#endif
