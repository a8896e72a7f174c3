// SPDX-License-Identifier: Apache-2.0
/* One run of a client program as an account, watched from its start to its end.
 *
 *   agent ── fork ──▶ E (root): becomes the user, enters the job's folder, keeps no descriptor
 *                     │         but its own five
 *                     ├── fork ──▶ the program
 *                     reads what it writes, waits for its end, for the deadline, or for the end
 *                     of the agent; then kills everything below itself
 *   agent ◀── word ── says that the result is there, or what went wrong
 *
 * E keeps the deadline by itself: an agent that is stopped, or killed, lets no program run on
 * that a successor no longer expects. Killed itself, it takes the program along.
 */
#ifndef FF_AGENT_ERRAND_H
#define FF_AGENT_ERRAND_H

#include "runner/agent/birth.h"

struct errand_fds {
    int program; /* open for execve(2) */
    int input;   /* -1: none */
    int result;  /* from errand_result_new(); E writes it, the agent reads it after the word */
};

struct errand {
    const struct birth_place *place;
    const struct agent_client *ask;
    struct identity user;
    struct errand_fds fds;
    int job_folder;
    int word; /* the pipe's end to write; its other end is the agent's alone */
};

/* Called in a new child; never returns. Past the call's deadline the word is -ETIMEDOUT. */
_Noreturn void errand_run(const struct errand *e);

int errand_result_new(struct err *e);    /* a memfd, or a negative errno */
json_t *errand_result_reply(int result); /* struct agent_client_reply; NULL: it is not whole */

#endif
