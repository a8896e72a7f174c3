// SPDX-License-Identifier: Apache-2.0
#include "runner/daemon/world.h"

#include "runner/base/now.h"
#include "runner/base/random.h"

static int64_t wall_ms(void *arg)
{
    (void)arg;
    return now_ms();
}

static int64_t mono_ms(void *arg)
{
    (void)arg;
    return now_mono_ms();
}

static void token(char out[EXEC_TOKEN_LEN + 1], void *arg)
{
    (void)arg;
    random_hex(out, EXEC_TOKEN_LEN / 2);
}

void world_init(struct world *w)
{
    *w = (struct world){.wall_ms = wall_ms, .mono_ms = mono_ms, .token = token};
}
