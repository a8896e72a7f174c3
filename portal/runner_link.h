// SPDX-License-Identifier: Apache-2.0
/* What portald asks of runnerd: a knock, a descriptor to read a log, a folder of files.
 *
 * Everything on the loop. An ask calls `done` exactly once, later, with 0 or a negative
 * errno: -ENOENT (no such log or file) and other answers of runnerd and runner-files,
 * -ENOTCONN when runnerd was not reached. Pages degrade then; whether the person may see it
 * was decided before. */
#ifndef FF_PORTAL_RUNNER_LINK_H
#define FF_PORTAL_RUNNER_LINK_H

#include <stdint.h>

#include "runner/proto/wire.h"

struct loop;
struct request;
struct runner_ask;
struct runner_link;

struct runner_link *runner_link_new(struct loop *l, const char *socket);
/* Drops the requests whose asks are under way; their `done` does not run. */
void runner_link_free(struct runner_link *k);

/* Something is new in the database. Many at once become one; lost ones do no harm. */
void runner_knock(struct runner_link *k);

/* `packet` holds the reply and perhaps a descriptor, freed after `done` unless taken. */
typedef void runner_done_fn(int status, struct packet *packet, const struct err *why,
                            void *arg);

/* A descriptor of the attempt's log. `r` is the request that waits for it, or NULL. */
struct runner_ask *runner_log_start(struct runner_link *k, struct request *r, int64_t job,
                                    int64_t attempt, runner_done_fn *done, void *arg);

/* One question (runner/proto/files_calls.h) to runner-files about the job's folder; takes
 * `question`. */
struct runner_ask *runner_files_start(struct runner_link *k, struct request *r, int64_t job,
                                      json_t *question, runner_done_fn *done, void *arg);

void runner_ask_cancel(struct runner_ask *a); /* NULL is fine; `done` never runs */

#endif
