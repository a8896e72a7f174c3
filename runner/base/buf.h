// SPDX-License-Identifier: Apache-2.0
/* A growing byte string with a ceiling that remembers failure.
 *
 *   AUTO(buf_done) struct buf b = BUF_INIT(64 * 1024);
 *   buf_put(&b, "hello "); buf_printf(&b, "%d", 7);
 *   if (b.failed) return -ENOMEM;
 *
 * After a failure every append is ignored and `data` still holds what was there before.
 * `data` is NUL-terminated once anything was appended (the NUL is not counted in `len`).
 */
#ifndef FF_BASE_BUF_H
#define FF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL until the first append */
    size_t len;
    size_t size;
    size_t max; /* `len` never exceeds this */
    bool failed;
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* empties, keeps the memory, forgets the failure */
void buf_put(struct buf *b, const char *text);
void buf_put_bytes(struct buf *b, const void *data, size_t len);
void buf_put_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *buf_text(const struct buf *b); /* "" when empty */
char *buf_take(struct buf *b);             /* caller frees with free(); `b` is empty after */

#endif
