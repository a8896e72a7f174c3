// SPDX-License-Identifier: Apache-2.0
/* A few sentences, and when each was met last. */
#include "portal/trouble.h"

#include <string.h>

#include "runner/base/log.h"
#include "runner/base/now.h"

bool trouble_is_new(struct troubles *t, const char *what, int64_t now_ms)
{
    struct err given;
    size_t oldest = 0;
    err_set(&given, 0, "%s", what);
    for (size_t i = 0; i < TROUBLES; i++) {
        if (strcmp(t->met[i].what.text, given.text) == 0 && t->met[i].met_ms) {
            bool is_over = now_ms - t->met[i].met_ms > TROUBLE_OVER_MS;
            t->met[i].met_ms = now_ms;
            return is_over;
        }
        if (t->met[i].met_ms < t->met[oldest].met_ms)
            oldest = i;
    }
    t->met[oldest].what = given;
    t->met[oldest].met_ms = now_ms;
    return true;
}

void trouble_log(struct troubles *t, const char *what)
{
    if (!*what)
        what = "too many requests wait at once";
    if (t && trouble_is_new(t, what, now_mono_ms()))
        log_error("%s; pages answer 503", what);
}
