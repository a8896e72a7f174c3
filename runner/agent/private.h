// SPDX-License-Identifier: Apache-2.0
/* What a job has for itself: /tmp, /var/tmp and /dev/shm as empty memory file systems that
 * vanish with it, its own System V and POSIX message objects, and a /proc that shows its own
 * uid alone.
 *
 * A folder that job or project folders lie below stays as it is, or they would vanish from
 * sight. */
#ifndef FF_AGENT_PRIVATE_H
#define FF_AGENT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/err.h"

struct private_plan {
    const char *tmp[3]; /* NULL: left as it is */
    bool has_ipc, has_proc;
};

/* What can be had on this machine, found out by a child that tries it. Not root: nothing. */
void private_probe(const char *const *roots, size_t root_count, struct private_plan *out);

/* In the child, still root: all of the plan, or an error. */
int private_enter(const struct private_plan *p, struct err *e);

#endif
