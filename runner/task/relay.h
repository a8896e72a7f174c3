// SPDX-License-Identifier: Apache-2.0
/* The output of several ranks in one log: line by line, each with its rank in front. */
#ifndef FF_TASK_RELAY_H
#define FF_TASK_RELAY_H

#include <stdbool.h>
#include <stddef.h>

enum { RELAY_LINE_MAX = 16 * 1024 }; /* a longer line comes in pieces */

struct relay {
    int from, to;    /* a rank's pipe (non-blocking, -1 once it has ended), the log */
    char prefix[32]; /* "[rank 3] " */
    char line[RELAY_LINE_MAX];
    size_t len;
};

/* Passes on what is there now; at the end also a last line without its newline. false: it has
 * ended. */
bool relay_move(struct relay *r);

#endif
