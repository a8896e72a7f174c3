// SPDX-License-Identifier: Apache-2.0
/* What the supervisor is given, because it must not be its own: time, chance, the store and the
 * executor. With these it is a machine: the same events give the same actions. runnerd's are
 * real (main.c), the simulator's are made from a seed.
 */
#ifndef FF_DAEMON_WORLD_H
#define FF_DAEMON_WORLD_H

#include <stdint.h>

#include "runner/exec/executor.h"

struct store;
struct world {
    int64_t (*wall_ms)(void *arg);
    int64_t (*mono_ms)(void *arg);                          /* never steps back */
    void (*token)(char out[EXEC_TOKEN_LEN + 1], void *arg); /* never the same twice */
    void *arg;
    struct store *store;       /* both are the maker's, who frees them before the supervisor: */
    struct executor *executor; /* then nothing is answered any more */
};

/* The machine's clocks and random numbers; store and executor are not set. */
void world_init(struct world *w);

#endif
