// SPDX-License-Identifier: Apache-2.0
/* What is true of an attempt that runs below Slurm, from what was asked and what was seen. Pure.
 *
 * An attempt is looked for by its token, and what Slurm calls it is (cluster, id, submit time): an
 * id alone may be another job's tomorrow. While it may have been submitted and was not yet looked
 * for, nothing is concluded and nothing is submitted again. It is absent only after a complete look
 * (squeue and sacct, both answered) that began settle_ms after the last asking: a slurmctld that
 * was stopped takes up to its MessageTimeout to obey what it had received.
 *
 * A token may be found twice: when a submission that seemed lost was not, or when somebody requeued
 * the job. User code runs only in the run that began first, because runner-task claims the token; so
 * that run counts, and the others are `surplus`, to be cancelled.
 */
#ifndef FF_EXEC_SLURM_ATTEMPT_H
#define FF_EXEC_SLURM_ATTEMPT_H

#include "runner/exec/executor.h"
#include "runner/exec/slurm_seen.h"

enum { SLURM_NODES_TEXT_MAX = 1000, SLURM_REASON_MAX = 64 };

/* A row, kept. */
struct slurm_run {
    int64_t id; /* 0: none */
    int64_t submit_ms, start_ms, end_ms, elapsed_s, limit_ms, restarts;
    int64_t seen_ms; /* our clock, when it was seen last */
    enum slurm_state state;
    int exit_code, signal_no;
    int64_t gpus, cancelled_by_uid;
    bool is_final; /* sacct's word on a run that is over */
    char cluster[SLURM_CLUSTER_MAX + 1], reason[SLURM_REASON_MAX + 1];
    char nodes[SLURM_NODES_TEXT_MAX + 1], gpu_type[SLURM_TYPE_MAX + 1];
};

enum slurm_phase {
    SLURM_DOUBTFUL, /* it may have been submitted */
    SLURM_ASKING,   /* sbatch is under way */
    SLURM_KNOWN,    /* sbatch said so, or it was seen */
    SLURM_ABSENT,   /* it is not there */
};

struct slurm_attempt {
    char token[EXEC_TOKEN_LEN + 1], name[40];
    int64_t job, attempt, uid, created_ms;
    enum slurm_phase phase;
    int64_t asked_ms; /* the end of the last submission */
    int64_t accepted; /* the id that sbatch gave; 0: none */
    int64_t limit_ms; /* of its run time, as asked; 0: by an earlier runnerd */
    struct slurm_run run;
    int64_t surplus; /* id of a run that must not be, to be cancelled; 0: none */
    bool is_stopped, is_withdrawn;
    char why[32]; /* of the stop */
};

/* Sees a row of this attempt's token, from sacct or from squeue. */
void slurm_attempt_see(struct slurm_attempt *a, const struct slurm_seen *seen, bool is_sacct,
                       int64_t now_ms);

/* After every row of a look was seen: `began_ms` is when the look began. */
void slurm_attempt_looked(struct slurm_attempt *a, int64_t began_ms, int64_t settle_ms);

/* Whether sacct has something to say about it that squeue has not. */
bool slurm_attempt_wants_sacct(const struct slurm_attempt *a, int64_t look_began_ms);

/* It waits in Slurm's queue for longer than that: since when it waits; 0: it does not. */
int64_t slurm_attempt_waits_since(const struct slurm_attempt *a);

void slurm_attempt_status(const struct slurm_attempt *a, int64_t now_ms,
                          struct exec_status *out);

#endif
