// SPDX-License-Identifier: Apache-2.0
/* The words of Slurm's that runner-task knows: what it reads of the environment, and how a task
 * comes to every node. Nothing else of runner/task knows them.
 *
 *   SLURM_JOB_ID          which job of Slurm's this is, for the record
 *   SLURM_JOB_NUM_NODES   how many nodes, and SLURM_NODEID, which of them this is
 *   SLURM_JOB_NODELIST    their names, compressed: "n[1-3,7],login"
 *   CUDA_VISIBLE_DEVICES  what Slurm lets the job see here, counted as the job sees it
 *   SLURM_STEP_GPUS, SLURM_JOB_GPUS   the same, counted as the node does
 */
#ifndef FF_TASK_BATCH_SLURM_H
#define FF_TASK_BATCH_SLURM_H

#include <stdint.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"

struct batch_site {
    const char *id; /* the batch system's own number of the job */
    int64_t node, node_count;
    char *nodes;           /* "n1,n2", in Slurm's order */
    const char *gpus;      /* as the job sees them: "0,1"; "": none */
    const char *node_gpus; /* as the node counts them, for the record; "": not said */
};

/* From the environment. -EINVAL: it is not Slurm's, with the variable. */
int batch_slurm_read(struct batch_site *out, struct err *e);
void batch_site_done(struct batch_site *s);

/* "n[1-3,07]x,m" into "n1x,n2x,n3x,n07x,m"; *out_count says how many. -EINVAL: not of that
 * form, -E2BIG: more than `max`. Pure; caller frees. */
int batch_slurm_expand(const char *list, int64_t max, char **out, int64_t *out_count,
                       struct err *e);

/* The command that runs `program --node file` once on every node, all ended when one of them
 * fails. Sent TERM itself it kills the others without a grace: on several nodes TERM is for the
 * job's steps (scancel and --signal without "B:" do that), on one for the batch process (with
 * it). NULL-terminated; `out` must stay where it is, and the texts are borrowed. */
enum { BATCH_ARGV_MAX = 16, BATCH_ARG_ROOM = 64 };
struct batch_spread {
    const char *argv[BATCH_ARGV_MAX];
    char nodes[BATCH_ARG_ROOM], tasks[BATCH_ARG_ROOM];
};
void batch_slurm_spread(struct batch_spread *out, int64_t node_count, const char *launcher,
                        const char *program, const char *file);

#endif
