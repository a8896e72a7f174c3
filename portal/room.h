// SPDX-License-Identifier: Apache-2.0
/* Could the cluster, as it is, ever run a job of this shape? What it never could is refused
 * when it is submitted instead of waiting for ever. Pure. */
#ifndef FF_PORTAL_ROOM_H
#define FF_PORTAL_ROOM_H

#include <stdbool.h>

#include "portal/refusal.h"
#include "portal/worker.h"

/* True: it never could, and `out` says why with the numbers and the remedy. False also while no
 * node has told its size. Texts are the arena's or static. */
bool room_refuses(struct arena *a, const struct cluster *c, const struct spec *s,
                  struct refusal *out);

/* What to do about this number in this field; NULL: it is not beyond the whole cluster. */
const char *room_remedy(struct arena *a, const struct cluster *c, const char *field,
                        int64_t number);

#endif
