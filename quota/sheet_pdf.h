// SPDX-License-Identifier: Apache-2.0
/* A book as a document to print: A4, landscape if its tables are wide, made in memory.
 *
 * Title and facts come first; each group of tables begins a page of its own with its name.
 * Above a table stands the chart of its ten largest rows and the others, if it has one. A table
 * that goes on repeats its heading. At the foot of each page: the facts named "Site" and
 * "Month" (or "Interval"), the first digits of the fact named "Checksum", and the page's
 * number.
 *
 * GPU-time is printed in hours with three decimals, times in the zone of the process. The same
 * book gives the same bytes.
 */
#ifndef FF_QUOTA_SHEET_PDF_H
#define FF_QUOTA_SHEET_PDF_H

#include "quota/paper.h"
#include "quota/table.h"

/* Appends the document. -EIO: the library refuses; -ENOMEM: beyond out's ceiling. */
int sheet_pdf_write(const struct book *b, struct buf *out, struct err *e);

/* The same in other fonts than the site's. */
int sheet_pdf_write_in(const struct book *b, const struct paper_fonts *fonts, struct buf *out,
                       struct err *e);

#endif
