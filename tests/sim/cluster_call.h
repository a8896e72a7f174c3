// SPDX-License-Identifier: Apache-2.0
/* A call on its way, and the cluster where it arrives: what cluster.c and network.c share. */
#ifndef FF_SIM_CLUSTER_CALL_H
#define FF_SIM_CLUSTER_CALL_H

#include "tests/sim/cluster.h"

enum call_kind { CALL_GREET, CALL_START, CALL_STOP, CALL_LIMIT, CALL_FORGET };

struct call {
    enum call_kind kind;
    struct life *life;
    int64_t epoch, expires_ms;
    char token[EXEC_TOKEN_LEN + 1], why[32];
    int64_t number; /* the limit, or the grace */
    int64_t job;    /* START */
    struct exec_place place;
    char *spec;
    exec_greet_fn *greeted; /* one of the two; neither: nobody waits for the answer */
    exec_done_fn *done;
    void *arg;
    bool is_answer_lost;
    struct exec_answer answer;
};

struct fake_cluster;
struct cluster {
    struct sim *sim;
    struct exec_node nodes[CLUSTER_NODES];
    struct fake_cluster *fake;
    struct executor *wire; /* the one that carries calls out */
    int64_t epoch;         /* the highest that came */
    struct run *runs;
};

const char *call_name(const struct call *c);

/* It has arrived; fills its answer. */
void cluster_carry_out(struct cluster *c, struct call *call);

#endif
