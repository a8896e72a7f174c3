// SPDX-License-Identifier: Apache-2.0
/* sinfo --json: in 22.05 a list "nodes" with one object per node; from 23.02 on a list
 * "sinfo" of groups, each of nodes that are alike in one partition. */
#include "runner/exec/slurm_nodes.h"

#include <errno.h>
#include <string.h>

#include "runner/exec/slurm_json.h"

enum { WORDS_MAX = 16 };

/* The words of a state: one text, or a list of them; the worst counts. */
static enum slurm_node_state state(const json_t *v)
{
    enum slurm_node_state worst = SLURM_NODE_UNKNOWN;
    if (json_is_string(v))
        return slurm_node_state_read(json_string_value(v));
    for (size_t i = 0; i < json_array_size(v) && i < WORDS_MAX; i++) {
        enum slurm_node_state s = slurm_node_state_read(slurm_json_text(json_array_get(v, i)));
        worst = s > worst ? s : worst;
    }
    return worst;
}

static int set_sizes(struct slurm_node *n, const json_t *cpus, const json_t *mib,
                     const char *gres, struct err *why)
{
    int64_t memory = slurm_json_number(mib);
    n->cpus = slurm_json_number(cpus);
    n->memory_bytes = memory < 0 || memory > INT64_MAX >> 20 ? -1 : memory << 20;
    if (slurm_gres_gpus(gres, &n->gpus, n->gpu_type) < 0)
        return err_set(why, -EBADMSG, "node %.64s: gres: '%.64s' is not understood", n->name,
                       gres);
    return 0;
}

static void give(const struct slurm_node *n, const struct slurm_node_taker *to,
                 struct slurm_count *out)
{
    struct err why;
    if (!*n->name) {
        err_set(&why, 0, "a node without a name");
        slurm_count_bad(out, &why);
        return;
    }
    out->rows++;
    to->take(n, to->arg);
}

/* An object of "nodes": given once for each of its partitions. */
static void take_node(const json_t *o, const struct slurm_node_taker *to,
                      struct slurm_count *out)
{
    struct slurm_node n = {.name = slurm_json_text(json_object_get(o, "name")),
                           .partition = ""};
    const json_t *partitions = json_object_get(o, "partitions");
    struct err why;
    enum slurm_node_state flags = state(json_object_get(o, "state_flags"));
    n.state = state(json_object_get(o, "state"));
    n.state = flags > n.state ? flags : n.state;
    n.reason = slurm_json_text(json_object_get(o, "reason"));
    if (set_sizes(&n, json_object_get(o, "cpus"), json_object_get(o, "real_memory"),
                  slurm_json_text(json_object_get(o, "gres")), &why) < 0) {
        slurm_count_bad(out, &why);
        return;
    }
    for (size_t i = 0; i == 0 || i < json_array_size(partitions); i++) {
        n.partition = slurm_json_text(json_array_get(partitions, i));
        give(&n, to, out);
    }
}

/* An object of "sinfo": a group. Sizes are told as the least and the most; the least is sure.
 */
static void take_group(const json_t *o, const struct slurm_node_taker *to,
                       struct slurm_count *out)
{
    const json_t *names = json_object_get(json_object_get(o, "nodes"), "nodes");
    const json_t *reason = json_object_get(o, "reason");
    struct slurm_node n = {.name = ""};
    struct err why;
    n.partition = slurm_json_text(json_object_get(json_object_get(o, "partition"), "name"));
    n.state = state(json_object_get(json_object_get(o, "node"), "state"));
    n.reason = slurm_json_text(json_is_object(reason) ? json_object_get(reason, "description")
                                                      : reason);
    if (set_sizes(&n, json_object_get(json_object_get(o, "cpus"), "minimum"),
                  json_object_get(json_object_get(o, "memory"), "minimum"),
                  slurm_json_text(json_object_get(json_object_get(o, "gres"), "total")),
                  &why) < 0) {
        slurm_count_bad(out, &why);
        return;
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        n.name = slurm_json_text(json_array_get(names, i));
        give(&n, to, out);
    }
}

int slurm_sinfo_json(const char *data, size_t len, const struct slurm_node_taker *to,
                     struct slurm_count *out, struct err *e)
{
    AUTO(json_freep) json_t *root = NULL;
    *out = (struct slurm_count){0};
    int r = slurm_json_open(data, len, &root, e);
    if (r < 0)
        return r;
    const json_t *nodes = json_object_get(root, "nodes");
    const json_t *groups = json_object_get(root, "sinfo");
    if (!json_is_array(nodes) && !json_is_array(groups))
        return err_set(e, -EBADMSG, "Slurm's JSON has no list of nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++)
        take_node(json_array_get(nodes, i), to, out);
    for (size_t i = 0; i < json_array_size(groups); i++)
        take_group(json_array_get(groups, i), to, out);
    return 0;
}
