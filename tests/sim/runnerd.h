// SPDX-License-Identifier: Apache-2.0
/* The runnerds. Each is a row of lives: a life is one process, from its start until it is
 * killed; then nothing it asks for reaches anybody, and after a while another begins. A stopped
 * life does nothing until it goes on, with what it remembers. */
#ifndef FF_SIM_RUNNERD_H
#define FF_SIM_RUNNERD_H

#include <stdbool.h>
#include <stdint.h>

struct sim;
struct store;
struct executor;
struct supervisor;
struct runnerd;

struct life {
    struct life *next; /* an earlier one of this runnerd's */
    struct runnerd *runnerd;
    struct sim *sim;
    int no;
    bool is_dead, is_buried;
    int64_t stopped_until_ms;
    int64_t blind_until_ms;  /* its polls say: nobody knows */
    int64_t broken_until_ms; /* its polls fail */
    struct supervisor *supervisor;
    struct store *store;
    struct executor *executor;
};

struct runnerd {
    struct sim *sim;
    const char *name;
    int64_t wall_step_ms; /* how far its clock is set on or back */
    struct life *life;    /* the latest; NULL: not begun yet */
    int lives;
    bool is_coming; /* another begins soon */
};

struct runnerd *runnerd_new(struct sim *s, int index);
void runnerd_free(struct runnerd *r);

void life_die(struct life *l, const char *where);
void life_stop(struct life *l, int64_t for_ms, const char *where);
/* Its polls work again. */
void life_see_again(struct life *l);

/* Frees what the dead held, between two events. */
void runnerds_bury(struct sim *s);
void runnerd_bury_all(struct runnerd *r);

#endif
