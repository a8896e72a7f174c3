// SPDX-License-Identifier: Apache-2.0
/* One seed's world: its clock, its chance and what is still to happen.
 *
 * Everything happens in one queue of events, ordered by time and then by asking. An event may
 * belong to a life (runnerd.h): it waits while that life is stopped, and never happens once it
 * is dead. The first thing found wrong ends the seed.
 */
#ifndef FF_SIM_SIM_H
#define FF_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/chance.h"

enum { SIM_RUNNERDS = 2, SIM_TRACE_LINES = 60, SIM_LINE_MAX = 240 };

struct life;
struct model;
struct cluster;
struct runnerd;

typedef void event_fn(void *arg);

struct event {
    int64_t at_ms, order;
    struct life *life; /* NULL: nobody's */
    event_fn *run, *drop;
    void *arg;
};

struct sim {
    int64_t seed;
    struct chance chance;
    int64_t now_ms;     /* since the beginning; never steps back */
    int64_t db_step_ms; /* how far the database's clock is set on or back */
    int64_t db_away_until_ms;
    bool has_faults; /* until quiescence */
    bool is_verbose;

    struct event *heap;
    size_t event_count, event_room;
    int64_t order;
    struct life *current; /* whose event it is that happens */

    struct model *model;
    struct cluster *cluster;
    struct runnerd *runnerds[SIM_RUNNERDS];

    char trace[SIM_TRACE_LINES][SIM_LINE_MAX];
    size_t trace_count;
    char wrong[SIM_LINE_MAX]; /* "": nothing so far */
};

void sim_init(struct sim *s, int64_t seed);
void sim_done(struct sim *s);

/* The true time of day, and the database's. */
int64_t sim_clock_ms(const struct sim *s);
int64_t sim_db_ms(const struct sim *s);

/* `drop` (may be NULL) is called with `arg` instead of `run` when its life ended before. */
void sim_at(struct sim *s, int64_t delay_ms, struct life *life, event_fn *run, event_fn *drop,
            void *arg);

/* Lets happen what is due until then; ends early when something is wrong. */
void sim_run_until(struct sim *s, int64_t until_ms);

/* Once in n while there are faults. */
bool sim_fault(struct sim *s, uint64_t n);

/* Whether records stay unreadable in this seed until what runs is given up for lost. */
bool sim_gives_up(const struct sim *s);

void sim_say(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_wrong(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last things that happened, oldest first. */
void sim_print_trace(const struct sim *s);

/* All of one seed; false: s->wrong says why. */
bool sim_play(struct sim *s, int ops);

#endif
