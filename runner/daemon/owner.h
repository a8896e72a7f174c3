// SPDX-License-Identifier: Apache-2.0
/* Whose operation it is that is under way: found again by number when the answer comes, so that
 * a reset needs to cancel nothing. Loop thread only. */
#ifndef FF_DAEMON_OWNER_H
#define FF_DAEMON_OWNER_H

#include "runner/daemon/live.h"

struct supervisor;
struct owner;

struct owner *owner_new(struct supervisor *s, const struct live *job);
void owner_free(struct owner *o);
struct supervisor *owner_supervisor(const struct owner *o);

/* The job, unless all was forgotten since; frees the owner. */
struct live *owner_done(struct owner *o);

/* When no answer can come any more. */
void owner_free_all(struct supervisor *s);

#endif
