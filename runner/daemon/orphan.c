// SPDX-License-Identifier: Apache-2.0
/* What the executor runs or remembers and no live job owns: stopped, then forgotten, and asked
 * again until it is gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/log.h"
#include "runner/base/xnew.h"
#include "runner/daemon/supervisor.h"

enum { RETRY_MS = 1000 };

static void on_orphan_stopped(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    (void)answer;
    FP("orphan.stopped");
    o->is_asking = false;
    if (o->list == &o->supervisor->dropped)
        orphan_free(o);
}

static void on_orphan_forgotten(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    struct supervisor *s = o->supervisor;
    FP("orphan.forgotten");
    o->is_asking = false;
    if (o->list == &s->dropped) {
        orphan_free(o);
        return;
    }
    if (answer->status == 0 || answer->status == -ENOENT) {
        orphan_free(o);
        supervisor_knock(s);
        return;
    }
    o->retry_at_ms = mono_now(s) + RETRY_MS;
    o->is_running = answer->status == -EBUSY;
}

static void put_into(struct orphan *o, struct orphan **list)
{
    o->list = list;
    o->next = *list;
    *list = o;
}

static void adopt(struct supervisor *s, const char *token)
{
    struct orphan *o = xnew(struct orphan);
    o->supervisor = s;
    snprintf(o->token, sizeof(o->token), "%s", token);
    put_into(o, &s->orphans);
    log_warning("orphan: attempt %s belongs to no live job: it is ended and removed", token);
}

/* The tokens that somebody here answers for: many are looked for in many. */
struct known {
    struct supervisor *s;
    const char **tokens; /* [count], sorted, borrowed */
    size_t count;
};

static int by_token(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void list_known(struct known *k)
{
    size_t room = live_count(k->s->jobs);
    for (const struct orphan *o = k->s->orphans; o; o = o->next)
        room++;
    k->tokens = xnew_array(const char *, room);
    for (const struct live *j = live_next(k->s->jobs, NULL); j; j = live_next(k->s->jobs, j))
        if (*j->attempt.token)
            k->tokens[k->count++] = j->attempt.token;
    for (const struct orphan *o = k->s->orphans; o; o = o->next)
        k->tokens[k->count++] = o->token;
    if (k->count)
        qsort(k->tokens, k->count, sizeof(*k->tokens), by_token);
}

static void on_found(const char *token, void *arg)
{
    const struct known *k = arg;
    if (!k->count || !bsearch(&token, k->tokens, k->count, sizeof(*k->tokens), by_token))
        adopt(k->s, token);
}

int orphan_find_all(struct supervisor *s, struct err *e)
{
    struct known k = {.s = s};
    list_known(&k);
    int r = s->world.executor->ops->recover(s->world.executor, on_found, &k, e);
    free(k.tokens);
    return r;
}

static void take_out(struct orphan *o)
{
    struct orphan **p = o->list;
    while (*p != o)
        p = &(*p)->next;
    *p = o->next;
}

void orphan_free(struct orphan *o)
{
    take_out(o);
    free(o);
}

void orphan_drop_all(struct supervisor *s)
{
    for (struct orphan *o; (o = s->orphans);)
        if (o->is_asking) {
            take_out(o);
            put_into(o, &s->dropped);
        } else {
            orphan_free(o);
        }
}

void orphan_end_all(struct supervisor *s)
{
    for (struct orphan *o = s->orphans, *next; o; o = next) {
        next = o->next;
        if (o->is_asking || mono_now(s) < o->retry_at_ms)
            continue;
        o->is_asking = true;
        FP("orphan.asking");
        if (o->is_running)
            s->world.executor->ops->stop(s->world.executor, o->token, "orphan", 0,
                                         on_orphan_stopped, o);
        else
            s->world.executor->ops->forget(s->world.executor, o->token, on_orphan_forgotten, o);
        o->is_running = false; /* a stop is followed by another try to remove it */
    }
}
