// SPDX-License-Identifier: Apache-2.0
/* --month, or half-open --since and --until, as an interval in UTC milliseconds. */
#ifndef FF_QUOTA_CLI_INTERVAL_H
#define FF_QUOTA_CLI_INTERVAL_H

#include "quota/cli/cli.h"

/* For the option tables of the verbs that read them. */
#define INTERVAL_OPTIONS                                                                       \
    {"month", "MONTH", "only this month, like 2026-10", false},                                \
        {"since", "DAY", "only from the begin of this day on", false},                         \
    {                                                                                          \
        "until", "DAY", "only before the begin of this day", false                             \
    }

struct interval {
    int64_t from_ms, until_ms; /* half-open; without the options all of time */
    int month;                 /* 0: not given */
};

/* Needs cli_open() before it. -EINVAL: wrong, reversed, or month and days together; -ENOENT:
 * the site has no such month. */
int interval_read(struct cli *c, struct interval *out, struct err *e);

#endif
