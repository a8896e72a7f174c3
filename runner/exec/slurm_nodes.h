// SPDX-License-Identifier: Apache-2.0
/* Nodes as sinfo shows them, and Slurm's lists of node names. Pure; see slurm_seen.h. */
#ifndef FF_EXEC_SLURM_NODES_H
#define FF_EXEC_SLURM_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/exec/slurm_rows.h"
#include "runner/exec/slurm_words.h"

enum { SLURM_HOST_MAX = 255, SLURM_HOSTS_MAX = 65536 };

enum slurm_node_state {
    SLURM_NODE_UNKNOWN, /* a word that is not in the table */
    SLURM_NODE_UP,      /* has, or can be given, jobs; powered off by Slurm counts as well */
    SLURM_NODE_DRAINED, /* drained, draining, reserved or in maintenance: no new jobs of ours */
    SLURM_NODE_DOWN,
};

struct slurm_node {
    const char *name, *partition; /* live as long as the callback */
    enum slurm_node_state state;
    int64_t cpus, memory_bytes;        /* -1: not told */
    char gpu_type[SLURM_TYPE_MAX + 1]; /* "" none or not told, "mixed" several */
    int64_t gpus;
    const char *reason; /* an operator's, "" for none */
};

struct slurm_node_taker {
    void (*take)(const struct slurm_node *node, void *arg);
    void *arg;
};

/* The output of slurm_argv_sinfo(): each node once per partition. Errors as in slurm_seen.h. */
int slurm_sinfo_read(const char *text, size_t len, const char *nonce,
                     const struct slurm_node_taker *to, struct slurm_count *out);
int slurm_sinfo_json(const char *text, size_t len, const struct slurm_node_taker *to,
                     struct slurm_count *out, struct err *e);

/* "idle", "mixed", "idle+drain", "down*", "DRAINING": by the worst of its words. */
enum slurm_node_state slurm_node_state_read(const char *words);
const char *slurm_node_state_name(enum slurm_node_state s);

/* The GPUs of a node: "gpu:a100:8(S:0-1),mps:100"; 0 and "" when it has none. -EINVAL. */
int slurm_gres_gpus(const char *gres, int64_t *out_gpus, char type[SLURM_TYPE_MAX + 1]);

/* Each name of "n[1-4,07],login": in order, at most `max` of them (and SLURM_HOSTS_MAX).
 *   each   may be NULL: then it only counts
 * Returns the count, -EINVAL or -E2BIG; then `each` was not called. */
typedef void slurm_host_fn(const char *name, void *arg);
int slurm_hosts(const char *list, size_t max, slurm_host_fn *each, void *arg);

size_t slurm_sinfo_columns(const char *names[SLURM_COLUMNS_MAX]); /* for slurm_argv.c */

#endif
