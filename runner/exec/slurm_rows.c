// SPDX-License-Identifier: Apache-2.0
/* Cuts parsable output, row by row. What does not fit is counted and passed over up to the next
 * line, so that one bad row never costs the others. */
#include "runner/exec/slurm_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void slurm_count_bad(struct slurm_count *count, const struct err *why)
{
    if (count->bad++ == 0)
        count->first = *why;
}

int slurm_rows_init(struct slurm_rows *r, const char *text, size_t len, const char *nonce)
{
    size_t n = nonce ? strlen(nonce) : 0;
    *r = (struct slurm_rows){.row = BUF_INIT(SLURM_ROW_MAX)};
    if (n < SLURM_NONCE_MIN || n > SLURM_NONCE_MAX)
        return -EINVAL;
    snprintf(r->separator, sizeof(r->separator), "|%s|", nonce);
    r->text = r->at = text;
    r->end = text + len;
    return 0;
}

void slurm_rows_done(struct slurm_rows *r)
{
    buf_done(&r->row);
}

/* The end of the line at p, its newline included. */
static const char *line_end(const struct slurm_rows *r, const char *p)
{
    const char *newline = memchr(p, '\n', (size_t)(r->end - p));
    return newline ? newline + 1 : r->end;
}

/* With several clusters squeue and sinfo head each with a line. */
static bool is_heading(const char *p, size_t len)
{
    return (len >= 8 && !memcmp(p, "CLUSTER:", 8)) || p[0] == '\n' || p[0] == '\r';
}

static void bad_line(struct slurm_count *count, const char *p, size_t len, const char *what)
{
    struct err why;
    char shown[65];
    size_t n = len < sizeof(shown) - 1 ? len : sizeof(shown) - 1;
    memcpy(shown, p, n);
    shown[n] = '\0';
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    err_set(&why, -EBADMSG, "%s: '%s'", what, shown);
    slurm_count_bad(count, &why);
}

/* The columns of the row at `p`, all but one without a newline; the length of the row, or 0
 * when it is none. Without what ends it the last column may be half a number. */
static size_t measure(const struct slurm_rows *r, const char *p, size_t ends[SLURM_COLUMNS_MAX])
{
    size_t left = (size_t)(r->end - p), len = strlen(r->separator), at = 0;
    left = left < SLURM_ROW_MAX ? left : SLURM_ROW_MAX;
    for (size_t i = 0; i < r->columns; i++) {
        bool is_last = i + 1 == r->columns, is_text = i + 2 == r->columns;
        const char *newline = memchr(p + at, '\n', left - at);
        size_t room = is_text ? left - at : newline ? (size_t)(newline - p) - at : 0;
        const char *stop = memmem(p + at, room, r->separator, len);
        if (is_last && !r->is_closed)
            stop = stop ? NULL : newline;
        if (!stop)
            return 0;
        ends[i] = (size_t)(stop - p);
        at = ends[i] + (is_last && !r->is_closed ? 0 : len);
    }
    return at < left && p[at] == '\n' ? at + 1 : 0;
}

/* Copies the row and puts an end to each of its columns. */
static bool cut(struct slurm_rows *r, const char *p, size_t row_len,
                const size_t ends[SLURM_COLUMNS_MAX])
{
    size_t at = 0;
    buf_clear(&r->row);
    buf_put_bytes(&r->row, p, row_len);
    if (r->row.failed || memchr(p, '\0', row_len))
        return false;
    for (size_t i = 0; i < r->columns; i++) {
        r->fields[i] = r->row.data + at;
        r->row.data[ends[i]] = '\0';
        at = ends[i] + strlen(r->separator);
    }
    return true;
}

bool slurm_rows_next(struct slurm_rows *r, struct slurm_count *count)
{
    while (r->at < r->end) {
        size_t ends[SLURM_COLUMNS_MAX];
        const char *row = r->at, *next = line_end(r, row);
        size_t len = measure(r, row, ends);
        if (len > 0 && cut(r, row, len, ends)) {
            r->at = row + len;
            return true;
        }
        r->at = next;
        if (!is_heading(row, (size_t)(next - row)))
            bad_line(count, row, (size_t)(next - row), "not a whole row");
    }
    return false;
}
