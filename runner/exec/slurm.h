// SPDX-License-Identifier: Apache-2.0
/* The executor slurm: attempts are Slurm's jobs.
 *
 *   submit, cancel      sbatch and scancel as the job's own user, run by runner-agent
 *   look, nodes, limit  squeue, sacct, sinfo and scontrol as runnerd's own account; one squeue and
 *                       at most one sacct for all attempts, no more often than each SLURM_LOOK_MS
 *
 * What is concluded from what was seen is slurm_attempt.h's; the words are slurm_argv.h's and
 * slurm_seen.h's. After a restart every live attempt is looked for before anything else is
 * done with it. What waits in Slurm's queue for longer than pending_max_ms is withdrawn.
 *
 * A stop tells the ranks and gives them the grace, as the end of the limit does: Slurm counts
 * minutes, so its own --time is only what is left when runnerd is not there. Another limit
 * needs scontrol, which Slurm allows to its operators alone: to others it is refused for good.
 *
 * Charged is what sacct says: ElapsedRaw, whole seconds between two readings of slurmctld's
 * clock, without suspensions, of the run that began first. No other clock is in it. What
 * runner-task writes into the job's folder lies in the user's hands: a person may compare it,
 * nothing is settled by it. Until sacct has an end, the attempt runs; what slurmctld and
 * slurmdbd have both forgotten is lost, and charged until it was seen last.
 *
 * An attempt's log is the file slurm_log_name() in the job's folder, written as the user.
 */
#ifndef FF_EXEC_SLURM_H
#define FF_EXEC_SLURM_H

#include "runner/base/loop.h"
#include "runner/exec/executor.h"

enum { SLURM_LOOK_MS = 2000, SLURM_LOG_NAME_MAX = 40 };

enum slurm_accounts { SLURM_ACCOUNTS_SITE, SLURM_ACCOUNTS_PROJECTS };

/* Borrowed for as long as the executor lives. "" leaves a choice to Slurm. */
struct client;
struct exec_slurm_conf {
    struct client *agent;
    const char *programs;   /* folder of squeue, sacct, sinfo, scontrol */
    const char *slurm_conf; /* SLURM_CONF, or "" */
    const char *cluster, *partition, *account, *qos;
    int64_t accounts;           /* enum slurm_accounts; PROJECTS: `account` is not used */
    const char *account_prefix; /* a project's account is this and the project's name */
    bool is_ours; /* nobody else submits to the partition: our places are given along */
    bool by_gpus_per_node;       /* --gpus-per-node instead of --gres */
    const char *jobs, *projects; /* folders, on every node the same */
    const char *task, *launcher; /* runner-task and srun, on every node */
    int64_t call_deadline_ms, submit_deadline_ms, settle_ms, pending_max_ms;
};

/* Caller frees with ops->free. */
struct executor *exec_slurm_new(struct loop *l, const struct exec_slurm_conf *conf);

/* Of attempt number `attempt`, in the job's folder. */
void slurm_log_name(int64_t attempt, char out[SLURM_LOG_NAME_MAX]);

#endif
