// SPDX-License-Identifier: Apache-2.0
/* What the site gives back by itself when an attempt did not end by its user's doing. Pure, but
 * for reading its rules from the configuration.
 *
 * A cause is given a run time: at most so much of what the attempt was charged for is given
 * back, for all its GPUs. Of a job that saves checkpoints never more than its checkpoint
 * interval: what it had saved is not lost.
 */
#ifndef FF_QUOTA_REFUND_H
#define FF_QUOTA_REFUND_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/conf.h"

/* The section [refund]: the longest run time given back, in ms; 0 gives nothing. */
struct refund_rules {
    int64_t node_fault_ms, preempted_ms, maintenance_ms;
};
int refund_rules_read(struct conf *c, struct refund_rules *out, struct err *e);

/* The cause of refund for an attempt that ended by `attempt_cause` ("lost": "node_fault"), or
 * NULL: nothing is given back for that. */
const char *refund_cause(const char *attempt_cause);

/* An attempt as it was charged. */
struct refund_run {
    const char *cause; /* as refund_cause() gives it */
    int64_t gpus, weight_permille, chargeable_ms, charge_gpums;
    bool has_checkpoint;
    int64_t interval_ms; /* between checkpoints; 0: not declared */
};

/* How much of its charge is given back: 0 … run->charge_gpums. */
int64_t refund_gpums(const struct refund_rules *rules, const struct refund_run *run);

#endif
