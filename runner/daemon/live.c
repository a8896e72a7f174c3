// SPDX-License-Identifier: Apache-2.0
/* A table of jobs hashed by number, and the JSON in which an attempt's place is stored. */
#include "runner/daemon/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/xnew.h"

enum { BUCKETS = 4096 };

struct live_table {
    struct live *buckets[BUCKETS];
    size_t count;
};

static size_t bucket_of(int64_t id)
{
    return (size_t)((uint64_t)id % BUCKETS);
}

struct live_table *live_table_new(void)
{
    return xnew(struct live_table);
}

void live_table_free(struct live_table *t)
{
    if (!t)
        return;
    for (struct live *j; (j = live_next(t, NULL));)
        live_remove(t, j);
    free(t);
}

struct live *live_find(const struct live_table *t, int64_t id)
{
    struct live *j = t->buckets[bucket_of(id)];
    while (j && j->id != id)
        j = j->next;
    return j;
}

struct live *live_add(struct live_table *t, int64_t id)
{
    if (live_find(t, id))
        return NULL;
    struct live *j = xnew(struct live);
    struct live **bucket = &t->buckets[bucket_of(id)];
    j->id = id;
    j->next = *bucket;
    *bucket = j;
    t->count++;
    return j;
}

void live_remove(struct live_table *t, struct live *job)
{
    struct live **p = &t->buckets[bucket_of(job->id)];
    while (*p != job)
        p = &(*p)->next;
    *p = job->next;
    t->count--;
    free(job);
}

size_t live_count(const struct live_table *t)
{
    return t->count;
}

struct live *live_next(const struct live_table *t, const struct live *after)
{
    if (after && after->next)
        return after->next;
    for (size_t b = after ? bucket_of(after->id) + 1 : 0; b < BUCKETS; b++)
        if (t->buckets[b])
            return t->buckets[b];
    return NULL;
}

static json_t *gpu_numbers(uint64_t gpus)
{
    json_t *list = json_array();
    for (int i = 0; i < PLAN_GPUS_MAX; i++)
        if (gpus >> i & 1)
            json_array_append_new(list, json_integer(i));
    return list;
}

int live_place_write(const struct plan_snapshot *s, const struct plan_decision *d,
                     char out[LIVE_PLACE_MAX + 1])
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < d->slot_count; i++)
        json_array_append_new(nodes,
                              json_pack("{s:s, s:o}", "name", s->nodes[d->slots[i].node].name,
                                        "gpus", gpu_numbers(d->slots[i].gpus)));
    AUTO(json_freep) json_t *place = json_pack("{s:o}", "nodes", nodes);
    size_t n = json_dumpb(place, out, LIVE_PLACE_MAX, JSON_COMPACT);
    if (n == 0 || n > LIVE_PLACE_MAX)
        return -E2BIG;
    out[n] = '\0';
    return 0;
}

uint64_t live_place_gpus(const char *place, const char *node)
{
    AUTO(json_freep) json_t *j = json_loads(place, 0, NULL);
    uint64_t gpus = 0;
    size_t i, k;
    json_t *at, *number;
    json_array_foreach (json_object_get(j, "nodes"), i, at) {
        const char *name = json_string_value(json_object_get(at, "name"));
        if (!name || strcmp(name, node))
            continue;
        json_array_foreach (json_object_get(at, "gpus"), k, number) {
            json_int_t n = json_integer_value(number);
            if (n >= 0 && n < PLAN_GPUS_MAX)
                gpus |= UINT64_C(1) << n;
        }
    }
    return gpus;
}
