// SPDX-License-Identifier: Apache-2.0
/* A file that is whole or not there: written under another name beside it, then renamed. */
#ifndef FF_QUOTA_CLI_OUTFILE_H
#define FF_QUOTA_CLI_OUTFILE_H

#include <limits.h>
#include <stdio.h>

#include "runner/base/err.h"

struct outfile {
    char path[PATH_MAX], temp[PATH_MAX];
    FILE *file; /* write here; NULL after outfile_finish() */
};

/* Makes the temporary file. -ENOENT and others: told with the path and the remedy. */
int outfile_begin(struct outfile *f, const char *path, struct err *e);

/* Writes all of it to the disk and closes it; it still has its temporary name. */
int outfile_finish(struct outfile *f, struct err *e);

/* Gives it its name; a file that had it before is replaced. */
int outfile_name(struct outfile *f, struct err *e);

/* Removes what has not been named. Harmless otherwise. */
void outfile_done(struct outfile *f);

#endif
