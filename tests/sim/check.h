// SPDX-License-Identifier: Apache-2.0
/* What must be true when everybody has been left alone for a while. */
#ifndef FF_SIM_CHECK_H
#define FF_SIM_CHECK_H

struct sim;

/* Ends the faults, waits until all is quiet, and no longer than that may take; then compares
 * jobs, books and what really ran. */
void check_quiet(struct sim *s);

#endif
