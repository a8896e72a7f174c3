// SPDX-License-Identifier: Apache-2.0
/* What is true of an attempt that runs below Slurm, from what was asked and what was seen.
 * Pure.
 *
 * An attempt is looked for by its token, and what Slurm calls it is (cluster, id, submit
 * time): an id alone may be another job's tomorrow. While it may have been submitted and was
 * not yet looked for, nothing is concluded and nothing is submitted again. It is absent only
 * when complete looks (squeue and sacct, both answered) have missed it for settle_ms, the
 * first of them too after the last asking: a slurmctld that was stopped takes up to its
 * MessageTimeout to obey what it had received, and sacct lags.
 *
 * squeue alone says what lives, sacct what is over: its rows of live jobs lag, and one that
 * slurmctld has forgotten stays RUNNING there for ever. A row of sacct's counts once it has an
 * end; if none comes for settle_ms, squeue's word on the end does, which was seen before.
 *
 * A token may be found twice: when a submission that seemed lost was not, or when somebody
 * requeued the job. User code runs only in the run that began first, because runner-task
 * claims the token; so that run counts, and the others are `surplus`, to be cancelled. A run
 * that had begun and waits again, because slurmctld was killed before it wrote that down, is
 * surplus as well, and lost.
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
    bool is_final; /* the last word on a run that is over */
    char cluster[SLURM_CLUSTER_MAX + 1], reason[SLURM_REASON_MAX + 1];
    char nodes[SLURM_NODES_TEXT_MAX + 1];
};

enum slurm_phase {
    SLURM_DOUBTFUL, /* it may have been submitted */
    SLURM_ASKING,   /* sbatch is under way */
    SLURM_KNOWN,    /* sbatch said so, or it was seen */
    SLURM_ABSENT,   /* it is not there */
};

struct slurm_attempt {
    char token[EXEC_TOKEN_LEN + 1], name[40];
    int64_t job, attempt, created_ms;
    enum slurm_phase phase;
    int64_t asked_ms;  /* the end of the last submission */
    int64_t missed_ms; /* when the first look began that missed it; 0: the last one did not */
    int64_t accepted;  /* the id that sbatch gave; 0: none */
    int64_t limit_ms;  /* of its run time, that it is held to */
    int64_t grace_ms;  /* from TERM to the end; Slurm sends that TERM before its own limit */
    bool is_adopted;   /* an earlier runnerd's: Slurm's limit may still be an older one */
    struct slurm_run run;
    int64_t surplus; /* id of a run that must not be, to be cancelled; 0: none */
    int64_t over_ms; /* our clock, when squeue first showed its end; 0: it has not */
    bool is_stopped, is_withdrawn;
    bool is_forgotten;                     /* it had begun, and slurmctld knows it no more */
    char why[32];                          /* of the stop */
    char waited_for[SLURM_REASON_MAX + 1]; /* when it was withdrawn, in Slurm's word */
};

/* It is submitted, for the first time or again: what was known of an earlier submission, which is
 * absent, holds no more. A stop stays. */
void slurm_attempt_begin(struct slurm_attempt *a);

/* Sees a row of this attempt's token, from sacct or from squeue. */
void slurm_attempt_see(struct slurm_attempt *a, const struct slurm_seen *seen, bool is_sacct,
                       int64_t now_ms);

/* After every row of a look was seen: `began_ms` is when the look began. */
void slurm_attempt_looked(struct slurm_attempt *a, int64_t began_ms, int64_t settle_ms);

/* After every look, whole or not: what squeue said of an end holds when sacct has added
 * nothing to it for settle_ms, as while slurmdbd is away. */
void slurm_attempt_settle(struct slurm_attempt *a, int64_t now_ms, int64_t settle_ms);

/* Whether sacct has something to say about it that squeue has not. */
bool slurm_attempt_wants_sacct(const struct slurm_attempt *a, int64_t look_began_ms);

/* It waits in Slurm's queue: since when; 0: it does not. */
int64_t slurm_attempt_waits_since(const struct slurm_attempt *a);

/* It runs, and has for longer than its limit: Slurm counts minutes, and looks twice in one. */
bool slurm_attempt_is_over_limit(const struct slurm_attempt *a, int64_t now_ms);

bool slurm_attempt_is_running(const struct slurm_attempt *a); /* as far as is known */

void slurm_attempt_status(const struct slurm_attempt *a, struct exec_status *out);

#endif
