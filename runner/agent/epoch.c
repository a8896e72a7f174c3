// SPDX-License-Identifier: Apache-2.0
/* One number in one file, written aside and moved into place. */
#include "runner/agent/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

static int open_state(const struct epoch *p, struct err *e)
{
    int fd = open(p->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(e, -errno, "%s: %s", p->state, strerror(errno)) : fd;
}

int epoch_load(struct epoch *p, const char *state, struct err *e)
{
    *p = (struct epoch){.state = state};
    AUTO(cleanup_close) int folder = open_state(p, e);
    if (folder < 0)
        return folder;
    AUTO(cleanup_close) int fd = openat(folder, "epoch", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, -errno, "%s/epoch: %s", state, strerror(errno));
    char text[32] = "";
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n <= 0 || parse_i64(text, 0, INT64_MAX, &p->highest) < 0)
        return err_set(e, -EBADMSG,
                       "%s/epoch: does not hold a number; write the highest epoch of "
                       "runnerd into it",
                       state);
    return 0;
}

static int store(const struct epoch *p, int64_t highest, struct err *e)
{
    AUTO(cleanup_close) int folder = open_state(p, e);
    if (folder < 0)
        return folder;
    AUTO(cleanup_close)
    int fd = openat(folder, "epoch.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || dprintf(fd, "%lld", (long long)highest) < 0 || fsync(fd) < 0 ||
        renameat(folder, "epoch.new", folder, "epoch") < 0 || fsync(folder) < 0)
        return err_set(e, -errno, "%s/epoch: %s", p->state, strerror(errno));
    return 0;
}

int epoch_admit(struct epoch *p, const struct agent_head *h, int64_t now_ms, struct err *e)
{
    if (h->epoch < p->highest)
        return err_set(e, -ESTALE, "epoch %lld: a runnerd of epoch %lld has taken over",
                       (long long)h->epoch, (long long)p->highest);
    if (now_ms > h->deadline_ms)
        return err_set(e, -ETIME, "the call came %lld ms after its deadline",
                       (long long)(now_ms - h->deadline_ms));
    int r = h->epoch > p->highest ? store(p, h->epoch, e) : 0;
    if (r == 0)
        p->highest = h->epoch;
    return r;
}
