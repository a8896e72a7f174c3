// SPDX-License-Identifier: Apache-2.0
/* Trouble that lasts: what is tried again each second is told when it is new, and then once a
 * minute. Pure. */
#ifndef FF_DAEMON_TROUBLE_H
#define FF_DAEMON_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"

enum { TROUBLE_AGAIN_MS = 60000 };

struct trouble {
    struct err told; /* "": nothing */
    int64_t at_ms;   /* when, by the clock of the caller */
};

/* Whether the sentence is to be told now; it counts as told then. */
bool trouble_is_news(struct trouble *t, const struct err *why, int64_t now_ms);

/* It is over: the same sentence would be news. */
void trouble_end(struct trouble *t);

#endif
