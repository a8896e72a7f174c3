// SPDX-License-Identifier: Apache-2.0
/* What each worker of portald has for itself: a database connection, and a short memory of
 * the cluster.
 *
 * The connection is opened when it is first needed and again after it was lost, so portald
 * starts, and goes on, without its database. One worker, one thread. */
#ifndef FF_PORTAL_WORKER_H
#define FF_PORTAL_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/db/db.h"
#include "runner/job/spec.h"

struct portal;

enum { CLUSTER_TYPES_MAX = 32, CLUSTER_SHAPES_MAX = 64 };

struct gpu_price {
    char type[33];
    int64_t weight_permille;
};

/* Nodes that are alike. */
struct cluster_shape {
    char type[33];
    int64_t gpus, nodes;
};

/* As it was at most CLUSTER_FRESH_MS ago. */
enum { CLUSTER_FRESH_MS = 5000 };
struct cluster {
    int64_t read_ms; /* by now_mono_ms(); 0: never */
    int64_t nodes, gpus_per_node,
        gpus; /* of all nodes that are not down; 0, 0, 0: none has told yet */
    struct gpu_price prices[CLUSTER_TYPES_MAX];
    size_t price_count;
    struct cluster_shape shapes[CLUSTER_SHAPES_MAX]; /* the largest first; with GPUs alone */
    size_t shape_count;
};

struct worker {
    const struct portal *portal;
    struct db *db;    /* NULL: not open */
    int64_t retry_ms; /* by now_mono_ms(): not before this … */
    struct err why;   /* … because the last try failed so */
    struct cluster cluster;
};

/* For work_pool_new(): `arg` is the portal. */
void *worker_open(void *arg);
void worker_close(void *worker);

/* The connection; NULL with -ENOTCONN in *out_r and the cause in `e` when there is none to
 * be had. */
struct db *worker_db(struct worker *w, int *out_r, struct err *e);

/* The cluster's size and prices; borrowed until the next call. */
int worker_cluster(struct worker *w, const struct cluster **out, struct err *e);

/* What one job may ask for. Until a node has told its size the schema's own limits hold. */
struct spec_limits cluster_limits(const struct cluster *c, int64_t time_limit_max_ms);

/* The weight a job of this type holds at; "any" is the dearest; 0: no price. */
int64_t cluster_weight(const struct cluster *c, const char *gpu_type);

#endif
