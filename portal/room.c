// SPDX-License-Identifier: Apache-2.0
/* Counts the nodes that a job could have, by type and size. */
#include "portal/room.h"

#include <inttypes.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"

enum { TYPES_TEXT_MAX = 400 };

static bool is_any(const char *type)
{
    return strcmp(type, "any") == 0;
}

static bool has_type(const struct cluster_shape *n, const char *type)
{
    return is_any(type) || strcmp(n->type, type) == 0;
}

/* The largest node of the type; NULL: there is none. */
static const struct cluster_shape *largest(const struct cluster *c, const char *type)
{
    const struct cluster_shape *best = NULL;
    for (size_t i = 0; i < c->shape_count; i++)
        if (has_type(&c->shapes[i], type) && (!best || c->shapes[i].gpus > best->gpus))
            best = &c->shapes[i];
    return best;
}

static int64_t nodes_with(const struct cluster *c, const char *type, int64_t gpus)
{
    int64_t nodes = 0;
    for (size_t i = 0; i < c->shape_count; i++)
        if (has_type(&c->shapes[i], type) && c->shapes[i].gpus >= gpus)
            nodes += c->shapes[i].nodes;
    return nodes;
}

/* The most GPUs that so many nodes have each; 0: there are not so many nodes. */
static int64_t gpus_on(const struct cluster *c, const char *type, int64_t nodes)
{
    int64_t best = 0;
    for (size_t i = 0; i < c->shape_count; i++)
        if (c->shapes[i].gpus > best && nodes_with(c, type, c->shapes[i].gpus) >= nodes)
            best = c->shapes[i].gpus;
    return best;
}

static const char *gpus_text(struct arena *a, int64_t gpus, const char *type)
{
    const char *what = is_any(type) ? (gpus == 1 ? "GPU" : "GPUs") : type;
    const char *text = arena_printf(a, "%" PRId64 " %s", gpus, what);
    return text ? text : "";
}

static struct refusal no_type(struct arena *a, const struct cluster *c, const struct spec *s)
{
    AUTO(buf_done) struct buf types = BUF_INIT(TYPES_TEXT_MAX);
    for (size_t i = 0; i < c->shape_count; i++) {
        bool is_told = false;
        for (size_t k = 0; k < i; k++)
            is_told = is_told || strcmp(c->shapes[k].type, c->shapes[i].type) == 0;
        if (!is_told)
            buf_printf(&types, "%s%s", types.len ? ", " : "", c->shapes[i].type);
    }
    return (struct refusal){
        "no-gpu-type",
        "gpu_type",
        arena_printf(a, "No node of the cluster has GPUs of the type %s.", s->gpu_type),
        arena_printf(a, "Choose any type, or one of: %s.",
                     types.failed ? "those offered" : buf_text(&types)),
        422,
        "No node has it"};
}

static struct refusal node_too_small(struct arena *a, const struct spec *s,
                                     const struct cluster_shape *n)
{
    const char *most = gpus_text(a, n->gpus, n->type);
    return (struct refusal){
        "too-large",
        "gpus_per_node",
        arena_printf(a,
                     "The largest node%s%s has %s, and the job asks for %" PRId64 " on each.",
                     is_any(s->gpu_type) ? "" : " with ",
                     is_any(s->gpu_type) ? "" : s->gpu_type, most, s->gpus_per_node),
        arena_printf(a, "Ask for at most %" PRId64 " per node, or for more nodes.", n->gpus),
        422,
        arena_printf(a, "At most %" PRId64 " per node", n->gpus)};
}

static struct refusal too_few_nodes(struct arena *a, const struct cluster *c,
                                    const struct spec *s)
{
    int64_t nodes = nodes_with(c, s->gpu_type, s->gpus_per_node);
    int64_t gpus = gpus_on(c, s->gpu_type, s->nodes);
    struct refusal r = {.type = "too-large", .field = "nodes", .status = 422};
    r.detail = arena_printf(a,
                            "%" PRId64 " %s of the cluster %s %s or more, and the job asks for "
                            "%" PRId64 " such nodes.",
                            nodes, nodes == 1 ? "node" : "nodes", nodes == 1 ? "has" : "have",
                            gpus_text(a, s->gpus_per_node, s->gpu_type), s->nodes);
    r.remedy = nodes == 1 ? "Ask for one node"
                          : arena_printf(a, "Ask for at most %" PRId64 " nodes", nodes);
    if (gpus > 0)
        r.remedy =
            arena_printf(a, "%s, or for at most %" PRId64 " GPUs per node.", r.remedy, gpus);
    else
        r.remedy = arena_printf(a, "%s.", r.remedy);
    r.at_field = arena_printf(a, "At most %" PRId64, nodes);
    return r;
}

bool room_refuses(struct arena *a, const struct cluster *c, const struct spec *s,
                  struct refusal *out)
{
    const struct cluster_shape *n = largest(c, s->gpu_type);
    if (c->shape_count == 0)
        return false;
    if (!n)
        *out = no_type(a, c, s);
    else if (s->gpus_per_node > n->gpus)
        *out = node_too_small(a, s, n);
    else if (s->nodes > nodes_with(c, s->gpu_type, s->gpus_per_node))
        *out = too_few_nodes(a, c, s);
    else
        return false;
    return true;
}

const char *room_remedy(struct arena *a, const struct cluster *c, const char *field,
                        int64_t number)
{
    const struct cluster_shape *n = largest(c, "any");
    int64_t nodes = nodes_with(c, "any", 1);
    if (n && number > n->gpus && strcmp(field, "gpus_per_node") == 0)
        return arena_printf(a,
                            "The largest node has %s: ask for at most %" PRId64
                            " per node, or for more nodes.",
                            gpus_text(a, n->gpus, n->type), n->gpus);
    if (n && number > nodes && strcmp(field, "nodes") == 0)
        return arena_printf(a, "The cluster has %" PRId64 " nodes with GPUs: ask for no more.",
                            nodes);
    return NULL;
}
