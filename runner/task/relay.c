// SPDX-License-Identifier: Apache-2.0
/* Collects until a newline. A line is one writev(2), so that lines of ranks do not mix. */
#include "runner/task/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Reads of one move: more than a pipe holds, so that nothing is left behind at the end, and an
 * end of it even if the rank, or an orphan of it, writes faster than we read. */
enum { READS_MAX = 16 };

/* Writes the first `len` bytes as a line and keeps what follows. */
static void put_line(struct relay *r, size_t len, size_t skip)
{
    struct iovec parts[] = {{r->prefix, strlen(r->prefix)}, {r->line, len}, {(char *)"\n", 1}};
    (void)!writev(r->to, parts, 3); /* the keeper always reads; if it is gone so are we, soon */
    r->len -= len + skip;
    memmove(r->line, r->line + len + skip, r->len);
}

static void put_lines(struct relay *r)
{
    char *end;
    while ((end = memchr(r->line, '\n', r->len)))
        put_line(r, (size_t)(end - r->line), 1);
    if (r->len == sizeof(r->line))
        put_line(r, r->len, 0);
}

bool relay_move(struct relay *r)
{
    for (int reads = 0; r->from >= 0; reads++) {
        if (reads == READS_MAX)
            return true;
        ssize_t n = read(r->from, r->line + r->len, sizeof(r->line) - r->len);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            break;
        r->len += (size_t)n;
        put_lines(r);
    }
    if (r->len)
        put_line(r, r->len, 0);
    return false;
}
