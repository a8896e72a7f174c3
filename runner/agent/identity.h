// SPDX-License-Identifier: Apache-2.0
/* Becoming somebody else for good. Called between fork and exec, and by nobody else. */
#ifndef FF_AGENT_IDENTITY_H
#define FF_AGENT_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

#include "runner/base/err.h"

struct identity {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
};

/* As root: groups, gid, uid, capabilities and bounding set, each set, then read back. Not root:
 * uid must be ours. Either way: no_new_privs, and not dumpable until exec. Any failure is
 * final: the caller must _exit, it may be half of somebody else. */
int identity_become(const struct identity *id, struct err *e);

/* No core files, at most 65536 descriptors, umask 077. Before identity_become(). */
int identity_limit(void);

#endif
