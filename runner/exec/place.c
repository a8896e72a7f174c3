// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/xnew.h"

static json_t *gpu_numbers(uint64_t gpus)
{
    json_t *list = json_array();
    for (int i = 0; i < EXEC_NODE_GPUS_MAX; i++)
        if (gpus >> i & 1)
            json_array_append_new(list, json_integer(i));
    return list;
}

int exec_place_write(const struct exec_place *p, char out[EXEC_PLACE_MAX + 1])
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(nodes, json_pack("{s:s, s:o}", "name", p->slots[i].node, "gpus",
                                               gpu_numbers(p->slots[i].gpus)));
    AUTO(json_freep) json_t *place = json_pack("{s:o}", "nodes", nodes);
    size_t n = json_dumpb(place, out, EXEC_PLACE_MAX, JSON_COMPACT);
    if (n == 0 || n > EXEC_PLACE_MAX)
        return -E2BIG;
    out[n] = '\0';
    return 0;
}

static uint64_t gpu_bits(const json_t *numbers)
{
    uint64_t gpus = 0;
    size_t i;
    json_t *number;
    json_array_foreach (numbers, i, number) {
        json_int_t n = json_integer_value(number);
        if (n >= 0 && n < EXEC_NODE_GPUS_MAX)
            gpus |= UINT64_C(1) << n;
    }
    return gpus;
}

void exec_place_read(const char *text, struct exec_place *out)
{
    AUTO(json_freep) json_t *j = json_loads(text, 0, NULL);
    const json_t *nodes = json_object_get(j, "nodes");
    size_t i;
    json_t *at;
    *out = (struct exec_place){.slots = xnew_array(struct exec_slot, json_array_size(nodes))};
    json_array_foreach (nodes, i, at) {
        const char *name = json_string_value(json_object_get(at, "name"));
        struct exec_slot *slot = &out->slots[out->count];
        if (!name || strlen(name) > EXEC_NODE_NAME_MAX)
            continue;
        snprintf(slot->node, sizeof(slot->node), "%s", name);
        slot->gpus = gpu_bits(json_object_get(at, "gpus"));
        out->count++;
    }
}

void exec_place_done(struct exec_place *p)
{
    free(p->slots);
    *p = (struct exec_place){0};
}

uint64_t exec_place_gpus(const struct exec_place *p, const char *node)
{
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->slots[i].node, node))
            return p->slots[i].gpus;
    return 0;
}
