// SPDX-License-Identifier: Apache-2.0
#include "runner/daemon/owner.h"

#include <stdlib.h>

#include "runner/base/xnew.h"
#include "runner/daemon/supervisor.h"

struct owner {
    /* `from` points to it: the oldest, far behind in the list, is answered first */
    struct owner *next, **from;
    struct supervisor *s;
    int64_t generation, job;
};

struct owner *owner_new(struct supervisor *s, const struct live *job)
{
    struct owner *o = xnew(struct owner);
    *o = (struct owner){.next = s->owners,
                        .from = &s->owners,
                        .s = s,
                        .generation = s->generation,
                        .job = job->id};
    if (o->next)
        o->next->from = &o->next;
    s->owners = o;
    return o;
}

void owner_free(struct owner *o)
{
    *o->from = o->next;
    if (o->next)
        o->next->from = o->from;
    free(o);
}

struct supervisor *owner_supervisor(const struct owner *o)
{
    return o->s;
}

struct live *owner_done(struct owner *o)
{
    struct live *job = o->generation == o->s->generation ? live_find(o->s->jobs, o->job) : NULL;
    owner_free(o);
    return job;
}

void owner_free_all(struct supervisor *s)
{
    while (s->owners)
        owner_free(s->owners);
}
