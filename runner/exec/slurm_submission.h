// SPDX-License-Identifier: Apache-2.0
/* A submission of the executor slurm: what sbatch gets, and what its answer means. Nothing here
 * waits. */
#ifndef FF_EXEC_SLURM_SUBMISSION_H
#define FF_EXEC_SLURM_SUBMISSION_H

#include "runner/exec/slurm.h"
#include "runner/exec/slurm_argv.h"
#include "runner/exec/slurm_attempt.h"

/* The batch file (runner/task/batch.h), sealed, for sbatch's standard input. A descriptor, the
 * caller's; -EINVAL. */
int slurm_submission_script(const struct exec_slurm_conf *conf, const struct exec_ask *ask,
                            struct err *e);

/* The command line. `name` is the job's in Slurm. -EINVAL, with the value that it refuses. */
int slurm_submission_argv(const struct exec_slurm_conf *conf, const struct exec_ask *ask,
                          const char *name, struct slurm_argv *out, struct err *e);

/* What sbatch said: SLURM_KNOWN with its number, SLURM_ABSENT (refused, for good or for now),
 * or SLURM_DOUBTFUL. */
struct agent_client_reply;
enum slurm_phase slurm_submission_read(const struct agent_client_reply *reply,
                                       int64_t *out_accepted, struct exec_answer *out);

/* The agent did not answer, or refused to run sbatch. */
struct client_answer;
enum slurm_phase slurm_submission_silence(const struct client_answer *answer,
                                          struct exec_answer *out);

#endif
