// SPDX-License-Identifier: Apache-2.0
/* What people do and what goes wrong, one deed at a time, chosen by chance. */
#ifndef FF_SIM_DEEDS_H
#define FF_SIM_DEEDS_H

struct sim;

void deeds_one(struct sim *s);

/* No more faults: what is away comes back, what is damaged is mended, what runs without an end
 * is cancelled. */
void deeds_end(struct sim *s);

#endif
