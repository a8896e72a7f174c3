// SPDX-License-Identifier: Apache-2.0
/* `quota verify`: are the books in balance? */
#include "quota/verify.h"

#include <stdio.h>

#include "quota/cli/cli.h"
#include "quota/cli/faults.h"
#include "quota/cli/nouns.h"

static int verify(struct cli *c, struct err *e)
{
    struct faults f;
    struct verify_counts counts;
    char result[160];
    int r = faults_init(&f, c, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = verify_run(c->db, faults_print, &f, &counts, e);
    if (r < 0)
        return r;
    snprintf(result, sizeof(result), "books %s: %lld jobs, %lld transfers, %lld faults",
             counts.faults ? "DO NOT balance" : "balance", (long long)counts.jobs,
             (long long)counts.transfers, (long long)counts.faults);
    return faults_end(&f, counts.faults, result);
}

static const struct command_verb verbs[] = {
    {NULL, "", 0, 0, NULL, 0, COMMAND_READS, verify, "prove the books",
     "Computes every stored number again from the transfers and events, in one snapshot,\n"
     "while jobs go on: balances, transfers, holds, charges, refunds, releases, shares,\n"
     "states, closed months, reports. Prints what is wrong, one row each (amounts in\n"
     "GPU-milliseconds), and exits 5; changes nothing. The last line says the result; in csv\n"
     "and json it goes to standard error. What people changed is proved by `quota audit\n"
     "verify`.\n"},
};

const struct command_noun noun_verify = {"verify", "prove the books", verbs, COUNT(verbs)};
