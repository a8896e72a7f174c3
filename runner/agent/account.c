// SPDX-License-Identifier: Apache-2.0
/* Accounts by range or by the name service. */
#include "runner/agent/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

enum { NSS_GROUPS_MAX = 1024 };

static bool has_group(const struct agent_account *a, int64_t gid)
{
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == gid)
            return true;
    return a->gid == gid;
}

static bool is_in_range(const struct settings *s, int64_t id)
{
    return id >= s->uid_min && id <= s->uid_max;
}

/* Allowed are the `count` groups of the name service, or, when `set` is NULL, the range. */
static int check_groups(const struct settings *s, const struct agent_account *a,
                        const gid_t *set, int count, struct err *e)
{
    for (size_t i = 0; i <= a->group_count; i++) {
        int64_t gid = i ? a->groups[i - 1] : a->gid;
        int k = 0;
        while (k < count && set[k] != (gid_t)gid)
            k++;
        bool is_allowed = set ? k < count : is_in_range(s, gid);
        if (!is_allowed || gid < s->min_uid)
            return err_set(e, -EPERM, "account %s: gid %lld is not one it may have", a->name,
                           (long long)gid);
    }
    return 0;
}

static int check_range(const struct settings *s, const struct agent_account *a, struct err *e)
{
    if (!is_in_range(s, a->uid) || a->uid < s->min_uid)
        return err_set(e, -EPERM, "account %s: uid %lld is not from %lld to %lld", a->name,
                       (long long)a->uid, (long long)s->uid_min, (long long)s->uid_max);
    return check_groups(s, a, NULL, 0, e);
}

static int check_nss(const struct settings *s, const struct agent_account *a, struct err *e)
{
    gid_t set[NSS_GROUPS_MAX];
    int count = NSS_GROUPS_MAX;
    struct passwd *p = getpwnam(a->name);
    if (!p)
        return err_set(e, -EPERM, "account %s: the name service does not know it", a->name);
    if ((int64_t)p->pw_uid != a->uid || a->uid < s->min_uid)
        return err_set(e, -EPERM, "account %s: uid %lld is not its uid, or below %lld", a->name,
                       (long long)a->uid, (long long)s->min_uid);
    if (getgrouplist(a->name, p->pw_gid, set, &count) < 0)
        return err_set(e, -EPERM, "account %s: more than %d groups", a->name, NSS_GROUPS_MAX);
    return check_groups(s, a, set, count, e);
}

int account_check(const struct settings *s, const struct agent_account *a, int64_t project_gid,
                  struct err *e)
{
    if (!s->is_root) {
        if (a->uid == (int64_t)getuid())
            return 0;
        return err_set(e, -EPERM,
                       "account %s: uid %lld; an agent that is not root runs jobs as "
                       "uid %u alone",
                       a->name, (long long)a->uid, getuid());
    }
    if (project_gid && !has_group(a, project_gid))
        return err_set(e, -EPERM, "account %s: project_gid %lld is none of its groups", a->name,
                       (long long)project_gid);
    return s->mode == MODE_NSS ? check_nss(s, a, e) : check_range(s, a, e);
}
