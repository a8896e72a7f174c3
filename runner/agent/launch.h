// SPDX-License-Identifier: Apache-2.0
/* A start as the agent sees it: prepares as root, forks (birth.h), waits for the word, and
 * undoes all of it if the word is bad or does not come. */
#ifndef FF_AGENT_LAUNCH_H
#define FF_AGENT_LAUNCH_H

#include "runner/agent/errand.h"
#include "runner/base/loop.h"

struct launch;

/* 0: the processes exist. Negative: nothing runs, and nothing is left but what was there before
 * -- unless the entry in the spool says that user code may have run (it is then dead: lost). */
typedef void launch_done_fn(int status, const struct err *why, void *arg);

/* `ask` and `spec` are borrowed during the call alone. The account was checked. */
struct launch *launch_start(struct loop *l, const struct birth_place *place,
                            const struct agent_start *ask, int spec, launch_done_fn *done,
                            void *arg);

/* runner-files as the account, on `socket` (borrowed during the call). */
struct launch *launch_files_start(struct loop *l, const struct birth_place *place,
                                  const struct agent_files *ask, int socket,
                                  launch_done_fn *done, void *arg);

/* A client program as the account: `done` comes when it has ended, 0 when its result is in
 * fds->result. -ETIMEDOUT, -EIO: it may have done something. `fds` are borrowed during the
 * call; fds->result is to stay open until `done`. */
struct launch *launch_client_start(struct loop *l, const struct birth_place *place,
                                   const struct agent_client *ask, const struct errand_fds *fds,
                                   launch_done_fn *done, void *arg);

/* Forgets it: a launch under way goes on by itself. */
void launch_cancel(struct launch *l);

#endif
