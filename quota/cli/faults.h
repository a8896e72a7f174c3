// SPDX-License-Identifier: Apache-2.0
/* What a proof found wrong, as rows: for `quota verify` and `quota audit verify`.
 *
 *   struct faults f;
 *   r = faults_init(&f, c, e);       before anything is read: --columns may be wrong
 *   r = …_run(…, faults_print, &f, …);
 *   return faults_end(&f, found, "books balance: 7 jobs …");
 */
#ifndef FF_QUOTA_CLI_FAULTS_H
#define FF_QUOTA_CLI_FAULTS_H

#include "quota/cli/cli.h"
#include "quota/verify.h"

struct faults {
    struct cli *cli;
    bool
        is_open; /* the table's head is printed: with the first fault, in csv and json before */
};

int faults_init(struct faults *f, struct cli *c, struct err *e);
verify_fn faults_print; /* arg: the struct faults */

/* The last line says the result, in csv and json on standard error. Returns the exit code:
 * CLI_OK or CLI_UNBALANCED. */
int faults_end(struct faults *f, int64_t count, const char *result);

#endif
