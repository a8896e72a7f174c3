// SPDX-License-Identifier: Apache-2.0
/* mkdirat, openat without following, fchown: by descriptors only. */
#include "runner/agent/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/cleanup.h"

static int give_away(int fd, const struct folder_owner *owner)
{
    /* The mode last: fchown(2) clears the set-group-ID bit. */
    return fchown(fd, owner->uid, owner->gid) < 0 || fchmod(fd, owner->mode) < 0 ? -errno : 0;
}

int folder_open(int root, const char *name, const struct folder_owner *owner, bool *out_is_new,
                struct err *e)
{
    bool is_new = mkdirat(root, name, 0700) == 0;
    if (!is_new && errno != EEXIST)
        return err_set(e, -errno, "folder %s: %s", name, strerror(errno));
    AUTO(cleanup_close)
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, -EPERM, "folder %s: is no folder: %s", name, strerror(errno));
    struct stat st;
    int r = is_new ? give_away(fd, owner) : 0;
    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    if (r < 0) {
        if (is_new)
            unlinkat(root, name, AT_REMOVEDIR);
        return err_set(e, r, "folder %s: %s", name, strerror(-r));
    }
    if (st.st_uid != owner->uid)
        return err_set(e, -EPERM, "folder %s: belongs to uid %u, not to %u", name, st.st_uid,
                       owner->uid);
    *out_is_new = is_new;
    int out = fd;
    fd = -1;
    return out;
}
