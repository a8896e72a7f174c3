// SPDX-License-Identifier: Apache-2.0
/* Pages of A4 to put texts, lines and areas on; the only file that knows libhpdf.
 *
 * Coordinates are points from the top left corner; a text stands on its y. Texts are UTF-8;
 * what the font cannot show becomes '?' (a character unknown to an embedded font its empty
 * box). The library's first error is kept, what follows it does nothing, and paper_finish()
 * reports it.
 */
#ifndef FF_QUOTA_PAPER_H
#define FF_QUOTA_PAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/err.h"

/* Two TrueType files, embedded; without one of them: Helvetica, and only what Latin 1 has. */
struct paper_fonts {
    const char *regular, *bold;
};

struct paper_style {
    double size; /* points */
    bool is_bold;
    uint32_t rgb; /* 0x1f4e79 */
};

struct paper;

/* is_wide: landscape. -EIO: the library refuses. */
int paper_new(const struct paper_fonts *fonts, bool is_wide, const char *title,
              struct paper **out, struct err *e);
void paper_free(struct paper *p); /* NULL is fine */
AUTO_FREE(paper_free, struct paper)

/* A further page, which what follows goes on; its number, from 1. */
int paper_page(struct paper *p);
/* Goes back to a page that is there. */
void paper_turn(struct paper *p, int page);
int paper_pages(const struct paper *p);

double paper_width(const struct paper *p);
double paper_height(const struct paper *p);

/* Of the first `len` bytes of a text, in points. */
double paper_measure(struct paper *p, const struct paper_style *style, const char *text,
                     size_t len);
/* How many bytes of a text fit, at least one character; cut after a blank, '-'
 * or '@' if there is one. */
size_t paper_fit(struct paper *p, const struct paper_style *style, const char *text,
                 double width);

void paper_text(struct paper *p, const struct paper_style *style, double x, double y,
                const char *text, size_t len);
/* Ends at x. */
void paper_text_right(struct paper *p, const struct paper_style *style, double x, double y,
                      const char *text);
/* Shortened with … to the width. */
void paper_text_short(struct paper *p, const struct paper_style *style, double x, double y,
                      const char *text, double width);
void paper_area(struct paper *p, uint32_t rgb, double x, double y, double width, double height);
/* A line from x to until_x. */
void paper_rule(struct paper *p, uint32_t rgb, double x, double y, double until_x);

/* Appends the document. -EIO with the library's first error; -ENOMEM: beyond out's ceiling. */
int paper_finish(struct paper *p, struct buf *out, struct err *e);

#endif
