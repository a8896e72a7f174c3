// SPDX-License-Identifier: Apache-2.0
/* All as the user and in the user's own folder: who plants a link here fools himself alone, and
 * even that is refused. */
#include "runner/task/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_own(struct err *e)
{
    if (mkdir(".firefly", 0700) < 0 && errno != EEXIST)
        return err_set(e, -errno, ".firefly: %s", strerror(errno));
    int fd = open(".firefly", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, -errno, ".firefly: %s", strerror(errno)) : fd;
}

int folder_enter(const char *job_dir, struct err *e)
{
    struct stat st;
    AUTO(cleanup_close)
    int fd = open(job_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, -errno, "%s: %s", job_dir, strerror(errno));
    if (st.st_uid != geteuid())
        return err_set(e, -EPERM, "%s: belongs to uid %u, not to %u", job_dir, st.st_uid,
                       geteuid());
    return fchdir(fd) < 0 ? err_set(e, -errno, "%s: %s", job_dir, strerror(errno)) : 0;
}

int folder_claim(const char *token, const char *part, struct err *e)
{
    char name[128];
    AUTO(cleanup_close) int own = open_own(e);
    if (own < 0)
        return own;
    snprintf(name, sizeof(name), "claim-%s.%s", token, part);
    AUTO(cleanup_close)
    int fd = openat(own, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(e, -EEXIST, "this launch has run before; it does not run twice");
    if (fd < 0 || fsync(own) < 0)
        return err_set(e, -errno, ".firefly/%s: %s", name, strerror(errno));
    return 0;
}

void folder_make(void)
{
    const char *tmp = getenv("TMPDIR");
    mkdir("checkpoint", 0700);
    if (tmp)
        mkdir(tmp, 0700);
}

int folder_open_attempt(const char *token, struct err *e)
{
    char name[96];
    AUTO(cleanup_close) int own = open_own(e);
    if (own < 0)
        return own;
    snprintf(name, sizeof(name), "attempt-%s", token);
    bool is_there = mkdirat(own, name, 0700) == 0 || errno == EEXIST;
    int fd = is_there ? openat(own, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd < 0 ? err_set(e, -errno, ".firefly/%s: %s", name, strerror(errno)) : fd;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);
        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

int folder_write(int folder, const char *name, const char *text, size_t len, struct err *e)
{
    char aside[64];
    snprintf(aside, sizeof(aside), "%s.new", name);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    AUTO(cleanup_close) int fd = openat(folder, aside, flags, 0600);
    int r = fd < 0 ? -errno : write_all(fd, text, len);
    if (r == 0 && (fsync(fd) < 0 || renameat(folder, aside, folder, name) < 0))
        r = -errno;
    return r < 0 ? err_set(e, r, "%s: %s", name, strerror(-r)) : 0;
}

int folder_write_script(const struct place *p, const char *script, char **out_path,
                        struct err *e)
{
    char name[64];
    AUTO(cleanup_close) int own = open_own(e);
    if (own < 0)
        return own;
    snprintf(name, sizeof(name), "script-%lld.%lld", (long long)p->attempt, (long long)p->node);
    unlinkat(own, name, 0);
    AUTO(cleanup_close)
    int fd = openat(own, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
    int r = fd < 0 ? -errno : write_all(fd, script, strlen(script));
    if (r < 0)
        return err_set(e, r, ".firefly/%s: %s", name, strerror(-r));
    if (asprintf(out_path, "%s/.firefly/%s", p->job_dir, name) < 0)
        return err_set(e, -ENOMEM, "no memory for a path");
    return 0;
}
