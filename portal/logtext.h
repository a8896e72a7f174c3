// SPDX-License-Identifier: Apache-2.0
/* A job's log as text that a page may show. Pure.
 *
 * The bytes are a user's and hostile: what is not UTF-8 becomes U+FFFD, control bytes become
 * their pictures (U+2400 …), marks that turn the direction of writing are written out
 * (<U+202E>). Colours and cursor moves of terminals (CSI sequences) are left out. \n, \t and
 * \r remain: progress bars begin their line anew with \r, which logtext_lines() and the
 * page's script carry out. */
#ifndef FF_PORTAL_LOGTEXT_H
#define FF_PORTAL_LOGTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/buf.h"

/* Appends the text of `len` bytes and returns how many of them were used: a sequence that
 * may go on beyond the last byte is kept for the next call, unless `is_end`. */
size_t logtext_clean(const char *data, size_t len, bool is_end, struct buf *out);

/* Carries out the \r: of each line what came last remains. `text` is logtext_clean()'s. */
void logtext_lines(const char *text, size_t len, struct buf *out);

#endif
