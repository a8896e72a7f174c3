// SPDX-License-Identifier: Apache-2.0
/* What runner-task writes into the job's folder, which is its working folder: the claim and the
 * script below .firefly/, the folder for checkpoints, and the one for temporary files. */
#ifndef FF_TASK_FOLDER_H
#define FF_TASK_FOLDER_H

#include "runner/task/place.h"

/* Claims the launch token, once and for good: user code runs once, however often the launch is
 * repeated. -EEXIST: it was claimed before. */
int folder_claim(const struct place *p, struct err *e);

void folder_make(void); /* checkpoint/ and TMPDIR; a program that needs them will say so */

/* Writes the script (mode 0700). *out_path is for execve(2); caller frees. */
int folder_write_script(const struct place *p, const char *script, char **out_path,
                        struct err *e);

#endif
