// SPDX-License-Identifier: Apache-2.0
/* From a request to a job with its hold: what the form and the API have in common. On a
 * worker. */
#ifndef FF_PORTAL_PLACE_H
#define FF_PORTAL_PLACE_H

#include <stdbool.h>

#include "portal/refusal.h"
#include "portal/request.h"
#include "portal/worker.h"
#include "quota/ledger_place.h"

struct placed {
    bool is_placed; /* the job exists: made now, or before by the same key and content */
    struct place_result result;
    struct refusal refusal; /* otherwise; texts live as long as the request */
};

/* `asked` is the job's request as spec.h describes it, `key` 32 hexadecimal digits. Fails
 * only when the answer is not known (the database is away): repeat with the same key. */
int place_job(struct worker *w, struct request *r, const json_t *asked, const char *key,
              struct placed *out);

/* For work_line_new(): the line in which place_job() waits. */
void place_run_many(void *worker, void *const *passes, size_t count);

bool place_is_key(const char *key); /* 32 lower-case hexadecimal digits */

#endif
