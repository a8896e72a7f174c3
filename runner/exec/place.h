// SPDX-License-Identifier: Apache-2.0
/* Where an attempt runs: which GPUs of which nodes. Stored in the attempt's row as JSON,
 * {"nodes":[{"name":"n1","gpus":[0,1]}]}; no nodes: the executor places it itself. */
#ifndef FF_EXEC_PLACE_H
#define FF_EXEC_PLACE_H

#include <stddef.h>
#include <stdint.h>

enum { EXEC_NODE_NAME_MAX = 64, EXEC_NODE_GPUS_MAX = 64, EXEC_PLACE_MAX = 2000 };

struct exec_slot {
    char node[EXEC_NODE_NAME_MAX + 1];
    uint64_t gpus; /* bit i: GPU i of that node */
};

struct exec_place {
    struct exec_slot *slots; /* one per node */
    size_t count;
};

/* -E2BIG: the text would be too long to be stored. */
int exec_place_write(const struct exec_place *p, char out[EXEC_PLACE_MAX + 1]);

/* What cannot be read is no node. Caller frees with exec_place_done(). */
void exec_place_read(const char *text, struct exec_place *out);
void exec_place_done(struct exec_place *p);

/* The GPUs on the node of this name; 0: none. */
uint64_t exec_place_gpus(const struct exec_place *p, const char *node);

#endif
