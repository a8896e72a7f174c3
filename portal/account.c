// SPDX-License-Identifier: Apache-2.0
/* getpwnam_r(3) and getgrouplist(3) with rooms that grow. */
#include "portal/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"
#include "runner/proto/agent_calls.h"

enum {
    TEXT_FIRST = 4096,
    TEXT_MAX = 1024 * 1024, /* an entry larger than that is no account */
    GROUPS_FIRST = 256,
    GROUPS_MAX = 65536, /* the kernel's NGROUPS_MAX */
    GIDS_MAX = 1000,    /* of the database's column; AGENT_GROUPS_MAX numbers take less */
};

int64_t account_gids(const gid_t *groups, int count, gid_t own, int64_t min, struct buf *out)
{
    int64_t kept = 0, left_out = 0;
    for (int i = 0; i < count; i++) {
        if (groups[i] == own || (int64_t)groups[i] < min)
            continue;
        if (kept == AGENT_GROUPS_MAX) {
            left_out++;
            continue;
        }
        buf_printf(out, "%s%u", kept++ ? " " : "", groups[i]);
    }
    return left_out;
}

static int read_groups(const struct passwd *pw, int64_t min, struct account *out)
{
    AUTO(buf_done) struct buf gids = BUF_INIT(GIDS_MAX);
    AUTO(cleanup_free) gid_t *groups = NULL;
    int count = 0, r = -1;
    for (int room = GROUPS_FIRST; r < 0 && room <= GROUPS_MAX; room *= 2) {
        count = room;
        groups = xgrow(groups, (size_t)room, sizeof(*groups));
        r = getgrouplist(pw->pw_name, pw->pw_gid, groups, &count);
    }
    if (r < 0)
        return -E2BIG;
    out->gids_left_out = account_gids(groups, count, pw->pw_gid, min, &gids);
    out->gids = buf_take(&gids);
    return gids.failed ? -E2BIG : 0;
}

/* What getpwnam_r(3) says when there is nobody, besides 0. */
static bool is_nobody(int code)
{
    return code == ENOENT || code == ESRCH || code == EBADF || code == EPERM;
}

int account_find(const char *login, int64_t min, struct account *out, struct err *e)
{
    struct passwd pw, *found = NULL;
    AUTO(cleanup_free) char *text = NULL;
    int code = ERANGE;
    *out = (struct account){0};
    for (size_t room = TEXT_FIRST; code == ERANGE && room <= TEXT_MAX; room *= 2) {
        text = xgrow(text, room, 1);
        code = getpwnam_r(login, &pw, text, room, &found);
    }
    if (code != 0 && !is_nobody(code))
        return err_set(e, -code, "account %s: %s", login, strerror(code));
    if (!found)
        return err_set(e, -ENOENT, "account %s: not on this machine", login);
    if ((int64_t)pw.pw_uid < min)
        return err_set(e, -ENOENT, "account %s: uid %u is less than %lld", login, pw.pw_uid,
                       (long long)min);
    out->uid = pw.pw_uid;
    out->gid = pw.pw_gid;
    int r = read_groups(&pw, min, out);
    return r < 0 ? err_set(e, r, "account %s: its groups cannot be listed", login) : 0;
}
