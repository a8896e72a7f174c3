// SPDX-License-Identifier: Apache-2.0
/* Notes by the rules of forecast.h; the unique key of the table makes it once. */
#include "quota/notice.h"

#include <stdlib.h>
#include <string.h>

#include "quota/forecast.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum { PATIENCE_MS = 8000, KINDS = 4 };
#define OFFERED_MS (7 * FORECAST_DAY_MS) /* longer than a mail server is away */

static const char *const kinds[KINDS] = {"used75", "used90", "used100", "term30"};

/* What is to be noted of one allocation: bit i for kinds[i]. */
struct due {
    int64_t allocation;
    unsigned kinds;
};

struct dues {
    struct due *items;
    size_t count;
};

static void dues_done(struct dues *d)
{
    free(d->items);
}

/* The columns of NOTICE_OPEN. */
static unsigned read_due(const struct db_rows *rows)
{
    static const int percents[] = {75, 90, 100};
    const char *known = db_rows_text(rows, 6);
    int percent =
        forecast_threshold(db_rows_i64(rows, 3), db_rows_i64(rows, 4), db_rows_i64(rows, 5));
    unsigned due = 0;
    for (unsigned i = 0; i < COUNT(percents); i++)
        if (percent >= percents[i])
            due |= 1u << i;
    if (forecast_term_ends_soon(db_rows_i64(rows, 1), db_rows_i64(rows, 2),
                                db_rows_i64(rows, 7)))
        due |= 1u << 3;
    for (unsigned i = 0; i < KINDS; i++)
        if (strstr(known, kinds[i]))
            due &= ~(1u << i);
    return due;
}

static int find_dues(struct db *db, struct dues *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_NOTICE_OPEN, DB_NO_ARGS, &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        unsigned due = read_due(rows);
        if (!due)
            continue;
        out->items = xgrow(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = (struct due){db_rows_i64(rows, 0), due};
    }
    return r < 0 ? r : 0;
}

static int note_once(struct db *db, struct err *e)
{
    AUTO(dues_done) struct dues dues = {0};
    int r = find_dues(db, &dues, e);
    for (size_t i = 0; r == 0 && i < dues.count; i++)
        for (unsigned k = 0; r == 0 && k < KINDS; k++)
            if (dues.items[i].kinds >> k & 1)
                r = db_exec(db, SQL_NOTICE_ADD,
                            DB_ARGS(DB_I64(dues.items[i].allocation), DB_STR(kinds[k])), NULL,
                            e);
    return r == 0 ? db_exec(db, SQL_NOTICE_BATCH, DB_ARGS(DB_I64(now_ms())), NULL, e) : r;
}

int notice_note(struct db *db, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = note_once(db, e);
    while (db_again(db, &again, r));
    return r;
}

int notice_rehearse(struct db *db, struct notice_digests *out, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do {
        AUTO(db_tx_end) struct db_tx tx = {0};
        r = db_tx_begin(db, &tx, e);
        if (r == 0)
            r = note_once(db, e);
        if (r == 0)
            r = notice_digests(db, out, e);
    } while (db_again(db, &again, r));
    return r;
}

void notice_digests_done(struct notice_digests *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct notice_digest *digest = &d->items[i];
        for (size_t k = 0; k < digest->count; k++) {
            free(digest->lines[k].project);
            free(digest->lines[k].kind);
        }
        free(digest->lines);
        free(digest->address);
        free(digest->name);
    }
    free(d->items);
    *d = (struct notice_digests){0};
}

/* The columns of NOTICE_DIGESTS: a row goes to the last digest, or begins a new one. */
static void add_row(struct notice_digests *d, const struct db_rows *rows)
{
    struct notice_digest *last = d->count ? &d->items[d->count - 1] : NULL;
    int64_t batch_ms = db_rows_i64(rows, 0);
    if (!last || last->batch_ms != batch_ms || strcmp(last->address, db_rows_text(rows, 1))) {
        d->items = xgrow(d->items, d->count + 1, sizeof(*d->items));
        last = &d->items[d->count++];
        *last = (struct notice_digest){.batch_ms = batch_ms,
                                       .address = xdup(db_rows_text(rows, 1)),
                                       .name = xdup(db_rows_text(rows, 2))};
    }
    last->lines = xgrow(last->lines, last->count + 1, sizeof(*last->lines));
    last->lines[last->count++] = (struct notice_line){
        .project = xdup(db_rows_text(rows, 3)),
        .allocation = db_rows_i64(rows, 4),
        .kind = xdup(db_rows_text(rows, 5)),
        .free_gpums = db_rows_i64(rows, 6),
        .held_gpums = db_rows_i64(rows, 7),
        .used_gpums = db_rows_i64(rows, 8),
        .until_ms = db_rows_i64(rows, 9),
    };
}

int notice_digests(struct db *db, struct notice_digests *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct notice_digests found = {0};
    int r = db_select(db, SQL_NOTICE_DIGESTS, DB_ARGS(DB_I64(now_ms() - OFFERED_MS)), &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0)
        add_row(&found, rows);
    if (r < 0)
        notice_digests_done(&found);
    else
        *out = found;
    return r < 0 ? r : 0;
}

const char *notice_words(const char *kind)
{
    static const char *const words[KINDS] = {"75 % of it are used", "90 % of it are used",
                                             "it is used up", "its term ends within 30 days"};
    for (unsigned i = 0; i < KINDS; i++)
        if (!strcmp(kind, kinds[i]))
            return words[i];
    return "";
}
