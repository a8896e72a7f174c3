// SPDX-License-Identifier: Apache-2.0
/* A growing array of times, sorted once at the end for its quantiles. */
#include "tests/bench/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runner/base/xnew.h"

enum { FIRST_ROOM = 4096 };

int64_t figures_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void figures_add(struct figures *f, int64_t us)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : FIRST_ROOM;
        f->us = xgrow(f->us, f->room, sizeof(*f->us));
    }
    f->us[f->count++] = us;
}

void figures_add_all(struct figures *f, const struct figures *more)
{
    for (size_t i = 0; i < more->count; i++)
        figures_add(f, more->us[i]);
    f->refused += more->refused;
    f->failed += more->failed;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile_ms(const struct figures *f, size_t percent)
{
    return f->count ? (double)f->us[(f->count - 1) * percent / 100] / 1000 : 0;
}

void figures_print(struct figures *f, int64_t whole_us)
{
    if (f->count)
        qsort(f->us, f->count, sizeof(*f->us), compare);
    printf("{\"done\": %zu, \"refused\": %" PRId64 ", \"failed\": %" PRId64
           ", \"per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           f->count, f->refused, f->failed, (double)f->count * 1e6 / (double)whole_us,
           quantile_ms(f, 50), quantile_ms(f, 99));
}

void figures_done(struct figures *f)
{
    free(f->us);
    *f = (struct figures){0};
}
