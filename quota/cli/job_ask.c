// SPDX-License-Identifier: Apache-2.0
/* Asks runnerd to end a job, or gives it more time. */
#include "quota/cli/job_ask.h"

#include <errno.h>

#include "quota/cli/post.h"
#include "quota/request.h"
#include "runner/base/parse.h"

enum { MORE_MAX_DAYS = 31, DAY_MS = 86400000 };

const struct command_option job_cancel_options[JOB_CANCEL_OPTIONS] = {
    {"cause", "CAUSE", "the site's fault, which is refunded: maintenance or node_fault", false},
};

int job_cancel(struct cli *c, struct err *e)
{
    static const char *const causes[] = {"maintenance", "node_fault", NULL};
    struct request_ask ask = {.kind = REQUEST_CANCEL, .cause = cli_value(c, "cause")};
    enum change_answer answer;
    int r = cli_parse_id("job", cli_arg(c, 0), &ask.job, e);
    if (r == 0 && ask.cause)
        r = cli_parse_word("--cause", ask.cause, causes, e);
    if (r == 0)
        r = cli_begin(c, e, "ask to end the job %s%s%s", cli_arg(c, 0),
                      ask.cause ? " for the cause " : "", ask.cause ? ask.cause : "");
    if (r == 0)
        r = request_add(c->db, &c->by, &ask, &answer, e);
    return r < 0 ? r : cli_end(c, answer, "job", ask.job, e);
}

int job_extend(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    int r = post_init(c, &ask, e);
    if (r == 0)
        r = cli_parse_id("job", cli_arg(c, 0), &ask.job, e);
    if (r == 0 && parse_duration_ms(cli_arg(c, 1), 1000, (int64_t)MORE_MAX_DAYS * DAY_MS,
                                    &ask.more_ms) < 0)
        r = err_set(
            e, -EINVAL,
            "'%.40s': write how much more time, like 90s, 30m, 2h, 1d12h or HH:MM:SS, up to "
            "%dd",
            cli_arg(c, 1), MORE_MAX_DAYS);
    if (r == 0)
        r = cli_begin(c, e, "give the job %s %s more time, with another hold", cli_arg(c, 0),
                      cli_arg(c, 1));
    return r < 0 ? r : post_one(c, posting_extend, &ask, "job", e);
}
