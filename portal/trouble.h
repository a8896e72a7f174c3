// SPDX-License-Identifier: Apache-2.0
/* What is said once while it lasts: a database that is down fails every page, and one line of
 * the log tells why. A trouble is its sentence; it is over when it was not met for
 * TROUBLE_OVER_MS. The loop's. */
#ifndef FF_PORTAL_TROUBLE_H
#define FF_PORTAL_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"

enum {
    TROUBLE_OVER_MS = 60000,
    TROUBLES = 8, /* workers meet a server that goes away in different words */
};

/* Begins as all zeros. */
struct troubles {
    struct {
        struct err what;
        int64_t met_ms;
    } met[TROUBLES];
};

/* Is it new? Notes that it was met now, in place of the one that was not met for longest. */
bool trouble_is_new(struct troubles *t, const char *what, int64_t now_ms);

/* Logs that pages fail, and why, where it is new. `t` may be NULL: nothing is logged. */
void trouble_log(struct troubles *t, const char *what);

#endif
