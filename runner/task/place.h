// SPDX-License-Identifier: Apache-2.0
/* Where an attempt finds itself: the environment that the agent gave runner-task, or that was
 * made of a batch system's (batch.h), and what of it the ranks get. */
#ifndef FF_TASK_PLACE_H
#define FF_TASK_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/job/spec.h"

struct place {
    const char *token, *job_dir, *gpus;
    int64_t job, attempt;
    int64_t gpu_count, node_count, node;
    bool is_confined; /* a batch system says what CUDA sees: left as it is */
    char *first_node; /* freed with place_done() */
};

int place_read(struct place *p, struct err *e);
void place_done(struct place *p);

/* Processes of this attempt on this node: batch has one on the first node and none elsewhere,
 * distributed one per GPU, or one where there are no GPUs. */
int64_t place_ranks(const struct place *p, enum spec_kind kind);

/* Makes this process's environment that of the ranks, all but RANK and the like: the request's
 * own variables first, then ours, which therefore cannot be replaced. */
int place_enter(const struct place *p, const struct spec *s, struct err *e);

/* In a rank, before exec. */
void place_enter_rank(const struct place *p, enum spec_kind kind, int64_t local_rank);

#endif
