// SPDX-License-Identifier: Apache-2.0
/* Where the supervisor keeps its jobs: an interface. The daemon's is the database (store_db.c);
 * the simulator's lies in memory and loses answers.
 *
 * What is asked is carried out in the order of asking, whole or not at all, and given back to
 * its own `done` from the loop, never inside the asking. Between the two it is the store's. An
 * answer of -ENOTCONN may have been carried out. When the store goes, what is under way is
 * freed and `done` is not called.
 */
#ifndef FF_DAEMON_STORE_H
#define FF_DAEMON_STORE_H

#include "runner/daemon/journal.h"
#include "runner/daemon/look.h"

struct store;
struct store_ops {
    void (*look)(struct store *s, struct look *look);
    void (*write)(struct store *s, struct journal_op *op);
    void (*free)(struct store *s);
};
struct store {
    const struct store_ops *ops;
};

/* `journal`: a pool of one worker, whose local state is a struct db of the role DB_RUNNER; its
 * owner frees it before the store, and what is under way with it. */
struct work_pool;
struct store *store_db_new(struct work_pool *journal);

#endif
