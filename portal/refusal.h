// SPDX-License-Identifier: Apache-2.0
/* Why a job was not placed, in words with the number and the remedy. Pure. */
#ifndef FF_PORTAL_REFUSAL_H
#define FF_PORTAL_REFUSAL_H

#include "quota/ledger_place.h"
#include "quota/person.h"
#include "runner/base/arena.h"
#include "runner/job/spec.h"

struct refusal {
    const char *type;     /* for programs: "no-budget", "other-content", … */
    const char *field;    /* of the form and of the request; "" for the whole */
    const char *detail;   /* a sentence with the numbers */
    const char *remedy;   /* what to do; a sentence */
    int status;           /* of HTTP */
    const char *at_field; /* what stands beside the field; NULL: the detail */
};

/* Of any answer but PLACE_DONE and PLACE_SAME.
 *   named   the allocation that the spec names, as the person has it; NULL: none, or not his
 * Texts are the arena's or static. */
struct refusal refusal_of(struct arena *a, const struct spec *s, const struct place_result *p,
                          const struct balance *named, int64_t now_ms);

/* The longest time limit that a job of this shape could have with what is free, in whole
 * minutes (below two minutes: seconds); 0: none. */
int64_t refusal_fitting_ms(int64_t time_limit_ms, int64_t hold_gpums, int64_t free_gpums);

#endif
