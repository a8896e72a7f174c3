// SPDX-License-Identifier: Apache-2.0
/* Questions to Slurm as runnerd's own account: one squeue, then one sacct if it is needed; and
 * the nodes. Rows go to whoever asked; the words stay below. Loop thread only. */
#ifndef FF_EXEC_SLURM_LOOK_H
#define FF_EXEC_SLURM_LOOK_H

#include "runner/exec/slurm.h"
#include "runner/exec/slurm_table.h"

struct slurm_look;

/* 0: squeue and, where it was needed, sacct have answered in full, and every row was seen by
 * its entry. Otherwise some were. */
typedef void slurm_looked_fn(int status, int64_t began_ms, const struct err *why, void *arg);

/* Borrows all. `done` runs once, from the loop, never inside the start; not after the cancel. */
struct slurm_look *slurm_look_start(struct loop *l, const struct exec_slurm_conf *conf,
                                    struct slurm_table *table, slurm_looked_fn *done,
                                    void *arg);
void slurm_look_cancel(struct slurm_look *look); /* NULL is fine */

/* The nodes of the partition, sorted by name, each once. The array is the callee's until `done`
 * returns. */
struct slurm_nodes;
typedef void slurm_nodes_fn(int status, const struct exec_node *nodes, size_t count,
                            const struct err *why, void *arg);
struct slurm_nodes *slurm_nodes_start(struct loop *l, const struct exec_slurm_conf *conf,
                                      slurm_nodes_fn *done, void *arg);
void slurm_nodes_cancel(struct slurm_nodes *n);

/* Runs one of its programs; `argv` is the callee's from now on. */
struct command;
struct slurm_argv;
struct command_answer;
struct command *slurm_run(struct loop *l, const struct exec_slurm_conf *conf,
                          struct slurm_argv *argv, int64_t timeout_ms,
                          void (*done)(const struct command_answer *answer, void *arg),
                          void *arg);

/* 0, or what the answer says is wrong, in one sentence with the program's name. */
int slurm_run_check(const struct command_answer *answer, const char *program, struct err *e);

#endif
