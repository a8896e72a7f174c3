// SPDX-License-Identifier: Apache-2.0
/* A job's log: its head, up to a cap, and a last line that counts what was thrown away. */
#ifndef FF_AGENT_JOBLOG_H
#define FF_AGENT_JOBLOG_H

#include <stddef.h>
#include <stdint.h>

struct joblog {
    int fd; /* appended to */
    int64_t max, kept, dropped;
};

/* Takes everything; what is above the cap, or cannot be written (a full disk), is counted. */
void joblog_put(struct joblog *l, const char *data, size_t len);
void joblog_end(struct joblog *l); /* the last line, beyond the cap, if anything was dropped */

#endif
