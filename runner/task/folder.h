// SPDX-License-Identifier: Apache-2.0
/* What runner-task writes into the job's folder, which is its working folder: the claim, the
 * script and an attempt's records below .firefly/, the folder for checkpoints, and the one for
 * temporary files. */
#ifndef FF_TASK_FOLDER_H
#define FF_TASK_FOLDER_H

#include "runner/task/place.h"

/* Makes the job's folder the working folder; it must be this account's. */
int folder_enter(const char *job_dir, struct err *e);

/* Claims the launch token for `part` of the launch (a node's number, or "batch"), once and for
 * good: user code runs once, however often the launch is repeated. -EEXIST: it was claimed
 * before. */
int folder_claim(const char *token, const char *part, struct err *e);

/* Opens .firefly/attempt-TOKEN/, made first if it is not there. A descriptor; caller closes. */
int folder_open_attempt(const char *token, struct err *e);

/* Writes a file of `folder` aside, and moves it into place when it is on the disk: readers find
 * it whole, or the one before it. */
int folder_write(int folder, const char *name, const char *text, size_t len, struct err *e);

void folder_make(void); /* checkpoint/ and TMPDIR; a program that needs them will say so */

/* Writes the script (mode 0700). *out_path is for execve(2); caller frees. */
int folder_write_script(const struct place *p, const char *script, char **out_path,
                        struct err *e);

#endif
