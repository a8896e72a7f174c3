// SPDX-License-Identifier: Apache-2.0
/* What the active runnerd does for the books besides its jobs.
 *
 *   each second   seals the audit (seal.h); looks which month goes on, so that jobs that run
 *                 over a month's end are charged for it
 *   each minute   expires what is free in allocations whose term is over
 *
 * With a worker and a connection of its own: no job waits for it. Loop thread only.
 */
#ifndef FF_DAEMON_BOOKS_H
#define FF_DAEMON_BOOKS_H

#include "runner/base/loop.h"
#include "runner/base/work.h"
#include "runner/daemon/seal.h"
#include "runner/daemon/supervise.h"

struct books;

/* `pool` has one worker whose local state is a struct db of the role DB_RUNNER, and is freed
 * before the books. `seal` is borrowed; NULL: nothing is sealed. */
struct books *books_new(struct loop *l, struct supervisor *s, struct work_pool *pool,
                        struct seal *seal);
void books_free(struct books *b);

#endif
