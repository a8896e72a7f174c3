// SPDX-License-Identifier: Apache-2.0
/* Sends one message through the outbox, so that it goes out once, and prints what became of it
 * as a row (mail_columns). What `report send` and `notice send` have in common. */
#ifndef FF_QUOTA_CLI_POST_MAIL_H
#define FF_QUOTA_CLI_POST_MAIL_H

#include "quota/cli/cli.h"
#include "quota/cli/smtp.h"
#include "quota/outbox.h"

extern const struct column mail_columns[];
extern const size_t mail_columns_count;

/* `m` without id and on_deliver, which come from the outbox. With --dry-run nothing is written
 * or sent; --again ADDRESS sends what may have been lost. *out_is_trouble: it was refused, or
 * nobody knows. */
int post_mail(struct cli *c, const struct smtp_conf *conf, const struct outbox_ask *ask,
              const struct smtp_message *m, bool *out_is_trouble, struct err *e);

#endif
