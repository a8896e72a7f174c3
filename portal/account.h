// SPDX-License-Identifier: Apache-2.0
/* The machine's own account of a login (mode nss): found through the name service, which may
 * ask a network, so only a worker calls account_find(). Whether the account is free for this
 * person is person_login's to say; what the agent lets run is checked again there. */
#ifndef FF_PORTAL_ACCOUNT_H
#define FF_PORTAL_ACCOUNT_H

#include <stdint.h>
#include <sys/types.h>

#include "runner/base/buf.h"
#include "runner/base/err.h"

struct account {
    int64_t uid, gid;
    int64_t gids_left_out; /* groups beyond those that can go with a job */
    char *gids;            /* supplementary, separated by blanks; free(3) */
};

/* `min`: the least uid and gid that may run jobs. -ENOENT: there is no such account, or it is
 * one of the system's; any other error: the name service could not tell. */
int account_find(const char *login, int64_t min, struct account *out, struct err *e);

/* The supplementary ones of `groups` as text: neither `own` nor those below `min`, which the
 * agent refuses, and no more than a job may have. Returns how many were too many. Pure. */
int64_t account_gids(const gid_t *groups, int count, gid_t own, int64_t min, struct buf *out);

#endif
