// SPDX-License-Identifier: Apache-2.0
/* A table hashed by number, with at least as many buckets as jobs: a walk over all is then as
 * long as they are many. */
#include "runner/daemon/live.h"

#include <stdlib.h>

#include "runner/base/xnew.h"

enum { FIRST_BUCKETS = 4096 };

struct live_table {
    struct live **buckets;
    size_t bucket_count, count;
};

static struct live **bucket_of(const struct live_table *t, int64_t id)
{
    return &t->buckets[(uint64_t)id % t->bucket_count];
}

struct live_table *live_table_new(void)
{
    struct live_table *t = xnew(struct live_table);
    t->bucket_count = FIRST_BUCKETS;
    t->buckets = xnew_array(struct live *, t->bucket_count);
    return t;
}

void live_table_clear(struct live_table *t)
{
    for (size_t b = 0; b < t->bucket_count; b++)
        while (t->buckets[b])
            live_remove(t, t->buckets[b]);
}

void live_table_free(struct live_table *t)
{
    if (!t)
        return;
    live_table_clear(t);
    free(t->buckets);
    free(t);
}

struct live *live_find(const struct live_table *t, int64_t id)
{
    struct live *j = *bucket_of(t, id);
    while (j && j->id != id)
        j = j->next;
    return j;
}

static void insert(struct live_table *t, struct live *job)
{
    struct live **bucket = bucket_of(t, job->id);
    job->next = *bucket;
    *bucket = job;
}

static void grow(struct live_table *t)
{
    struct live **old = t->buckets;
    size_t old_count = t->bucket_count;
    t->bucket_count *= 2;
    t->buckets = xnew_array(struct live *, t->bucket_count);
    for (size_t b = 0; b < old_count; b++)
        for (struct live *j = old[b], *next; j; j = next) {
            next = j->next;
            insert(t, j);
        }
    free(old);
}

struct live *live_add(struct live_table *t, struct live *copy)
{
    if (live_find(t, copy->id))
        return NULL;
    if (t->count == t->bucket_count)
        grow(t);
    insert(t, copy);
    t->count++;
    return copy;
}

void live_forget_attempt(struct live *job)
{
    exec_place_done(&job->attempt.place);
    job->attempt = (struct live_attempt){.exit_code = -1};
}

void live_free(struct live *job)
{
    if (!job)
        return;
    exec_place_done(&job->attempt.place);
    free(job);
}

void live_remove(struct live_table *t, struct live *job)
{
    struct live **p = bucket_of(t, job->id);
    while (*p != job)
        p = &(*p)->next;
    *p = job->next;
    t->count--;
    live_free(job);
}

size_t live_count(const struct live_table *t)
{
    return t->count;
}

struct live *live_next(const struct live_table *t, const struct live *after)
{
    if (after && after->next)
        return after->next;
    size_t b = after ? (size_t)(bucket_of(t, after->id) - t->buckets) + 1 : 0;
    for (; b < t->bucket_count; b++)
        if (t->buckets[b])
            return t->buckets[b];
    return NULL;
}
