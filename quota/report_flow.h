// SPDX-License-Identifier: Apache-2.0
/* What became of an allocation's GPU-time over some months: the equation that a bursar signs.
 *
 *   opening + granted - revoked + transferred in - transferred out + adjusted - expired
 *           - charged + refunded = closing = free + held
 *
 * `refunded` is what came back to free or held; what was given back after the term went to the
 * account `expired` and is counted apart. Amounts are GPU-milliseconds; `adjusted` has a sign.
 */
#ifndef FF_QUOTA_REPORT_FLOW_H
#define FF_QUOTA_REPORT_FLOW_H

#include <stddef.h>
#include <stdint.h>

#include "quota/db/db.h"

enum report_flow_part {
    FLOW_OPENING, /* free and held when the months began */
    FLOW_GRANTED,
    FLOW_REVOKED,
    FLOW_TRANSFERRED_IN,
    FLOW_TRANSFERRED_OUT,
    FLOW_ADJUSTED,
    FLOW_EXPIRED,
    FLOW_CHARGED,
    FLOW_REFUNDED,
    FLOW_CLOSING, /* free and held when they ended … */
    FLOW_FREE,    /* … which is this … */
    FLOW_HELD,    /* … and this */
    FLOW_USED,    /* from the allocation's begin until then, less what was refunded */
    FLOW_REFUND_EXPIRED,
    FLOW_PARTS
};

struct report_flow {
    int64_t gpums[FLOW_PARTS];
};

/* "transferred_in" */
const char *report_flow_name(enum report_flow_part part);

/* The left side of the equation. Pure. */
int64_t report_flow_result(const struct report_flow *f);

void report_flow_add(struct report_flow *sum, const struct report_flow *f);

struct report_allocation {
    char *tenant, *project; /* names */
    int64_t id, from_ms, until_ms;
    int64_t budget_id;
    struct report_flow flow;
};

struct report_allocations {
    struct report_allocation *rows; /* in order of tenant, project and number */
    size_t count;
    /* What the transfers of the months come to, whosever they are. */
    int64_t ledger_charged_gpums, ledger_refunded_gpums;
};

/* Which rows are asked for; NULL: all. */
struct report_filter {
    const char *tenant, *project;
    const char *user; /* "login" or "login@directory"; has no allocations */
};

/* Reads the flow over the months `first` … `last`. Opening is what the last month closed before
 * left behind and every transfer since. Closing is what the closed month `last` left behind, or
 * the balances of now less every transfer since, which must all be read in one snapshot;
 * is_moving: there is none, and closing is the equation's own result, without free, held and
 * used. Allocations that had nothing and moved nothing are left out. */
int report_allocations_read(struct db *db, int first, int last, bool is_moving,
                            const struct report_filter *filter, struct report_allocations *out,
                            struct err *e);
void report_allocations_done(struct report_allocations *a);

#endif
