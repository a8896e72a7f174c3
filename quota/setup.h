// SPDX-License-Identifier: Apache-2.0
/* The set-up of a site as one JSON object: who may spend what, and at which price. Not its
 * jobs and not its ledger.
 *
 *   {"format": 1, "site": {"name", "zone"},
 *    "tenants": {NAME: {"title", "contact", "state", "admins": [PERSON …]}},
 *    "projects": {NAME: {"tenant", "title", "state", "members": {PERSON: "pi" or "member"},
 *      "allocations": [{"from", "until", "state", "granted_gpums",
 *                       "shares": {PERSON: GPUMS}} …]}},
 *    "limits": {"everyone": LIMIT, "person": {PERSON: LIMIT}, "project": …, "tenant": …},
 *    "prices": {TYPE: [{"since", "weight_permille"} …]}}
 *   LIMIT: {"gpus", "waiting", "time_limit_ms", "types"}, each only where it limits
 *
 * PERSON is login@directory. A moment is a day ("2026-11-01", where it begins in the site's
 * zone) or milliseconds since 1970. Amounts are GPU-milliseconds: 3600000 are a GPU-hour.
 * granted_gpums is what grants, revocations, transfers and adjustments come to. Needs the
 * process's zone to be the site's. Blocks; errors are those of db.h. */
#ifndef FF_QUOTA_SETUP_H
#define FF_QUOTA_SETUP_H

#include <jansson.h>

#include "quota/change.h"

enum { SETUP_FORMAT = 1, SETUP_BYTES_MAX = 64 << 20 };

/* All of it, in one snapshot. With numbers each allocation also has "number". Caller frees with
 * json_decref(). */
int setup_read(struct db *db, bool with_numbers, json_t **out, struct err *e);

/* Whether it is of the form above; -EINVAL with the place and the remedy. Pure. */
int setup_check(const json_t *setup, struct err *e);

/* One thing that differed, and what became of it. */
struct setup_change {
    const char *answer; /* "done", "done before", "would be done", "skipped", "refused" */
    const char *object; /* "project lattice" */
    const char *change; /* what was to be changed, in words */
    const char *note;   /* why it was skipped or refused; "" */
};
typedef void setup_fn(const struct setup_change *change, void *arg);

/* Makes the site like `want` (checked before): adds and changes what differs, each as one
 * audited change with a key made of its content; removes nothing, and grants GPU-time only
 * in allocations that are not there yet. *out_refused: how many were refused or skipped. */
int setup_apply(struct db *db, const struct change_by *by, const json_t *want,
                setup_fn *on_change, void *arg, size_t *out_refused, struct err *e);

/* The moment that a checked "since", "from" or "until" means. */
int64_t setup_moment_ms(const json_t *moment);

#endif
