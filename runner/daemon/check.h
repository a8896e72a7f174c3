// SPDX-License-Identifier: Apache-2.0
/* `runnerd check slurm`: asks the site's Slurm what it is and how it is set up, and prints for
 * each thing that matters a line
 *
 *   ok:   it is as it should be
 *   note: a choice of the site's, or what cannot be seen from here
 *   mend: it is wrong: what happens so, and what to write where
 *
 * Changes nothing. To be run as runnerd's own account, which then is the one whose sight of
 * others' jobs is tried. Blocks.
 */
#ifndef FF_DAEMON_CHECK_H
#define FF_DAEMON_CHECK_H

#include <stdbool.h>

#include "quota/db/db.h"
#include "runner/base/conf.h"
#include "runner/exec/slurm.h"

/* Borrowed during the call. */
struct check_ask {
    const struct conf *conf;
    const struct exec_slurm_conf *slurm;
    const struct db_conf *db;
    bool is_executor; /* [runner] executor = slurm */
};

/* The exit status: 0, or 1 when something is to be mended. */
int check_slurm(const struct check_ask *ask);

#endif
