// SPDX-License-Identifier: Apache-2.0
/* Each step is checked, and what the kernel says afterwards is believed rather than what the
 * calls returned: a launch that went on as root after a failed step is the classic hole. */
#include "runner/agent/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/base/cleanup.h"

enum { NOFILE_MAX = 65536, GROUPS_ROOM = 256 };

static int drop_bounding_set(struct err *e)
{
    for (unsigned long cap = 0;; cap++) {
        int is_there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (is_there < 0) /* past the last one this kernel knows */
            return cap ? 0 : err_set(e, -EPERM, "the bounding set cannot be read");
        if (is_there && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return err_set(e, -errno, "capability %lu cannot be dropped: %s", cap,
                           strerror(errno));
    }
}

/* Root's session keyring came with the fork, and whoever has it may read its keys. As root,
 * whose quota of keys is large; where keyrings do not exist or are forbidden nobody has one. */
static int leave_keyring(struct err *e)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
        errno != EPERM)
        return err_set(e, -errno, "a session keyring of its own: %s", strerror(errno));
    return 0;
}

static int set_ids(const struct identity *id, struct err *e)
{
    if (setgroups(id->group_count, id->groups) < 0)
        return err_set(e, -errno, "setgroups: %s", strerror(errno));
    if (setresgid(id->gid, id->gid, id->gid) < 0)
        return err_set(e, -errno, "setresgid: %s", strerror(errno));
    if (setresuid(id->uid, id->uid, id->uid) < 0)
        return err_set(e, -errno, "setresuid: %s", strerror(errno));
    return 0;
}

/* Every one of `some` is among `all`. */
static bool are_among(const gid_t *some, size_t some_count, const gid_t *all, size_t all_count)
{
    for (size_t i = 0; i < some_count; i++) {
        size_t k = 0;
        while (k < all_count && all[k] != some[i])
            k++;
        if (k == all_count)
            return false;
    }
    return true;
}

static bool ids_are(const struct identity *id)
{
    uid_t u[3];
    gid_t g[3], groups[GROUPS_ROOM];
    int count = getgroups(GROUPS_ROOM, groups);
    if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0 || count < 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (u[i] != id->uid || g[i] != id->gid)
            return false;
    return are_among(groups, (size_t)count, id->groups, id->group_count) &&
           are_among(id->groups, id->group_count, groups, (size_t)count);
}

static int drop_capabilities(struct err *e)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}}, now[2];
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &head, none) < 0 || syscall(SYS_capget, &head, now) < 0)
        return err_set(e, -errno, "capabilities: %s", strerror(errno));
    if (memcmp(now, none, sizeof(none)) != 0)
        return err_set(e, -EPERM, "capabilities are left after they were dropped");
    return 0;
}

static int change(const struct identity *id, struct err *e)
{
    if (id->uid == 0 || id->gid == 0)
        return err_set(e, -EPERM, "uid 0 and gid 0 are never taken on");
    int r = drop_bounding_set(e);
    if (r == 0)
        r = leave_keyring(e);
    if (r == 0)
        r = set_ids(id, e);
    if (r == 0 && !ids_are(id))
        r = err_set(e, -EPERM, "uid %u and its groups were not taken on", id->uid);
    if (r == 0)
        r = drop_capabilities(e);
    if (r == 0 && setresuid(0, 0, 0) == 0)
        r = err_set(e, -EPERM, "uid 0 could be had again");
    return r;
}

int identity_become(const struct identity *id, struct err *e)
{
    int r = 0;
    if (geteuid() == 0)
        r = change(id, e);
    else if (id->uid != getuid())
        r = err_set(e, -EPERM, "uid %u cannot be taken on without root", id->uid);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(e, -EPERM, "no_new_privs was not taken on");
    return 0;
}

int identity_limit(void)
{
    struct rlimit no_core = {0, 0}, files;
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    if (files.rlim_max > NOFILE_MAX)
        files.rlim_max = NOFILE_MAX;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return -errno;
    umask(077);
    return 0;
}
