// SPDX-License-Identifier: Apache-2.0
/* `quota`: the administrator's command. Finds noun and verb, runs it, and turns its result into
 * the exit status. What each command does stands in the file of its noun. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"

static const struct command_noun *const nouns[] = {
    &noun_db,      &noun_site,   &noun_ldap,       &noun_tenant,  &noun_project,  &noun_member,
    &noun_request, &noun_person, &noun_grant,      &noun_revoke,  &noun_transfer, &noun_refund,
    &noun_adjust,  &noun_expire, &noun_allocation, &noun_balance, &noun_share,    &noun_limit,
    &noun_price,   &noun_node,   &noun_slurm,      &noun_job,     &noun_hold,     &noun_ledger,
    &noun_month,   &noun_report, &noun_notice,     &noun_verify,  &noun_audit,    &noun_export,
    &noun_import,  NULL,
};

static int exit_code(int r)
{
    switch (r) {
    case -EINVAL:
        return CLI_USAGE;
    case -EPERM:
    case -EEXIST:
        return CLI_REFUSED;
    case -ENOENT:
        return CLI_NOT_FOUND;
    default:
        return r < 0 ? CLI_FAILED : r;
    }
}

static int finish(int r, const struct err *e)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("quota: the output could not be written\n", stderr);
        return CLI_FAILED;
    }
    if (r < 0) {
        fputs("quota: ", stderr);
        out_safe(stderr, e->text);
        fputc('\n', stderr);
    }
    return exit_code(r);
}

int main(int argc, char **argv)
{
    struct command_call call;
    struct cli cli;
    struct err e = {""};
    signal(SIGPIPE, SIG_IGN);
    int r = command_parse(nouns, argc, argv, &call, &e);
    if (r < 0)
        return finish(r, &e);
    if (call.wants_help) {
        command_help(nouns, &call, stdout);
        return finish(0, &e);
    }
    r = cli_init(&cli, &call, &e);
    if (r == 0)
        r = call.verb->run(&cli, &e);
    cli_done(&cli);
    return finish(r, &e);
}
