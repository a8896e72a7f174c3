// SPDX-License-Identifier: Apache-2.0
/* The verbs of `quota job` that ask something of runnerd; job.c lists them in its table. */
#ifndef FF_QUOTA_CLI_JOB_ASK_H
#define FF_QUOTA_CLI_JOB_ASK_H

#include "quota/cli/cli.h"

enum { JOB_CANCEL_OPTIONS = 1, JOB_RECONCILE_OPTIONS = 5 };
extern const struct command_option job_cancel_options[JOB_CANCEL_OPTIONS],
    job_reconcile_options[JOB_RECONCILE_OPTIONS];

int job_cancel(struct cli *c, struct err *e);
int job_extend(struct cli *c, struct err *e);
int job_reconcile(struct cli *c, struct err *e); /* reconcile.c */

#endif
