// SPDX-License-Identifier: Apache-2.0
/* What is written when an attempt ends, when a month ends while it runs, and when a job ends:
 * the facts of the loop put into the journal's operation. Pure. */
#ifndef FF_DAEMON_ENDS_H
#define FF_DAEMON_ENDS_H

#include "runner/daemon/journal.h"
#include "runner/daemon/live.h"
#include "runner/exec/executor.h"

/* JOURNAL_END: what the executor says of the attempt, or what was metered last where its record
 * is gone; and the job's last event, for the same transaction. */
void ends_attempt(struct journal_op *op, const struct live *job,
                  const struct exec_status *exec);

/* JOURNAL_FINISH of a job whose attempt has its end already. */
void ends_job(struct journal_op *op, const struct live *job);

/* Whether a month of the site has ended at began_ms that the job's attempt was not charged for
 * yet and that its keeper has metered to the end. */
bool ends_month_is_due(const struct live *job, int64_t began_ms);

/* JOURNAL_CHARGE, of the months before began_ms. */
void ends_month(struct journal_op *op, const struct live *job, int64_t began_ms);

#endif
