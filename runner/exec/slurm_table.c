// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

enum { BUCKETS = 4096, SKEW_MS = 60000 /* between Slurm's clock and ours */ };

struct by_id {
    int64_t id;
    struct slurm_entry *entry;
};

struct slurm_table {
    struct slurm_entry *buckets[BUCKETS];
    size_t count;
    struct by_id *index; /* sorted; made when it is needed */
    size_t index_count;
};

static size_t bucket_of(const char *token)
{
    size_t n = 0;
    for (int i = 0; i < 6 && token[i]; i++)
        n = n * 31 + (unsigned char)token[i];
    return n % BUCKETS;
}

struct slurm_table *slurm_table_new(void)
{
    return xnew(struct slurm_table);
}

void slurm_table_free(struct slurm_table *t)
{
    if (!t)
        return;
    for (struct slurm_entry *e; (e = slurm_table_next(t, NULL));)
        slurm_table_remove(t, e);
    free(t->index);
    free(t);
}

struct slurm_entry *slurm_table_find(struct slurm_table *t, const char *token)
{
    struct slurm_entry *e = t->buckets[bucket_of(token)];
    while (e && strcmp(e->attempt.token, token) != 0)
        e = e->next;
    return e;
}

struct slurm_entry *slurm_table_add(struct slurm_table *t, const char *token,
                                    const struct agent_account *account, const char *project)
{
    struct slurm_entry *e = xnew(struct slurm_entry);
    struct slurm_entry **bucket = &t->buckets[bucket_of(token)];
    snprintf(e->attempt.token, sizeof(e->attempt.token), "%s", token);
    snprintf(e->user, sizeof(e->user), "%s", account->name);
    snprintf(e->project, sizeof(e->project), "%s", project);
    e->account = *account;
    e->account.name = e->user;
    e->next = *bucket;
    *bucket = e;
    t->count++;
    return e;
}

void slurm_table_remove(struct slurm_table *t, struct slurm_entry *entry)
{
    struct slurm_entry **p = &t->buckets[bucket_of(entry->attempt.token)];
    while (*p != entry)
        p = &(*p)->next;
    *p = entry->next;
    t->count--;
    t->index_count = 0;
    free(entry);
}

struct slurm_entry *slurm_table_next(struct slurm_table *t, const struct slurm_entry *after)
{
    if (after && after->next)
        return after->next;
    for (size_t b = after ? bucket_of(after->attempt.token) + 1 : 0; b < BUCKETS; b++)
        if (t->buckets[b])
            return t->buckets[b];
    return NULL;
}

/* ---- by id */

static int64_t id_of(const struct slurm_attempt *a)
{
    return a->run.id ? a->run.id : a->accepted;
}

static int by_id(const void *left, const void *right)
{
    const struct by_id *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void make_index(struct slurm_table *t)
{
    t->index = xgrow(t->index, t->count + 1, sizeof(*t->index));
    t->index_count = 0;
    for (struct slurm_entry *e = slurm_table_next(t, NULL); e; e = slurm_table_next(t, e))
        if (id_of(&e->attempt))
            t->index[t->index_count++] = (struct by_id){id_of(&e->attempt), e};
    qsort(t->index, t->index_count, sizeof(*t->index), by_id);
}

static bool is_unsettled(const struct slurm_attempt *a)
{
    return a->phase != SLURM_ASKING && a->phase != SLURM_ABSENT && !a->run.is_final;
}

void slurm_table_need(struct slurm_table *t, bool for_sacct, int64_t look_began_ms,
                      struct slurm_need *out)
{
    *out = (struct slurm_need){.ids = xnew_array(int64_t, t->count)};
    make_index(t);
    for (struct slurm_entry *e = slurm_table_next(t, NULL); e; e = slurm_table_next(t, e)) {
        const struct slurm_attempt *a = &e->attempt;
        if (for_sacct ? !slurm_attempt_wants_sacct(a, look_began_ms) : !is_unsettled(a))
            continue;
        if (!out->is_any || a->created_ms < out->oldest_ms)
            out->oldest_ms = a->created_ms;
        out->is_any = true;
        out->is_doubtful = out->is_doubtful || !id_of(a);
    }
    for (size_t i = 0; i < t->index_count; i++) {
        const struct slurm_attempt *a = &t->index[i].entry->attempt;
        if (for_sacct ? slurm_attempt_wants_sacct(a, look_began_ms) : is_unsettled(a))
            out->ids[out->count++] = t->index[i].id;
    }
}

void slurm_need_done(struct slurm_need *n)
{
    free(n->ids);
    *n = (struct slurm_need){0};
}

/* Any user may write our comment into a job of his own. */
static bool is_own(const struct slurm_entry *e, const struct slurm_seen *seen)
{
    return seen->uid >= 0 ? seen->uid == e->account.uid : !strcmp(seen->user, e->user);
}

static bool is_of_its_time(const struct slurm_entry *e, const struct slurm_seen *seen)
{
    return seen->submit_ms < 0 || seen->submit_ms >= e->attempt.created_ms - SKEW_MS;
}

static struct slurm_entry *find_id(const struct slurm_table *t, int64_t id)
{
    const struct by_id key = {.id = id};
    const struct by_id *found =
        t->index_count ? bsearch(&key, t->index, t->index_count, sizeof(*t->index), by_id)
                       : NULL;
    return found ? found->entry : NULL;
}

/* The owner of a job may write what he likes into its comment: once seen it is known by its
 * number and submit time, and a comment that says nothing to us makes no row somebody else's. */
struct slurm_entry *slurm_table_match(struct slurm_table *t, const struct slurm_seen *seen)
{
    struct slurm_entry *same = find_id(t, seen->id);
    struct slurm_entry *named = seen->token[0] ? slurm_table_find(t, seen->token) : NULL;
    bool is_seen = same && same->attempt.run.id == seen->id &&
                   same->attempt.run.submit_ms == seen->submit_ms;
    struct slurm_entry *e = is_seen || !named ? same : named;
    return e && is_own(e, seen) && is_of_its_time(e, seen) ? e : NULL;
}
