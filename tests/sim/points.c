// SPDX-License-Identifier: Apache-2.0
/* The hook of runner/base/fault_point.h. The more often a point is passed in a seed, the less
 * likely each time: so rare ones get their share. */
#include "tests/sim/points.h"

#include <stdio.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/fault_point.h"
#include "tests/sim/runnerd.h"
#include "tests/sim/sim.h"

static const char *const names[] = {
#include "tests/sim/point_names.inc"
};

static struct point_tally *tallies;
static int64_t passed[COUNT(names)]; /* in this seed */

enum { DIE_LEAST = 20, DIE_MORE = 6, STOP_TIMES = 2 };

size_t points_count(void)
{
    return COUNT(names);
}

void points_tally_into(struct point_tally *to)
{
    tallies = to;
}

static void on_point(const char *name, void *arg)
{
    struct sim *s = arg;
    size_t i = 0;
    while (i < COUNT(names) && strcmp(names[i], name) != 0)
        i++;
    if (i == COUNT(names) || !s->current || s->current->is_dead)
        return;
    tallies[i].passed++;
    uint64_t odds = DIE_LEAST + DIE_MORE * (uint64_t)passed[i]++;
    if (sim_fault(s, odds)) {
        tallies[i].died++;
        life_die(s->current, name);
    } else if (sim_fault(s, odds * STOP_TIMES)) {
        tallies[i].stopped++;
        life_stop(s->current, chance_between(&s->chance, 5000, 40000), name);
    }
}

void points_begin(struct sim *s)
{
    memset(passed, 0, sizeof(passed));
    fault_point_hook(on_point, s);
}

void points_end(void)
{
    fault_point_hook(NULL, NULL);
}

bool points_print(const struct point_tally *tables, size_t count, bool must_all)
{
    bool are_all = true;
    printf("%-22s %14s %10s %10s\n", "fault point", "passed", "died at", "stopped at");
    for (size_t i = 0; i < COUNT(names); i++) {
        struct point_tally sum = {0};
        for (size_t t = 0; t < count; t++) {
            sum.passed += tables[t * COUNT(names) + i].passed;
            sum.died += tables[t * COUNT(names) + i].died;
            sum.stopped += tables[t * COUNT(names) + i].stopped;
        }
        bool is_enough = sum.passed > 0 && sum.died > 0;
        are_all = are_all && is_enough;
        printf("%-22s %14lld %10lld %10lld%s\n", names[i], (long long)sum.passed,
               (long long)sum.died, (long long)sum.stopped,
               is_enough || !must_all ? "" : "  never fired");
    }
    return are_all || !must_all;
}
