// SPDX-License-Identifier: Apache-2.0
/* runner-agent: the only program that runs as root. Eight verbs (runner/proto/agent_calls.h),
 * no database, no password, no parsing of what users wrote. It remembers nothing but the epoch:
 * what runs is in the spool, and killed at any moment it goes on from there.
 */
#ifndef FF_AGENT_AGENT_H
#define FF_AGENT_AGENT_H

#include "runner/agent/settings.h"
#include "runner/base/loop.h"

struct agent;

/* Opens folders, programs and cgroups, finds out what can be enforced, listens. */
int agent_new(struct loop *l, const struct settings *s, struct agent **out, struct err *e);
void agent_free(struct agent *a); /* attempts go on */

#endif
