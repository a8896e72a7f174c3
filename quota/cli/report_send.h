// SPDX-License-Identifier: Apache-2.0
/* `quota report send`: each tenant's report of a closed month to the tenant's contact, once. */
#ifndef FF_QUOTA_CLI_REPORT_SEND_H
#define FF_QUOTA_CLI_REPORT_SEND_H

#include "quota/cli/cli.h"

enum { REPORT_SEND_OPTIONS = 3 };
extern const struct command_option report_send_options[REPORT_SEND_OPTIONS];

int report_send(struct cli *c, struct err *e);

#endif
