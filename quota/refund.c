// SPDX-License-Identifier: Apache-2.0
/* The table of causes, and the arithmetic of a refund. */
#include "quota/refund.h"

#include <string.h>

#include "quota/price.h"
#include "runner/base/cleanup.h"

enum { LONGEST_DAYS = 31 };
#define LONGEST_MS (INT64_C(86400000) * LONGEST_DAYS)

/* What an attempt ended by, what it is given back for, and by which rule. */
static const struct cause {
    const char *attempt, *refund;
    size_t rule; /* offset in struct refund_rules */
} causes[] = {
    {"lost", "node_fault", offsetof(struct refund_rules, node_fault_ms)},
    {"node_fail", "node_fault", offsetof(struct refund_rules, node_fault_ms)},
    {"node_fault", "node_fault", offsetof(struct refund_rules, node_fault_ms)},
    {"preempted", "preempted", offsetof(struct refund_rules, preempted_ms)},
    {"maintenance", "maintenance", offsetof(struct refund_rules, maintenance_ms)},
    {"shutdown", "maintenance", offsetof(struct refund_rules, maintenance_ms)},
};

int refund_rules_read(struct conf *c, struct refund_rules *out, struct err *e)
{
    static const struct conf_key keys[] = {
        {"node_fault", CONF_DURATION, offsetof(struct refund_rules, node_fault_ms), "24h", 0,
         LONGEST_MS, NULL, "run time given back when the machine failed, at most; 0: none"},
        {"preempted", CONF_DURATION, offsetof(struct refund_rules, preempted_ms), "1h", 0,
         LONGEST_MS, NULL, "run time given back when another job took the GPUs, at most"},
        {"maintenance", CONF_DURATION, offsetof(struct refund_rules, maintenance_ms), "24h", 0,
         LONGEST_MS, NULL, "run time given back when the site ended the job, at most"},
    };
    return conf_apply(c, "refund", NULL, keys, COUNT(keys), out, e);
}

const char *refund_cause(const char *attempt_cause)
{
    for (size_t i = 0; i < COUNT(causes); i++)
        if (!strcmp(causes[i].attempt, attempt_cause))
            return causes[i].refund;
    return NULL;
}

static int64_t rule_ms(const struct refund_rules *rules, const char *cause)
{
    for (size_t i = 0; i < COUNT(causes); i++)
        if (!strcmp(causes[i].refund, cause))
            return *(const int64_t *)((const char *)rules + causes[i].rule);
    return 0;
}

int64_t refund_gpums(const struct refund_rules *rules, const struct refund_run *run)
{
    int64_t gpums, back_ms = rule_ms(rules, run->cause);
    if (run->has_checkpoint && run->interval_ms > 0 && back_ms > run->interval_ms)
        back_ms = run->interval_ms;
    if (back_ms >= run->chargeable_ms)
        return run->charge_gpums;
    if (price_gpums(run->gpus, back_ms, run->weight_permille, &gpums) < 0 ||
        gpums > run->charge_gpums)
        return run->charge_gpums;
    return gpums;
}
