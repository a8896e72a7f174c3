// SPDX-License-Identifier: Apache-2.0
/* What slurm.c (the executor, submissions) and slurm_stop.c (stops, limits, withdrawals)
 * share. */
#ifndef FF_EXEC_SLURM_INTERNAL_H
#define FF_EXEC_SLURM_INTERNAL_H

#include "runner/exec/slurm.h"
#include "runner/exec/slurm_argv.h"
#include "runner/exec/slurm_look.h"
#include "runner/exec/slurm_table.h"
#include "runner/proto/client.h"

enum { SLURM_SHORT_MS = 30000 }; /* for a call that takes no time */

/* A call of the supervisor's under way; or, with `answer` set, its answer on the way. */
struct asked {
    struct asked *next;
    struct slurm *x;
    struct client_call *call; /* to the agent */
    struct command *command;  /* scontrol */
    char token[EXEC_TOKEN_LEN + 1];
    int64_t limit_ms; /* that is asked for */
    int64_t own_uid;  /* as the agent's greeting said */
    exec_greet_fn *greeted;
    exec_done_fn *done; /* NULL: our own cancel of what must not be */
    void *arg;
    bool is_answered;
    struct exec_answer answer;
};

struct slurm {
    struct executor base;
    struct loop *loop;
    struct exec_slurm_conf conf;
    int64_t epoch;
    struct slurm_table *table;
    struct asked *asked;
    struct loop_timer *tick, *answers;
    struct slurm_look *look;
    struct slurm_nodes *finding; /* nodes */
    int64_t found_ms;            /* monotonic: nodes are fresh until then */
    struct exec_node *nodes;
    size_t node_count;
    struct asked *greeting; /* the first one, which waits for the nodes */
    char look_trouble[sizeof(((struct err *)0)->text)]; /* as last logged */
    char node_trouble[sizeof(((struct err *)0)->text)];
};

struct asked *slurm_asked_new(struct slurm *x, const char *token, exec_done_fn *done,
                              void *arg);
/* Frees first, calls last. */
void slurm_asked_finish(struct asked *a, const struct exec_answer *answer);

/* Answers what needs no question, from the loop. */
void slurm_answer_asked(struct asked *a, int status, const char *text);
void slurm_answer_later(struct slurm *x, exec_done_fn *done, void *arg, int status,
                        const char *text);

/* A client program, run by the agent as the job's user; `fd` (its input; -1: none) and `argv`
 * are taken over. */
void slurm_run_client(struct asked *a, const struct slurm_entry *e, struct slurm_argv *argv,
                      int fd, client_done_fn *done);

/* Ends what must not be: a second run, one over its limit or its grace, one that finds no
 * room. */
void slurm_tidy(struct slurm *x, struct slurm_entry *e, int64_t now);

/* Of struct executor_ops. */
void slurm_stop(struct executor *base, const char *token, const char *why, int64_t grace_ms,
                exec_done_fn *done, void *arg);
void slurm_limit(struct executor *base, const char *token, int64_t limit_ms, exec_done_fn *done,
                 void *arg);

#endif
