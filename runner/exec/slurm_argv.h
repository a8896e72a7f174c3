// SPDX-License-Identifier: Apache-2.0
/* Slurm's command lines: what its clients are called with. Pure; nothing here starts
 * anything.
 *
 * Each is an argument vector for execve, never a shell's line, and every value in it is
 * checked: no control character, no leading '-', the letters that its place allows. -EINVAL
 * names the value. The environment is the caller's, and must be no more than
 *
 *   SLURM_CONF         the site's, where it is not /etc/slurm/slurm.conf
 *   SLURM_TIME_FORMAT  %s for squeue and sacct, else their times are local, without a zone; but
 *                      not with --json, where it breaks the window of 22.05's sacct
 *   TZ, PATH, LANG     C.UTF-8; and for sbatch HOME, USER, LOGNAME, SHELL of the job's user
 *
 * because sbatch takes options from SBATCH_… variables, and what is there reaches the job:
 * with --export=ALL that clean environment is the job's. (With NONE or a list slurmd runs the
 * user's login shell on the node to make up one, for seconds.) The script on sbatch's
 * standard input must be ours, never the user's: sbatch obeys the #SBATCH lines in it.
 */
#ifndef FF_EXEC_SLURM_ARGV_H
#define FF_EXEC_SLURM_ARGV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"

enum {
    SLURM_ARGV_MAX = 40,
    SLURM_IDS_MAX = 10000, /* in one call: the kernel allows an argument 128 KiB */
};

struct slurm_argv {
    char *items[SLURM_ARGV_MAX + 1]; /* items[0]: the program's name; NULL after the last */
    size_t count;
};
void slurm_argv_done(struct slurm_argv *a); /* AUTO(slurm_argv_done) */

/* A setting that is "" leaves the choice to Slurm. */
static inline const char *slurm_choice(const char *setting)
{
    return *setting ? setting : NULL;
}

/* A job to submit. A text that may be NULL leaves the choice to Slurm. */
struct slurm_submit {
    const char *token; /* 32 hexadecimal digits; goes along as the comment */
    const char *name;  /* unique to the attempt, as "firefly-4711-2": searches go by it */
    const char *cluster, *partition, *account, *qos; /* each may be NULL */
    const char *nodelist;                            /* "n[1-2],n7"; NULL: Slurm places */
    const char *gpu_type;                            /* "" or "any": no type */
    const char *output; /* absolute, of both output streams; appended to, never cut */
    const char *folder; /* absolute: where the script starts */
    int64_t nodes, gpus_per_node;
    int64_t cpus, memory_bytes; /* per node; 0: the partition's default */
    int64_t limit_ms;      /* run time that remains. Slurm counts minutes: --time is limit and
                                 * grace, rounded up, so the limit itself is ours to keep */
    int64_t grace_ms;      /* SIGTERM comes so long before the end: on one node to the batch
                            * script, on several to what it launched */
    bool by_gpus_per_node; /* --gpus-per-node instead of --gres */
};
int slurm_argv_sbatch(struct slurm_argv *out, const struct slurm_submit *s, struct err *e);

/* A job known to Slurm. Ids are given again to other jobs: `name` (NULL: any) must be its name
 * too, or nothing is cancelled. */
struct slurm_target {
    int64_t id;
    const char *cluster, *name;
    bool is_spread;  /* on several nodes: its batch process is only the launcher */
    bool is_waiting; /* it is cancelled only if it has not begun */
};

/* Ends the job. With `is_notice`: sends SIGTERM to its batch script and to nothing else, or,
 * where it is spread, to what the launcher runs and not to the launcher; only of a job that
 * runs (scancel waits for one that is pending). That status is 0 says little: a job that is
 * gone gives it too. */
int slurm_argv_scancel(struct slurm_argv *out, const struct slurm_target *t, bool is_notice,
                       struct err *e);

/* Another limit, in the minutes of slurm_minutes(). Only Slurm's operators may raise one. */
int slurm_argv_limit(struct slurm_argv *out, const struct slurm_target *t, int64_t minutes,
                     struct err *e);

/* What to list. `nonce` (8 to 32 letters and digits, fresh and random each time) goes into the
 * columns' separator: a comment is any user's text, and could else pretend to be a row of its
 * own. Give the same to the reader. NULL: as JSON, which is larger by a factor of 20. */
struct slurm_ask {
    const char *nonce;
    const char *cluster;  /* NULL: the one of slurm.conf */
    const char *name;     /* one job's name; NULL: any */
    const int64_t *ids;   /* of live jobs; NULL: all */
    size_t id_count;      /* at most SLURM_IDS_MAX */
    int64_t oldest_ago_s; /* sacct: how long ago the oldest of them was submitted */
};

/* All of our jobs in one call: pending, running, and what slurmctld still remembers
 * (MinJobAge). slurm_squeue_read() or slurm_squeue_json(). */
int slurm_argv_squeue(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e);

/* Every run of the jobs, those put back too, from a day before the oldest. A job's comment is
 * in sacct only once it is over. slurm_sacct_read() or slurm_sacct_json(). */
int slurm_argv_sacct(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e);

/* Each node once per partition; only `nonce` and `cluster` count. slurm_sinfo_read(),
 * _json(). */
int slurm_argv_sinfo(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e);

int slurm_argv_version(struct slurm_argv *out, struct err *e); /* slurm_version_read() */

#endif
