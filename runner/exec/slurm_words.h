// SPDX-License-Identifier: Apache-2.0
/* What Slurm says, in our words: states, answers, refusals, small values. Pure.
 *
 * The files slurm_*.c of this folder are the only ones that know Slurm's words: its command
 * lines (slurm_argv.h), its rows of jobs (slurm_seen.h) and of nodes (slurm_nodes.h), and
 * here what all of them share. Written from Slurm 22.05 to 25.x; whatever it says is judged
 * as outside input.
 */
#ifndef FF_EXEC_SLURM_WORDS_H
#define FF_EXEC_SLURM_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"

enum {
    SLURM_TOKEN_LEN = 32,   /* hexadecimal digits of a launch token */
    SLURM_CLUSTER_MAX = 64, /* bytes of a cluster's name */
    SLURM_TYPE_MAX = 32,    /* bytes of a GPU type's name */
};

/* Ids above are Slurm's own marks ("none", "infinite"). */
static const int64_t SLURM_ID_MAX = 4294967293;

/* What our jobs carry as --comment, before the token. */
#define SLURM_COMMENT "firefly:"

enum slurm_state {
    SLURM_UNKNOWN, /* a word that is not in the table: neither running nor over */
    SLURM_PENDING,
    SLURM_CONFIGURING, /* nodes are allotted (and charged) and are being started */
    SLURM_RUNNING,
    SLURM_SUSPENDED,  /* by Slurm or an operator; it keeps its GPUs */
    SLURM_COMPLETING, /* user code is over, its nodes are being cleaned */
    SLURM_COMPLETED,
    SLURM_FAILED,
    SLURM_CANCELLED,
    SLURM_TIMEOUT,
    SLURM_NODE_FAIL,
    SLURM_PREEMPTED,
    SLURM_OUT_OF_MEMORY,
    SLURM_BOOT_FAIL,
    SLURM_DEADLINE,
    SLURM_REQUEUED, /* sacct's record of a run that was put back: over, the job goes on */
};

/* A state's word in any case; what follows a blank ("CANCELLED by 1001") is not looked at. */
enum slurm_state slurm_state_read(const char *word);
bool slurm_state_is_over(enum slurm_state s);     /* this run will not go on */
const char *slurm_state_name(enum slurm_state s); /* ours: "node_fail" */

/* The state that counts when a client gives several ("RUNNING", "COMPLETING"). */
enum slurm_state slurm_state_join(enum slurm_state a, enum slurm_state b);

/* What became of a command, by what it wrote on standard error. */
enum slurm_answer {
    SLURM_AMBIGUOUS, /* it may have been done: look before it is repeated */
    SLURM_GONE,      /* the job is over or was never there */
    SLURM_FAULT,     /* refused, for a reason of the job's own that will not pass */
    SLURM_TROUBLE,   /* not done, for a reason of the site's that passes: ask again */
};

/* Reads what a client that ended with failure (or was stopped by us) wrote. A text in which no
 * known sentence stands is SLURM_AMBIGUOUS, and so is one in which a doubtful sentence stands
 * beside a certain one. `why` is one sentence, with the remedy where there is one. */
enum slurm_answer slurm_answer_read(const char *text, struct err *why);

/* sbatch --parsable, ended with status 0: "4711" or "4711;cluster" and a newline.
 *   cluster   "" when none is said
 * -EINVAL: anything else. Then nothing is known, and the job may be there. */
struct slurm_accepted {
    int64_t id;
    char cluster[SLURM_CLUSTER_MAX + 1];
};
int slurm_accepted_read(const char *text, struct slurm_accepted *out, struct err *e);

/* `sinfo --version`: "slurm 22.05.8", "slurm-wlm 22.05.8-4". */
struct slurm_version {
    int major, minor, patch;
    bool is_known; /* 22.05 to 25.x, for which these words were written */
    bool has_json; /* --json of squeue, sacct and sinfo */
};
int slurm_version_read(const char *text, struct slurm_version *out, struct err *e);

/* The GPUs in a list of TRES: "cpu=4,mem=2000M,gres/gpu=4,gres/gpu:a100=4".
 *   out_gpus  -1 when the list names none: Slurm then does not count them, which is not 0
 *   type      "" not told, "mixed" several
 * -EINVAL: a count that is no number; the outputs are untouched. */
int slurm_tres_gpus(const char *tres, int64_t *out_gpus, char type[SLURM_TYPE_MAX + 1]);

/* Why Slurm lets a job wait, for a person: its own word where we have none. */
const char *slurm_reason_text(const char *reason);

/* Our token in a comment; false (and "") for any other comment. */
bool slurm_token_read(const char *comment, char out[SLURM_TOKEN_LEN + 1]);

/* "Unknown", "None", "N/A", "(null)", "UNLIMITED", "" and the like: no value. */
bool slurm_is_nothing(const char *text);

/* "[D-]HH:MM:SS", "MM:SS": seconds. -EINVAL, -ERANGE (over a hundred years). */
int slurm_duration_read(const char *text, int64_t *out_s);

/* Whole minutes, rounded up: what Slurm makes of a limit. */
int64_t slurm_minutes(int64_t ms);

#endif
