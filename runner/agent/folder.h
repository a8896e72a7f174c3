// SPDX-License-Identifier: Apache-2.0
/* Job and project folders, made directly below their roots and never deeper.
 *
 * The roots belong to root and only root writes them, so a name in them cannot be swapped. What
 * a user can write is never walked here: that is runner-task's and runner-files' work, as the
 * user.
 */
#ifndef FF_AGENT_FOLDER_H
#define FF_AGENT_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "runner/base/err.h"

struct folder_owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* Opens the folder `name` in the open folder `root`, makes it first if it is not there. -EPERM:
 * it is there and is no folder or has another owner. Returns a descriptor; *out_is_new says
 * which. */
int folder_open(int root, const char *name, const struct folder_owner *owner, bool *out_is_new,
                struct err *e);

#endif
