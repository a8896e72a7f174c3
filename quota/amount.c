// SPDX-License-Identifier: Apache-2.0
/* Text of GPU-hours to GPU-milliseconds and back; a thousandth of an hour is 3600 of them. */
#include "quota/amount.h"

#include <errno.h>
#include <stdio.h>

#include "runner/base/parse.h"

enum { GPUMS_PER_MILLIHOUR = 3600, WEIGHT_MAX = 100000 };

int amount_parse(const char *text, int64_t *out_gpums, struct err *e)
{
    int64_t milli;
    if (parse_gpu_hours(text, INT64_C(1000) * AMOUNT_HOURS_MAX, &milli) < 0 || milli == 0)
        return err_set(
            e, -EINVAL,
            "'%.40s': write GPU-hours as a number above 0 and up to %d, with at most three "
            "decimals, like 118.5",
            text, AMOUNT_HOURS_MAX);
    *out_gpums = milli * GPUMS_PER_MILLIHOUR;
    return 0;
}

void amount_text(int64_t gpums, enum amount_unit unit, char out[AMOUNT_TEXT])
{
    static const int64_t thousandth[] = {
        [AMOUNT_HOURS] = 3600, [AMOUNT_MINUTES] = 60, [AMOUNT_SECONDS] = 1};
    uint64_t size = gpums < 0 ? 0 - (uint64_t)gpums : (uint64_t)gpums;
    uint64_t per = (uint64_t)thousandth[unit];
    uint64_t milli = size / per + (size % per * 2 >= per && per > 1);
    snprintf(out, AMOUNT_TEXT, "%s%llu.%03llu", gpums < 0 && milli ? "-" : "",
             (unsigned long long)(milli / 1000), (unsigned long long)(milli % 1000));
}

int amount_parse_weight(const char *text, int64_t *out_permille, struct err *e)
{
    int64_t milli;
    if (parse_gpu_hours(text, WEIGHT_MAX, &milli) < 0 || milli == 0)
        return err_set(e, -EINVAL,
                       "'%.40s': write a weight above 0 and up to 100, with at most three "
                       "decimals, like 1 or 0.25",
                       text);
    *out_permille = milli;
    return 0;
}
