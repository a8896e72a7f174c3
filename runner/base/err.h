// SPDX-License-Identifier: Apache-2.0
/* The one sentence that tells a person why something failed.
 *
 * Functions return 0 or a negative errno. Where a person will read the cause the last parameter
 * is a `struct err *`, which may be NULL; the line that fails writes the sentence: cause,
 * value, name.
 */
#ifndef FF_BASE_ERR_H
#define FF_BASE_ERR_H

struct err {
    char text[512]; /* NUL-terminated, one line, cut if longer */
};

/* Writes the sentence (when `e` is not NULL) and returns `code` unchanged. */
int err_set(struct err *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts a sentence and ": " in front of what `e` already says, and returns `code` unchanged. */
int err_wrap(struct err *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
