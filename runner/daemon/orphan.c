// SPDX-License-Identifier: Apache-2.0
/* What the executor runs or remembers and no live job owns: stopped, then forgotten, and asked
 * again until it is gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/base/log.h"
#include "runner/base/xnew.h"
#include "runner/daemon/supervisor.h"

enum { RETRY_MS = 1000 };

static void on_orphan_stopped(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    (void)answer;
    o->is_asking = false;
}

static void on_orphan_forgotten(const struct exec_answer *answer, void *arg)
{
    struct orphan *o = arg;
    struct supervisor *s = o->supervisor;
    o->is_asking = false;
    if (answer->status == 0 || answer->status == -ENOENT) {
        orphan_free(o);
        supervisor_knock(s);
        return;
    }
    o->retry_at_ms = mono_now(s) + RETRY_MS;
    o->is_running = answer->status == -EBUSY;
}

void orphan_adopt(struct supervisor *s, const char *token)
{
    struct orphan *o = xnew(struct orphan);
    o->supervisor = s;
    snprintf(o->token, sizeof(o->token), "%s", token);
    o->next = s->orphans;
    s->orphans = o;
    log_warning("orphan: attempt %s belongs to no live job: it is ended and removed", token);
}

void orphan_free(struct orphan *o)
{
    struct orphan **p = &o->supervisor->orphans;
    while (*p != o)
        p = &(*p)->next;
    *p = o->next;
    free(o);
}

void orphan_end_all(struct supervisor *s)
{
    for (struct orphan *o = s->orphans, *next; o; o = next) {
        next = o->next;
        if (o->is_asking || mono_now(s) < o->retry_at_ms)
            continue;
        o->is_asking = true;
        if (o->is_running)
            s->world.executor->ops->stop(s->world.executor, o->token, "orphan", 0,
                                         on_orphan_stopped, o);
        else
            s->world.executor->ops->forget(s->world.executor, o->token, on_orphan_forgotten, o);
        o->is_running = false; /* a stop is followed by another try to remove it */
    }
}
