// SPDX-License-Identifier: Apache-2.0
/* The nodes, and every runnerd's way to them: runner/exec/fake.h behind a network that loses
 * calls or their answers, keeps them waiting, or brings them twice. Each call carries its
 * runnerd's epoch and a deadline, as the agent's do.
 *
 * What is carried out is written down here, apart from what runnerd and the ledger believe. */
#ifndef FF_SIM_CLUSTER_H
#define FF_SIM_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/exec/executor.h"

enum { CLUSTER_NODES = 3 };

/* One attempt that was started. */
struct run {
    struct run *next; /* an earlier one */
    char token[EXEC_TOKEN_LEN + 1];
    int64_t job;
    struct exec_place place;
    int64_t late_ms; /* so much later than its limit it is ended */
    int begun;       /* how often its play began: at most once */
    int busy;        /* how often it was to be removed while it ran, since a stop came */
    bool is_gone;
    bool is_withdrawn;       /* for want of room, before it ran */
    struct exec_status last; /* when it was removed */
};

struct sim;
struct life;
struct cluster;

struct cluster *cluster_new(struct sim *s);
void cluster_free(struct cluster *c);
struct executor *cluster_executor(struct life *l);

const struct run *cluster_runs(const struct cluster *c);
const struct run *cluster_find(const struct cluster *c, const char *token);

/* Accidents; a stray is an attempt without a job, that runs until it is ended. */
void cluster_add_stray(struct cluster *c);
void cluster_lose_one(struct cluster *c);
void cluster_turn_node(struct cluster *c, int node, bool is_up);

/* How many attempts it still knows. */
size_t cluster_count(const struct cluster *c);

#endif
