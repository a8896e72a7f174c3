// SPDX-License-Identifier: Apache-2.0
/* What runs the jobs, as the configuration says: the sections [node], [fake] and [slurm], and the
 * executor that is made of them. */
#ifndef FF_DAEMON_MACHINE_H
#define FF_DAEMON_MACHINE_H

#include "runner/base/conf.h"
#include "runner/base/loop.h"
#include "runner/exec/executor.h"

extern const char *const machine_executors[]; /* "local", "fake", "slurm"; NULL-terminated */

struct machine_conf {
    int64_t executor;  /* index in machine_executors */
    const char *spool; /* of the keepers */
    int64_t call_deadline_ms;
};

struct machine;

/* -EINVAL: a bad line of those sections. Texts are borrowed from `c`. */
int machine_new(struct conf *c, const struct machine_conf *conf, struct machine **out,
                struct err *e);
/* Makes the executor, which asks runner-agent through `agent`. */
struct client;
int machine_open(struct machine *m, struct loop *l, struct client *agent, struct err *e);
void machine_free(struct machine *m); /* with the executor */

struct executor *machine_executor(const struct machine *m);

/* The section [slurm], whichever executor runs. */
struct exec_slurm_conf;
const struct exec_slurm_conf *machine_slurm(const struct machine *m);

/* This machine, and its GPUs or declared slots. */
const struct exec_node *machine_node(const struct machine *m);
const struct agent_gpu *machine_gpus(const struct machine *m);
/* They are GPUs, and jobs run on them: NVML says what they do. */
bool machine_has_driver(const struct machine *m);
/* Attempts write their log as the user, into the job's folder. */
bool machine_logs_in_folders(const struct machine *m);

#endif
