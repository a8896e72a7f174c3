// SPDX-License-Identifier: Apache-2.0
/* The closing of a month, in the order it happens: lock its row, look whether the key was used,
 * look whether it may close, freeze it, write the audit row, commit. Connections read what is
 * committed, so everything is read after the lock; what belongs to the month or those before it
 * does not move any more from there on. */
#include "quota/month.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/report_canonical.h"

enum { PATIENCE_MS = 60000, OBJECT_TEXT = 32, AFTER_TEXT = 400 };

static const char verb[] = "month close";

void month_name(int month, char out[MONTH_NAME_LEN])
{
    snprintf(out, MONTH_NAME_LEN, "%04d-%02d", month / 100, month % 100);
}

int month_before(int month)
{
    return month % 100 == 1 ? month - 89 : month - 1;
}

/* ---- reading */

/* The columns of MONTH_GET and MONTH_LOCK. */
static int read_month(struct db *db, enum sql id, int month, struct month *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    char name[MONTH_NAME_LEN];
    int r = db_select_row(db, id, DB_ARGS(DB_I64(month)), &rows, e);
    if (r < 0)
        return r;
    month_name(month, name);
    if (r == 0)
        return err_set(e, -ENOENT, "month %s: not in the site's table of months", name);
    *out = (struct month){.month = month,
                          .from_ms = db_rows_i64(rows, 0),
                          .until_ms = db_rows_i64(rows, 1),
                          .now_ms = db_rows_i64(rows, 2),
                          .closed_ms = db_rows_i64(rows, 3),
                          .audit_no = db_rows_i64(rows, 6)};
    snprintf(out->closed_by, sizeof(out->closed_by), "%s", db_rows_text(rows, 4));
    snprintf(out->checksum, sizeof(out->checksum), "%s", db_rows_text(rows, 5));
    snprintf(out->audit_seal, sizeof(out->audit_seal), "%s", db_rows_text(rows, 7));
    return 0;
}

int month_get(struct db *db, int month, struct month *out, struct err *e)
{
    return read_month(db, SQL_MONTH_GET, month, out, e);
}

/* A statement that answers with a month; 0 where there is none. */
static int find_month(struct db *db, enum sql id, struct db_args args, int *out, struct err *e)
{
    int64_t month;
    int r = db_select_i64(db, id, args, &month, e);
    if (r == 0)
        *out = (int)month;
    return r;
}

int month_first(struct db *db, int *out_month, struct err *e)
{
    return find_month(db, SQL_MONTH_FIRST, DB_NO_ARGS, out_month, e);
}

int month_text(struct db *db, int month, char **out_text, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    char name[MONTH_NAME_LEN];
    int r = db_select_row(db, SQL_MONTH_TEXT, DB_ARGS(DB_I64(month)), &rows, e);
    if (r < 0)
        return r;
    month_name(month, name);
    if (r == 0)
        return err_set(e, -ENOENT, "month %s: has no frozen report", name);
    *out_text = strdup(db_rows_text(rows, 0));
    return *out_text ? 0 : -ENOMEM;
}

void month_checksum(const char *previous, const char *text, char out[DIGEST_HEX])
{
    size_t len = strlen(previous) + strlen(text);
    char *both = malloc(len + 1);
    if (!both)
        abort();
    snprintf(both, len + 1, "%s%s", previous, text);
    digest_sha256_hex(both, len, out);
    free(both);
}

/* ---- may it close? */

/* 1 when the key was used; then the answer is set. */
static int find_key(struct db *db, const struct change_by *by, const char *object,
                    struct month_result *out, struct err *e)
{
    enum change_answer answer;
    int r = change_find(db, by, &(struct change){.verb = verb, .object = object}, &answer, e);
    if (r > 0)
        out->answer = answer == CHANGE_SAME ? MONTH_SAME : MONTH_OTHER_CONTENT;
    return r;
}

static int read_uncharged(struct db *db, struct month_result *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_MONTH_UNCHARGED, DB_ARGS(DB_I64(out->month.month)), &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        int64_t job = db_rows_i64(rows, 0);
        out->uncharged++;
        bool is_known = out->job_count > 0 && out->jobs[out->job_count - 1] == job;
        if (!is_known && out->job_count < MONTH_JOBS_MAX)
            out->jobs[out->job_count++] = job;
    }
    return r;
}

/* 1 when it may not; then the answer is set. */
static int find_refusal(struct db *db, bool is_anyway, struct month_result *out, struct err *e)
{
    const struct month *m = &out->month;
    int r = 0;
    out->answer = MONTH_DONE;
    if (m->closed_ms)
        out->answer = MONTH_CLOSED;
    else if (m->now_ms < m->until_ms + MONTH_GRACE_MS)
        out->answer = MONTH_NOT_OVER;
    if (out->answer != MONTH_DONE)
        return 1;
    r = month_first(db, &out->first, e);
    if (r == 0)
        r = find_month(db, SQL_MONTH_GAP, DB_ARGS(DB_I64(out->first), DB_I64(m->month)),
                       &out->gap, e);
    if (r == 0)
        r = read_uncharged(db, out, e);
    if (r < 0)
        return r;
    if (m->month < out->first)
        out->answer = MONTH_TOO_EARLY;
    else if (out->gap)
        out->answer = MONTH_GAP;
    else if (out->uncharged && !is_anyway)
        out->answer = MONTH_UNCHARGED;
    return out->answer != MONTH_DONE;
}

/* ---- freezing */

/* The last closed month before this one; month 0 and no checksum when it is the first. */
static int read_previous(struct db *db, int month, int *out_month, char out[DIGEST_HEX],
                         struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_MONTH_PREVIOUS, DB_ARGS(DB_I64(month)), &rows, e);
    if (r < 0)
        return r;
    *out_month = r ? (int)db_rows_i64(rows, 0) : 0;
    snprintf(out, DIGEST_HEX, "%s", r ? db_rows_text(rows, 1) : "");
    return 0;
}

static int read_head(struct db *db, struct month *m, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_MONTH_HEAD, DB_NO_ARGS, &rows, e);
    if (r <= 0)
        return r;
    m->audit_no = db_rows_i64(rows, 0);
    snprintf(m->audit_seal, sizeof(m->audit_seal), "%s", db_rows_text(rows, 1));
    return 0;
}

/* The month's sums against what its balances, just written, say it left behind. */
static int check_sums(struct db *db, int month, struct err *e)
{
    AUTO(report_done) struct report report = {0};
    struct report_ask ask = {.first = month, .last = month};
    char name[MONTH_NAME_LEN];
    int r = report_read(db, &ask, &report, e);
    if (r < 0 || report_adds_up(&report.sums))
        return r;
    month_name(month, name);
    return err_set(e, -EBADE, "month %s does not add up; run `quota verify`", name);
}

/* A procedure that answers with one row and nothing to read in it. */
static int run(struct db *db, enum sql id, struct db_args args, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, id, args, &rows, e);
    return r < 0 ? r : 0;
}

/* What all budgets had at its end; the report is made from these from here on. */
static int write_balances(struct db *db, int month, int before, struct err *e)
{
    return run(db, SQL_MONTH_KEEP_BALANCES, DB_ARGS(DB_I64(month), DB_I64(before)), e);
}

static int write_rows(struct db *db, const struct month *m, const char *text, struct err *e)
{
    return run(db, SQL_MONTH_FREEZE,
               DB_ARGS(DB_I64(m->month), DB_STR(text), DB_I64(m->closed_ms),
                       DB_STR(m->closed_by), DB_STR(m->checksum), DB_I64_OR_NULL(m->audit_no),
                       m->audit_no ? DB_STR(m->audit_seal) : DB_NULL),
               e);
}

/* What the audit says of the closing. */
static void tell_closed(const struct month_result *res, const char *previous,
                        char out[AFTER_TEXT])
{
    const struct month *m = &res->month;
    snprintf(out, AFTER_TEXT,
             "closed with checksum %s after %s, audit head %lld, %lld attempts without their "
             "charge",
             m->checksum, *previous ? previous : "none", (long long)m->audit_no,
             (long long)res->uncharged);
}

static int freeze(struct db *db, const struct change_by *by, const char *object,
                  struct month_result *out, struct err *e)
{
    AUTO(buf_done) struct buf text = BUF_INIT(MONTH_TEXT_MAX);
    struct month *m = &out->month;
    char previous[DIGEST_HEX], after[AFTER_TEXT];
    int before = 0;
    int r = read_previous(db, m->month, &before, previous, e);
    if (r == 0)
        r = write_balances(db, m->month, before, e);
    if (r == 0)
        r = check_sums(db, m->month, e);
    if (r == 0)
        r = report_canonical(db, m->month, &text, e);
    if (r == 0)
        r = read_head(db, m, e);
    if (r < 0)
        return r;
    month_checksum(previous, buf_text(&text), m->checksum);
    m->closed_ms = m->now_ms;
    snprintf(m->closed_by, sizeof(m->closed_by), "%s", by->actor);
    tell_closed(out, previous, after);
    struct change c = {.verb = verb, .object = object, .after = after};
    r = change_write(db, by, &c, "open", e);
    return r < 0 ? r : write_rows(db, m, buf_text(&text), e);
}

static int close_once(struct db *db, const struct change_by *by, const struct month_ask *ask,
                      struct month_result *out, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    char name[MONTH_NAME_LEN], object[OBJECT_TEXT];
    month_name(ask->month, name);
    snprintf(object, sizeof(object), "month %s", name);
    *out = (struct month_result){0};
    int r = db_tx_begin(db, &tx, e);
    if (r == 0)
        r = read_month(db, SQL_MONTH_LOCK, ask->month, &out->month, e);
    if (r == 0)
        r = find_key(db, by, object, out, e);
    if (r == 0)
        r = find_refusal(db, ask->is_anyway, out, e);
    if (r != 0)
        return r < 0 ? r : 0;
    r = freeze(db, by, object, out, e);
    if (r < 0)
        return r;
    return by->is_dry_run ? 0 : db_tx_commit(&tx, e);
}

int month_close(struct db *db, const struct change_by *by, const struct month_ask *ask,
                struct month_result *out, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = close_once(db, by, ask, out, e);
    while (db_again(db, &again, r));
    return r;
}
