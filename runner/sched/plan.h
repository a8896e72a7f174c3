// SPDX-License-Identifier: Apache-2.0
/* Who runs next, and where: a pure function of a snapshot.
 *
 * First come, first served: jobs in the order of priority, then number; a job that does not fit
 * lets nobody behind it pass. One that waits for a limit of GPUs at once (cap.h) holds nobody
 * up: what it waits for are jobs of its own people. Nothing here reads a clock or does I/O: the
 * same function runs in runnerd, in unit tests and over recorded workloads.
 */
#ifndef FF_SCHED_PLAN_H
#define FF_SCHED_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/sched/cap.h"

enum { PLAN_GPUS_MAX = 64, PLAN_REASON_MAX = 200 };

struct plan_job {
    int64_t id;
    int64_t nodes, gpus_per_node;
    const char *gpu_type; /* "any" or a node's */
    int priority;         /* larger goes first */
    struct cap_owner owner;
};

struct plan_node {
    const char *name, *gpu_type;
    int gpus;      /* 0 … PLAN_GPUS_MAX */
    uint64_t busy; /* bit i: GPU i is taken */
    bool is_up;
};

struct plan_snapshot {
    const struct plan_job *jobs; /* those that wait, in any order */
    size_t job_count;
    const struct plan_node *nodes;
    size_t node_count;
    const struct cap_rule *rules;
    size_t rule_count;
    const struct cap_use *uses; /* of the jobs that have GPUs already */
    size_t use_count;
};

/* The GPUs given to a job on one node. */
struct plan_slot {
    size_t node; /* index in the snapshot */
    uint64_t gpus;
};

/* One decision per waiting job: start it on `slots`, or let it wait for `reason`. */
struct plan_decision {
    size_t job; /* index in the snapshot */
    bool is_start;
    struct plan_slot *slots; /* [slot_count], one per node of the job */
    size_t slot_count;
    char reason[PLAN_REASON_MAX]; /* in words, for the person who waits */
};

struct plan {
    struct plan_decision *decisions; /* in the order of the queue */
    size_t count;
};

/* Same snapshot, same plan. Caller frees with plan_done(). */
void plan_make(const struct plan_snapshot *snapshot, struct plan *out);
void plan_done(struct plan *p);

/* Whether the job would fit if every node that is up were idle; a job that never fits waits for
 * ever. */
bool plan_can_ever_fit(const struct plan_snapshot *snapshot, const struct plan_job *job);

#endif
