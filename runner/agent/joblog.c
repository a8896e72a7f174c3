// SPDX-License-Identifier: Apache-2.0
/* Appends and counts; never fails, so that a job never waits for its log. */
#include "runner/agent/joblog.h"

#include <stdio.h>
#include <unistd.h>

void joblog_put(struct joblog *l, const char *data, size_t len)
{
    int64_t room =
        l->dropped ? 0 : l->max - l->kept; /* once cut, it stays cut: a head has no holes */
    size_t wanted = (int64_t)len < room ? len : (size_t)room;
    size_t done = 0;
    while (done < wanted) {
        ssize_t n = write(l->fd, data + done, wanted - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    l->kept += (int64_t)done;
    l->dropped += (int64_t)(len - done);
}

void joblog_end(struct joblog *l)
{
    if (l->dropped)
        dprintf(l->fd, "\n[firefly: the log is cut here: %lld bytes kept, %lld dropped]\n",
                (long long)l->kept, (long long)l->dropped);
}
