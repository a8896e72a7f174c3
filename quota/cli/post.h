// SPDX-License-Identifier: Apache-2.0
/* What the verbs that move GPU-time share: one posting, printed as a row, or refused with
 * its numbers and what may be done instead.
 *
 * A verb checks what was typed, calls cli_begin(), then post_one(); one that posts several
 * calls post_begin(), post_row() for each, post_end(). */
#ifndef FF_QUOTA_CLI_POST_H
#define FF_QUOTA_CLI_POST_H

#include "quota/cli/cli.h"
#include "quota/posting.h"

/* For the help of each verb that prints them. */
#define POST_HELP                                                                              \
    "moved: how much this posting moved; left: how much is free in the allocation afterwards.\n"

/* Before cli_begin(): --columns, and --reference (of verbs that have it) into *ask. */
int post_init(struct cli *c, struct posting_ask *ask, struct err *e);

/* Posts under c->by and prints the row. `object`: "allocation" or "job". Refusals are -EPERM,
 * -EEXIST or -ENOENT with a sentence. */
int post_one(struct cli *c, posting_fn *run, const struct posting_ask *ask, const char *object,
             struct err *e);

int post_begin(struct cli *c, struct err *e);
int post_row(struct cli *c, posting_fn *run, const struct posting_ask *ask, const char *object,
             struct err *e);
void post_end(struct cli *c);

#endif
