// SPDX-License-Identifier: Apache-2.0
/* A report to the terminal or into a file, in any of the five formats.
 *
 *   table  all tables with their names, then the facts of the head
 *   csv    one table a file: the one picked, else the first
 *   json   an object of arrays; of one table alone the array
 *   xlsx, pdf  the whole book, into the file of --out
 */
#ifndef FF_QUOTA_CLI_BOOK_H
#define FF_QUOTA_CLI_BOOK_H

#include "quota/cli/cli.h"
#include "quota/table.h"

/* Checks --format and --out against each other, before anything is read. */
int book_check(struct cli *c, struct err *e);

/* Prints the tables of `b`, or the one named `part` (NULL: all), as c->out says. */
int book_print(struct out *o, const struct book *b, const char *part, struct err *e);

/* The same as the options --format and --out say; `paper` is the book for pdf. */
int book_write(struct cli *c, const struct book *b, const struct book *paper, const char *part,
               struct err *e);

/* Into files of these formats. `path` is written at once: give a temporary one, or rename. */
int book_write_xlsx(const struct book *b, const char *path, struct err *e);
int book_write_pdf(const struct book *b, FILE *file, struct err *e);

#endif
