// SPDX-License-Identifier: Apache-2.0
/* GPU-time as people write and read it: hours in, hours, minutes or seconds out. Pure, exact
 * integers. */
#ifndef FF_QUOTA_AMOUNT_H
#define FF_QUOTA_AMOUNT_H

#include <stdint.h>

#include "runner/base/err.h"

enum { AMOUNT_HOURS_MAX = 1000000000, AMOUNT_TEXT = 32 };

enum amount_unit { AMOUNT_HOURS, AMOUNT_MINUTES, AMOUNT_SECONDS };

/* "118.5": more than 0, at most AMOUNT_HOURS_MAX GPU-hours, at most three decimals, nothing
 * else around it. -EINVAL with the value and the remedy. */
int amount_parse(const char *text, int64_t *out_gpums, struct err *e);

/* "118.500": three decimals, rounded half away from zero; in seconds that is exact. */
void amount_text(int64_t gpums, enum amount_unit unit, char out[AMOUNT_TEXT]);

/* "1.5" of a GPU type's price into 1500 thousandths; more than 0, at most 100. */
int amount_parse_weight(const char *text, int64_t *out_permille, struct err *e);

#endif
