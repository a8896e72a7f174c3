// SPDX-License-Identifier: Apache-2.0
/* Jobs as squeue and sacct show them: each row, in whatever form, as one struct. Pure.
 *
 *   struct slurm_count count;
 *   r = slurm_squeue_read(out, len, nonce, &(struct slurm_taker){on_seen, x}, &count);
 *
 * A row that cannot be read is counted and the others are still given. Nothing that is
 * unknown is ever 0: numbers are then -1, texts "". What Slurm only expects is unknown too,
 * such as the start of a pending job and the end of a running one.
 *
 * A job is known by (cluster, id, submit_ms): ids are given again, and a requeue changes the
 * submit time. The token is what its comment says, and any user may write that comment and
 * read ours: believe it only where `uid` or `user` is the job's. What a row says of itself is
 * otherwise slurmctld's or slurmdbd's word.
 */
#ifndef FF_EXEC_SLURM_SEEN_H
#define FF_EXEC_SLURM_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/exec/slurm_rows.h"
#include "runner/exec/slurm_words.h"

struct slurm_seen {
    const char *cluster; /* texts live as long as the callback */
    int64_t id, submit_ms;
    char token[SLURM_TOKEN_LEN + 1]; /* "": no comment of ours (sacct has none of a live job) */
    int64_t uid;                     /* -1: told by name, or not at all */
    const char *user;
    enum slurm_state state;
    const char *reason; /* Slurm's word: "Resources", "NonZeroExitCode" */
    int64_t start_ms;   /* -1 also where it never ran: over, with no node and no time */
    int64_t end_ms;
    int64_t elapsed_s; /* run time without suspensions, by Slurm */
    int64_t limit_ms;
    int exit_code;      /* 0 only of a completed job; -1: none, or not told */
    int signal_no;      /* 0: none; 125 is Slurm's for "out of memory" */
    const char *nodes;  /* "n[1-2]", see slurm_hosts(); while sacct lags, not yet all */
    int64_t node_count; /* allotted, or asked for while it is pending */
    int64_t gpus;       /* allotted, on all nodes */
    char gpu_type[SLURM_TYPE_MAX + 1];
    int64_t restarts;         /* squeue alone tells */
    int64_t cancelled_by_uid; /* sacct's rows alone tell */
};

/* `seen` is the reader's, and good until the function returns. */
struct slurm_taker {
    void (*take)(const struct slurm_seen *seen, void *arg);
    void *arg;
};

/* The parsable output of slurm_argv_squeue() and slurm_argv_sacct(), with the same nonce. Times
 * must be seconds (SLURM_TIME_FORMAT=%s), else every row is bad. -EINVAL: not a nonce. */
int slurm_squeue_read(const char *text, size_t len, const char *nonce,
                      const struct slurm_taker *to, struct slurm_count *out);
int slurm_sacct_read(const char *text, size_t len, const char *nonce,
                     const struct slurm_taker *to, struct slurm_count *out);

/* Their --json, of 22.05 (plain numbers, states as text) and of 23.02 and later (numbers as
 * {set, infinite, number}, states as arrays). -EINVAL, -E2BIG: no JSON, or over 256 MiB;
 * -EIO: it carries an error of Slurm's, which `e` tells; -EBADMSG: no list of jobs in it. */
int slurm_squeue_json(const char *text, size_t len, const struct slurm_taker *to,
                      struct slurm_count *out, struct err *e);
int slurm_sacct_json(const char *text, size_t len, const struct slurm_taker *to,
                     struct slurm_count *out, struct err *e);

/* The columns to ask for, for slurm_argv.c; the number of them. */
size_t slurm_squeue_columns(const char *names[SLURM_COLUMNS_MAX]);
size_t slurm_sacct_columns(const char *names[SLURM_COLUMNS_MAX]);

/* For the readers of both forms: nothing known yet; and, when all is set, what follows from the
 * state, in place. */
void slurm_seen_init(struct slurm_seen *s);
void slurm_seen_settle(struct slurm_seen *s);

#endif
