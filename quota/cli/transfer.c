// SPDX-License-Identifier: Apache-2.0
/* `quota transfer`, `refund` and `adjust`: GPU-hours go across, come back, and are put
 * right. */
#include <errno.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post.h"
#include "runner/base/parse.h"

static int transfer(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("FROM", cli_arg(c, 0), &ask.allocation, e);
    if (r == 0)
        r = cli_parse_id("TO", cli_arg(c, 1), &ask.to_allocation, e);
    if (r == 0)
        r = amount_parse(cli_arg(c, 2), &ask.gpums, e);
    if (r == 0 && ask.allocation == ask.to_allocation)
        r = err_set(e, -EINVAL, "FROM and TO are the same allocation, %lld",
                    (long long)ask.allocation);
    if (r == 0)
        r = cli_begin(c, e, "move %s GPU-hours from the allocation %lld to the allocation %lld",
                      cli_arg(c, 2), (long long)ask.allocation, (long long)ask.to_allocation);
    return r < 0 ? r : post_one(c, posting_transfer, &ask, "allocation", e);
}

static int refund(struct cli *c, struct err *e)
{
    static const char *const causes[] = {"node_fault", "preempted", "maintenance",
                                         "error",      "goodwill",  NULL};
    struct posting_ask ask = {.cause = cli_value(c, "cause")};
    const char *hours = cli_arg(c, 1), *month = cli_value(c, "month");
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("job", cli_arg(c, 0), &ask.job, e);
    if (r == 0 && hours)
        r = amount_parse(hours, &ask.gpums, e);
    if (r == 0)
        r = cli_parse_word("--cause", ask.cause, causes, e);
    if (r == 0 && month)
        r = cli_parse_month("--month", month, &ask.month, e);
    if (r == 0)
        r = cli_begin(c, e, "refund %s GPU-hours of the job %lld for the cause %s",
                      hours ? hours : "all", (long long)ask.job, ask.cause);
    return r < 0 ? r : post_one(c, posting_refund, &ask, "job", e);
}

/* "+5" and "-5": the sign must be typed, so that nobody adds what he meant to take. */
static int parse_signed(const char *text, int64_t *out_gpums, struct err *e)
{
    if (*text != '+' && *text != '-')
        return err_set(e, -EINVAL,
                       "'%.40s': write +HOURS to add or -HOURS to take, with at most three "
                       "decimals, like -118.5",
                       text);
    int r = amount_parse(text + 1, out_gpums, e);
    if (r == 0 && *text == '-')
        *out_gpums = -*out_gpums;
    return r;
}

/* A correction of a month that is past says of which job. */
static int read_corrected(struct cli *c, struct posting_ask *ask, struct err *e)
{
    const char *job = cli_value(c, "job"), *month = cli_value(c, "month");
    int r = job ? cli_parse_id("--job", job, &ask->job, e) : 0;
    if (r == 0 && month)
        r = cli_parse_month("--month", month, &ask->month, e);
    if (r == 0 && month && !job)
        return err_set(e, -EINVAL,
                       "--month needs --job: a correction of a month names the job too");
    return r;
}

static int adjust(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("allocation", cli_arg(c, 0), &ask.allocation, e);
    if (r == 0)
        r = parse_signed(cli_arg(c, 1), &ask.gpums, e);
    if (r == 0)
        r = read_corrected(c, &ask, e);
    if (r == 0)
        r = cli_begin(c, e, "correct what is free in the allocation %lld by %s GPU-hours",
                      (long long)ask.allocation, cli_arg(c, 1));
    return r < 0 ? r : post_one(c, posting_adjust, &ask, "allocation", e);
}

#define REFERENCE                                                                              \
    {                                                                                          \
        "reference", "TEXT", "a number of the ticket or invoice, kept with it", false          \
    }

static const struct command_option transfer_options[] = {REFERENCE};

static const struct command_option refund_options[] = {
    {"cause", "CAUSE", "node_fault, preempted, maintenance, error or goodwill", true},
    {"month", "MONTH", "the month of the charge, like 2026-10, where it was closed", false},
    REFERENCE,
};

static const struct command_option adjust_options[] = {
    {"job", "NUMBER", "the job whose charge is corrected", false},
    {"month", "MONTH", "the closed month that is corrected, like 2026-10; needs --job", false},
    REFERENCE,
};

static const struct command_verb transfer_verbs[] = {
    {NULL, "FROM TO HOURS", 3, 3, transfer_options, COUNT(transfer_options), COMMAND_POSTS,
     transfer, "move free GPU-hours from one allocation to another",
     "FROM and TO are numbers that `quota balance` shows. Only what is free moves, and the\n"
     "allocation it comes to must be open and in or before its term.\n"
     "moved: how much; left: how much is free in FROM afterwards.\n"
     "  quota transfer 12 15 30 --reason 'both groups agreed, mail of 3 November'\n"},
};

static const struct command_verb refund_verbs[] = {
    {NULL, "JOB [HOURS]", 1, 2, refund_options, COUNT(refund_options), COMMAND_POSTS, refund,
     "give back what a job was charged",
     "At most what the job was charged, over all refunds; without HOURS all that is left of\n"
     "it. While the job lives the GPU-time returns to its hold, afterwards to its allocation,\n"
     "or it expires at once when that term is over. A month that is closed stays as it is:\n"
     "the refund is booked in the open one and says which month it corrects.\n"
     "moved: how much was refunded; left: how much can still be.\n"
     "  quota refund 4711 --cause node_fault --reason 'ECC errors on n3'\n"
     "  quota refund 4711 2.5 --cause goodwill --reason 'lost an evening to our mistake'\n"},
};

static const struct command_verb adjust_verbs[] = {
    {NULL, "ALLOCATION +HOURS|-HOURS", 2, 2, adjust_options, COUNT(adjust_options),
     COMMAND_POSTS, adjust, "correct what is free in an allocation",
     "For what no other verb says: grant, revoke, refund and expire name what they are. The\n"
     "other side is the account `adjusted`, which the month's report shows. Taking more than\n"
     "is free is refused. A correction of a closed month names the month and the\n"
     "job.\n" POST_HELP
     "  quota adjust 12 -1.5 --job 4711 --month 2026-10 --reason 'wrong weight'\n"},
};

const struct command_noun noun_transfer = {"transfer", "move GPU-hours between allocations",
                                           transfer_verbs, COUNT(transfer_verbs)};
const struct command_noun noun_refund = {"refund", "give back what a job was charged",
                                         refund_verbs, COUNT(refund_verbs)};
const struct command_noun noun_adjust = {"adjust", "correct what is free in an allocation",
                                         adjust_verbs, COUNT(adjust_verbs)};
