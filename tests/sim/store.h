// SPDX-License-Identifier: Apache-2.0
/* The store of one life: looks and writes of runner/daemon as they are, over the model's
 * tables. It may take its time, break in the middle, or lose its answer. */
#ifndef FF_SIM_STORE_H
#define FF_SIM_STORE_H

struct store;
struct life;

struct store *store_sim_new(struct life *l);

/* Its process is killed: what the database was doing for it just then may be done still. */
void store_sim_last_words(struct store *base);

#endif
