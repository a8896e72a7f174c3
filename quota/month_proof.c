// SPDX-License-Identifier: Apache-2.0
/* Closed months, proved: the checksum of each frozen text after the one before, and each text
 * against what the books say now. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/month.h"
#include "quota/report_canonical.h"
#include "runner/base/xnew.h"

/* ---- comparing */

struct lines {
    const char **items;
    char *text; /* with a NUL at the end of each line */
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void lines_init(struct lines *l, const char *text)
{
    *l = (struct lines){.text = xdup(text)};
    size_t room = 1;
    for (const char *p = text; *p; p++)
        room += *p == '\n';
    l->items = xnew_array(const char *, room);
    for (char *p = l->text, *next; *p; p = next) {
        char *end = p + strcspn(p, "\n");
        next = *end ? end + 1 : end;
        *end = '\0';
        l->items[l->count++] = p;
    }
    qsort(l->items, l->count, sizeof(*l->items), by_text);
}

static void lines_done(struct lines *l)
{
    free(l->items);
    free(l->text);
}

size_t month_compare(const char *was, const char *is, month_line_fn *on_line, void *arg)
{
    AUTO(lines_done) struct lines old = {0};
    AUTO(lines_done) struct lines new = {0};
    size_t i = 0, k = 0, differ = 0;
    if (!strcmp(was, is))
        return 0;
    lines_init(&old, was);
    lines_init(&new, is);
    while (i < old.count || k < new.count) {
        int order = i == old.count   ? 1
                    : k == new.count ? -1
                                     : strcmp(old.items[i], new.items[k]);
        if (order)
            differ++;
        if (order < 0)
            on_line(false, old.items[i], arg);
        else if (order > 0)
            on_line(true, new.items[k], arg);
        i += order <= 0;
        k += order >= 0;
    }
    return differ;
}

/* ---- checking */

struct closed {
    int month;
    char checksum[DIGEST_HEX];
};

struct check {
    struct db *db;
    verify_fn *on_fault;
    void *arg;
    struct closed *months;
    size_t count;
};

static void check_done(struct check *c)
{
    free(c->months);
}

static int read_closed(struct check *c, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(c->db, SQL_MONTH_CLOSED, DB_NO_ARGS, &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        c->months = xgrow(c->months, c->count + 1, sizeof(*c->months));
        struct closed *m = &c->months[c->count++];
        m->month = (int)db_rows_i64(rows, 0);
        snprintf(m->checksum, sizeof(m->checksum), "%s", db_rows_text(rows, 1));
    }
    return r;
}

/* The first line of each side. */
struct first_lines {
    char was[160], is[160];
};

static void on_line(bool is_new, const char *line, void *arg)
{
    struct first_lines *first = arg;
    char *out = is_new ? first->is : first->was;
    if (!*out)
        snprintf(out, sizeof(first->was), "%s", line);
}

static void tell(struct check *c, const char *check, int month, const char *expected,
                 const char *found, const char *meaning)
{
    char name[MONTH_NAME_LEN], where[32];
    month_name(month, name);
    snprintf(where, sizeof(where), "month %s", name);
    c->on_fault(&(struct verify_fault){check, where, expected, found, meaning}, c->arg);
}

static void check_text(struct check *c, int month, const char *text, const char *now)
{
    struct first_lines first = {"", ""};
    size_t differ = month_compare(text, now, on_line, &first);
    char found[200];
    if (!differ && !strcmp(text, now))
        return;
    if (!differ)
        snprintf(found, sizeof(found), "the same lines in another order");
    else
        snprintf(found, sizeof(found), "frozen: %s (%zu lines differ)",
                 *first.was ? first.was : "no such line", differ);
    tell(c, "month text", month, *first.is ? first.is : "no such line", found,
         "the books do not say any more what the closed month said; `quota month diff` tells "
         "all");
}

static int check_one(struct check *c, size_t i, struct err *e)
{
    AUTO(buf_done) struct buf now = BUF_INIT(MONTH_TEXT_MAX);
    AUTO(cleanup_free) char *text = NULL;
    const struct closed *m = &c->months[i];
    char checksum[DIGEST_HEX];
    int r = month_text(c->db, m->month, &text, e);
    if (r == -ENOENT) {
        tell(c, "month text", m->month, "a frozen report", "none",
             "what the closed month said was removed");
        return 0;
    }
    if (r == 0)
        r = report_canonical(c->db, m->month, &now, e);
    if (r < 0)
        return r;
    month_checksum(i ? c->months[i - 1].checksum : "", text, checksum);
    if (strcmp(checksum, m->checksum))
        tell(c, "month checksum", m->month, checksum, m->checksum,
             "the frozen text, its checksum or the one of the month before was changed");
    check_text(c, m->month, text, buf_text(&now));
    return 0;
}

int month_check(struct db *db, int month, verify_fn *on_fault, void *arg, struct err *e)
{
    AUTO(check_done) struct check c = {.db = db, .on_fault = on_fault, .arg = arg};
    int r = read_closed(&c, e);
    for (size_t i = 0; r == 0 && i < c.count; i++)
        if (!month || c.months[i].month == month)
            r = check_one(&c, i, e);
    return r;
}
