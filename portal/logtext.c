// SPDX-License-Identifier: Apache-2.0
/* One step reads one character, one escape sequence or one bad byte. */
#include "portal/logtext.h"

#include <stdint.h>
#include <string.h>

enum {
    CSI_MAX = 64, /* a longer escape sequence is none */
    REPLACED = 0xfffd,
};

static void put_utf8(uint32_t c, struct buf *out)
{
    if (c < 0x80) {
        buf_put_char(out, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_put_char(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_put_char(out, (char)(0xe0 | c >> 12));
        } else {
            buf_put_char(out, (char)(0xf0 | c >> 18));
            buf_put_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_put_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_put_char(out, (char)(0x80 | (c & 0x3f)));
}

/* The character at `p` and its length; 0: it may go on beyond `n` bytes; a bad one is U+FFFD
 * of 1. */
static size_t read_utf8(const unsigned char *p, size_t n, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    *out = REPLACED;
    if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4)
        return 1;
    for (size_t i = 1; i < len; i++) {
        if (i == n)
            return 0;
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 1;
    *out = c;
    return len;
}

/* The length of the CSI sequence at `p` (ESC [ … final byte); 0: it may go on; 1: it is
 * none. */
static size_t csi_length(const unsigned char *p, size_t n)
{
    if (n < 2)
        return 0;
    if (p[1] != '[')
        return 1;
    for (size_t i = 2; i < CSI_MAX; i++) {
        if (i == n)
            return 0;
        if (p[i] >= 0x40 && p[i] <= 0x7e)
            return i + 1;
        if (p[i] < 0x20 || p[i] > 0x3f)
            return 1;
    }
    return 1;
}

static bool turns_writing(uint32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0x061c || c == 0x2028 || c == 0x2029;
}

static void put_shown(uint32_t c, struct buf *out)
{
    if (c == '\n' || c == '\t' || c == '\r')
        buf_put_char(out, (char)c);
    else if (c < 0x20)
        put_utf8(0x2400 + c, out);
    else if (c == 0x7f)
        put_utf8(0x2421, out);
    else if ((c >= 0x80 && c < 0xa0) || turns_writing(c))
        buf_printf(out, "<U+%04X>", c);
    else
        put_utf8(c, out);
}

size_t logtext_clean(const char *data, size_t len, bool is_end, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t at = 0;
    while (at < len && !out->failed) {
        uint32_t c = REPLACED;
        size_t n = p[at] == 0x1b ? csi_length(p + at, len - at) : 1;
        if (n > 1) {
            at += n;
            continue;
        }
        if (n == 1)
            n = read_utf8(p + at, len - at, &c);
        if (n == 0 && !is_end)
            break;
        put_shown(n == 0 && p[at] == 0x1b ? 0x1b : c, out);
        at += n ? n : 1;
    }
    return at;
}

void logtext_lines(const char *text, size_t len, struct buf *out)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        size_t used = n + (end != NULL);
        while (n > 0 && text[n - 1] == '\r')
            n--;
        const char *last = n ? memrchr(text, '\r', n) : NULL;
        size_t skip = last ? (size_t)(last - text) + 1 : 0;
        buf_put_bytes(out, text + skip, n - skip);
        if (end)
            buf_put_char(out, '\n');
        text += used;
        len -= used;
    }
}
