// SPDX-License-Identifier: Apache-2.0
/* What the keepers write down, and how everybody else reads it.
 *
 *   spool/TOKEN/start    once, before user code runs: who and when
 *   spool/TOKEN/beat     each second: run time so far, and the limit it is held to
 *   spool/TOKEN/exit     once: how it ended. Present = the attempt is over
 *   spool/TOKEN/lock     locked by the keeper while it lives; the kernel lets go when it dies
 *   spool/TOKEN/control  the keeper's socket (verbs stop and limit), for the agent
 *
 * Files appear whole or not at all (written aside, fsync, rename, fsync of the folder). Only
 * the keeper of an entry writes it; runnerd and the agent read. No user can reach the spool.
 */
#ifndef FF_PROTO_SPOOL_H
#define FF_PROTO_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"
#include "runner/base/now.h"

enum { SPOOL_TOKEN_MAX = 64, SPOOL_CAUSE_MAX = 31 };

enum spool_state {
    SPOOL_STARTING, /* a keeper lives, `start` is not written: no user code has run */
    SPOOL_RUNNING,  /* a keeper lives, the attempt goes on */
    SPOOL_OVER,     /* `exit` is written */
    SPOOL_DEAD, /* no keeper and no `exit`. With `start`: lost. Without: user code never ran */
};

struct spool_entry {
    enum spool_state state;
    char token[SPOOL_TOKEN_MAX + 1];

    bool has_start;
    int64_t job, attempt;
    pid_t keeper, task;
    char boot_id[BOOT_ID_LEN + 1]; /* the boot it ran in */
    int64_t started_ms;            /* wall clock */
    int64_t started_boot_ms;       /* CLOCK_BOOTTIME of that boot */

    bool has_beat;
    int64_t run_ms;   /* run time so far, by CLOCK_BOOTTIME; final when over */
    int64_t beat_ms;  /* wall clock of the last beat */
    int64_t limit_ms; /* of run_ms; 0: not known yet */

    bool has_exit;
    int exit_code; /* -1 when a signal ended it */
    int signal;    /* 0 when it exited */
    char
        cause[SPOOL_CAUSE_MAX + 1]; /* natural, limit, memory, shutdown, or the `why` of stop */
    int64_t ended_ms;
    int64_t log_bytes, log_dropped; /* kept in the log, and thrown away above its cap */
    bool is_left; /* processes could not be killed within 10 s: do not use its GPUs again yet */
};

/* [a-z0-9][a-z0-9-]*, at most SPOOL_TOKEN_MAX: safe as a file's and as a cgroup's name. */
bool spool_token_is_valid(const char *token);
const char *spool_state_name(enum spool_state s); /* "starting", "running", "over", "dead" */

/* Reads one entry. -ENOENT: there is none. -EBADMSG: a file is not what a keeper writes. */
int spool_read(const char *spool, const char *token, struct spool_entry *out, struct err *e);

/* The tokens of all entries, sorted. */
struct spool_list {
    char (*tokens)[SPOOL_TOKEN_MAX + 1];
    size_t count;
};
int spool_list(const char *spool, struct spool_list *out, struct err *e);
void spool_list_done(struct spool_list *list);

/* Removes an entry. The caller has made sure that no keeper lives. 0 too when there is none. */
int spool_remove(const char *spool, const char *token, struct err *e);

/* For the keeper. spool_make() makes the entry in the open folder `spool` and locks it before
 * anybody can see it; -EEXIST: the token was used. The lock is held as long as *out_lock is
 * open. `entry` is the open folder of the entry. */
int spool_make(int spool, const char *token, int *out_entry, int *out_lock, struct err *e);
int spool_write_start(int entry, const struct spool_entry *s, struct err *e);
int spool_write_beat(int entry, const struct spool_entry *s, struct err *e);
int spool_write_exit(int entry, const struct spool_entry *s, struct err *e);

#endif
