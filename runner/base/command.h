// SPDX-License-Identifier: Apache-2.0
/* A program run for its output, beside the loop: arguments in, exit status and output out.
 *
 * It gets exactly the environment given, no standard input, no other descriptor, and a process
 * group of its own, which is killed whole when the time is over. Loop thread only.
 */
#ifndef FF_BASE_COMMAND_H
#define FF_BASE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"

struct loop;
struct command;

/* Borrowed during the start alone. */
struct command_ask {
    const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
    const char *const *env;  /* NULL-terminated; NULL: none */
    int64_t timeout_ms;
    size_t out_max; /* bytes kept of its output and of its complaints each */
};

struct command_answer {
    int status; /* 0: it ended by itself; -ETIMEDOUT: killed; else it could not be started */
    int exit_code, signal_no; /* -1, 0: not that way */
    const char *out, *err;    /* ended by a NUL; borrowed during `done` */
    size_t out_len, err_len;
    bool is_cut; /* one of them was longer than out_max: the rest is lost */
    struct err why;
};
typedef void command_done_fn(const struct command_answer *answer, void *arg);

/* `done` runs exactly once, from the loop, never inside the start; after command_cancel() (which
 * kills) never. The handle is valid until then. */
struct command *command_start(struct loop *l, const struct command_ask *ask,
                              command_done_fn *done, void *arg);
void command_cancel(struct command *c); /* NULL is fine */

#endif
