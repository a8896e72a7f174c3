// SPDX-License-Identifier: Apache-2.0
/* runner-files: looks after one folder as the user (runner/proto/files_calls.h). Every path
 * goes through openat2(2) below that folder's descriptor, so that the kernel, not we, keeps it
 * inside. */
#ifndef FF_AGENT_FILES_H
#define FF_AGENT_FILES_H

#include "runner/proto/wire.h"

/* Answers one request on the folder that `root` is open on. Never fails: refusals are replies
 * too. *out_fd is a descriptor to send along, -1: none; the caller closes it. */
json_t *files_answer(int root, const struct packet *request, int *out_fd);

int files_run(int socket, int root); /* until the socket closes or idles; the exit status */

#endif
