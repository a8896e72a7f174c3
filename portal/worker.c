// SPDX-License-Identifier: Apache-2.0
/* Opens the connection late, and looks at the cluster every few seconds. */
#include "portal/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/portal.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum {
    RETRY_MS = 500,         /* between two tries to connect: a page must not wait for each */
    GPUS_PER_NODE_MAX = 64, /* of the schema */
    NODES_MAX = 10000,
};

void *worker_open(void *arg)
{
    struct worker *w = xnew(struct worker);
    w->portal = arg;
    return w;
}

void worker_close(void *worker)
{
    struct worker *w = worker;
    db_close(w->db);
    free(w);
}

struct db *worker_db(struct worker *w, int *out_r, struct err *e)
{
    if (w->db)
        return w->db;
    int64_t now = now_mono_ms();
    *out_r = -ENOTCONN;
    if (now >= w->retry_ms && db_open(&w->portal->conf.db, DB_PORTAL, &w->db, &w->why) < 0)
        w->retry_ms = now_mono_ms() + RETRY_MS;
    if (!w->db)
        err_set(e, -ENOTCONN, "%s", w->why.text);
    return w->db;
}

static int read_size(struct db *db, struct cluster *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_CLUSTER_GET, DB_NO_ARGS, &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 1)
        return r;
    c->nodes = db_rows_i64(rows, 0);
    c->gpus_per_node = db_rows_i64(rows, 1);
    c->gpus = db_rows_i64(rows, 2);
    return 0;
}

static int read_shapes(struct db *db, struct cluster *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_CLUSTER_SHAPES, DB_NO_ARGS, &rows, e);
    while (r == 0 && c->shape_count < CLUSTER_SHAPES_MAX && (r = db_rows_next(rows, e)) > 0) {
        struct cluster_shape *n = &c->shapes[c->shape_count++];
        r = 0;
        snprintf(n->type, sizeof(n->type), "%s", db_rows_text(rows, 0));
        n->gpus = db_rows_i64(rows, 1);
        n->nodes = db_rows_i64(rows, 2);
    }
    return r;
}

static int read_prices(struct db *db, struct cluster *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_PRICES_NOW, DB_NO_ARGS, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        r = 0;
        if (c->price_count == CLUSTER_TYPES_MAX || db_rows_is_null(rows, 1))
            continue;
        struct gpu_price *p = &c->prices[c->price_count++];
        snprintf(p->type, sizeof(p->type), "%s", db_rows_text(rows, 0));
        p->weight_permille = db_rows_i64(rows, 1);
    }
    return r;
}

int worker_cluster(struct worker *w, const struct cluster **out, struct err *e)
{
    int64_t now = now_mono_ms();
    int r = 0;
    *out = &w->cluster;
    if (w->cluster.read_ms && now - w->cluster.read_ms < CLUSTER_FRESH_MS)
        return 0;
    struct cluster fresh = {.read_ms = now};
    struct db *db = worker_db(w, &r, e);
    if (db)
        r = read_size(db, &fresh, e);
    if (r == 0)
        r = read_shapes(db, &fresh, e);
    if (r == 0)
        r = read_prices(db, &fresh, e);
    if (r == 0)
        w->cluster = fresh;
    return r;
}

struct spec_limits cluster_limits(const struct cluster *c, int64_t time_limit_max_ms)
{
    bool is_known = c->nodes > 0 && c->gpus_per_node > 0;
    int64_t per_node = is_known ? c->gpus_per_node : GPUS_PER_NODE_MAX;
    if (per_node > GPUS_PER_NODE_MAX)
        per_node = GPUS_PER_NODE_MAX;
    return (struct spec_limits){
        .nodes = is_known ? c->nodes : NODES_MAX,
        .gpus_per_node = per_node,
        .gpus = is_known ? c->gpus : (int64_t)NODES_MAX * GPUS_PER_NODE_MAX,
        .time_limit_ms = time_limit_max_ms,
    };
}

int64_t cluster_weight(const struct cluster *c, const char *gpu_type)
{
    int64_t weight = 0;
    bool is_any = strcmp(gpu_type, "any") == 0;
    for (size_t i = 0; i < c->price_count; i++)
        if ((is_any || strcmp(gpu_type, c->prices[i].type) == 0) &&
            c->prices[i].weight_permille > weight)
            weight = c->prices[i].weight_permille;
    return weight;
}
