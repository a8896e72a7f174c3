// SPDX-License-Identifier: Apache-2.0
/* A table hashed by number. */
#include "runner/daemon/live.h"

#include <stdlib.h>

#include "runner/base/xnew.h"

enum { BUCKETS = 4096 };

struct live_table {
    struct live *buckets[BUCKETS];
    size_t count;
};

static size_t bucket_of(int64_t id)
{
    return (size_t)((uint64_t)id % BUCKETS);
}

struct live_table *live_table_new(void)
{
    return xnew(struct live_table);
}

void live_table_clear(struct live_table *t)
{
    for (struct live *j; (j = live_next(t, NULL));)
        live_remove(t, j);
}

void live_table_free(struct live_table *t)
{
    if (!t)
        return;
    live_table_clear(t);
    free(t);
}

struct live *live_find(const struct live_table *t, int64_t id)
{
    struct live *j = t->buckets[bucket_of(id)];
    while (j && j->id != id)
        j = j->next;
    return j;
}

struct live *live_add(struct live_table *t, struct live *copy)
{
    if (live_find(t, copy->id))
        return NULL;
    struct live **bucket = &t->buckets[bucket_of(copy->id)];
    copy->next = *bucket;
    *bucket = copy;
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
    struct live **p = &t->buckets[bucket_of(job->id)];
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
    for (size_t b = after ? bucket_of(after->id) + 1 : 0; b < BUCKETS; b++)
        if (t->buckets[b])
            return t->buckets[b];
    return NULL;
}
