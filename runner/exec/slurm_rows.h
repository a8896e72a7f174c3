// SPDX-License-Identifier: Apache-2.0
/* The parsable output of Slurm's clients, cut into rows and columns. For slurm_seen and
 * slurm_nodes.
 *
 * The columns' separator holds a nonce that nobody outside knows, and only the last column
 * but one is anybody's text, which may have several lines. So nobody can write a row of his
 * own into a comment, nor hide the row that the comment is in.
 */
#ifndef FF_EXEC_SLURM_ROWS_H
#define FF_EXEC_SLURM_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/buf.h"
#include "runner/base/err.h"

enum {
    SLURM_NONCE_MIN = 8, /* letters and digits */
    SLURM_NONCE_MAX = 32,
    SLURM_COLUMNS_MAX = 24,
    SLURM_ROW_MAX = 64 * 1024, /* bytes; the longest is a list of thousands of nodes */
};

/* How a reading went. */
struct slurm_count {
    size_t rows;      /* given to the caller */
    size_t foreign;   /* of job arrays and heterogeneous jobs: never ours */
    size_t bad;       /* rows and lines that could not be read; the others were */
    struct err first; /* what was wrong with the first of them */
};

/* Adds one to `bad`, and keeps the first sentence. */
void slurm_count_bad(struct slurm_count *count, const struct err *why);

struct slurm_rows {
    const char *text, *end, *at;
    char separator[40];
    size_t columns;
    bool is_closed; /* the last column too has the separator behind it (squeue, sinfo) */
    struct buf row; /* the row that `fields` points into */
    char *fields[SLURM_COLUMNS_MAX];
};

/* -EINVAL: a nonce that no command line takes. */
int slurm_rows_init(struct slurm_rows *r, const char *text, size_t len, const char *nonce);
void slurm_rows_done(struct slurm_rows *r);

/* The next good row is in r->fields until the next call; false: no more. Bad ones are
 * counted. */
bool slurm_rows_next(struct slurm_rows *r, struct slurm_count *count);

#endif
