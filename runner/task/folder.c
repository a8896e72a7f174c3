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

int folder_claim(const struct place *p, struct err *e)
{
    char name[96];
    AUTO(cleanup_close) int own = open_own(e);
    if (own < 0)
        return own;
    snprintf(name, sizeof(name), "claim-%s.%lld", p->token, (long long)p->node);
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
