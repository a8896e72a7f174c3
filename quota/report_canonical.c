// SPDX-License-Identifier: Apache-2.0
/* Lines of words and numbers: "user TENANT PROJECT PERSON started 3 ended 2 …". */
#include "quota/report_canonical.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

enum { TEXT_MAX = 256 << 20 };

static const char *const use_names[USE_NUMBERS] = {
    [USE_STARTED] = "started",   [USE_ENDED] = "ended",   [USE_FAILED] = "failed",
    [USE_WAITED] = "waited_ms",  [USE_RAW] = "raw",       [USE_CHARGED] = "charged",
    [USE_REFUNDED] = "refunded", [USE_WASTED] = "wasted",
};

static void put_numbers(const int64_t n[USE_NUMBERS], struct buf *out)
{
    for (int i = 0; i < USE_NUMBERS; i++)
        buf_printf(out, " %s %lld", use_names[i], (long long)n[i]);
    buf_put_char(out, '\n');
}

/* What transfers alone decide: what of the closing is free or held is the balances' to say. */
static void put_flow(const struct report_flow *f, struct buf *out)
{
    for (int i = 0; i < FLOW_PARTS; i++)
        if (i != FLOW_FREE && i != FLOW_HELD && i != FLOW_USED)
            buf_printf(out, " %s %lld", report_flow_name((enum report_flow_part)i),
                       (long long)f->gpums[i]);
    buf_put_char(out, '\n');
}

static int compare_users(const void *a, const void *b)
{
    const struct report_usage *const *x = a, *const *y = b;
    int r = strcmp((*x)->tenant, (*y)->tenant);
    if (r == 0)
        r = strcmp((*x)->project, (*y)->project);
    return r ? r : ((*x)->person_id > (*y)->person_id) - ((*x)->person_id < (*y)->person_id);
}

static void put_users(const struct report_usages *u, struct buf *out)
{
    const struct report_usage **rows = xnew_array(const struct report_usage *, u->count + 1);
    for (size_t i = 0; i < u->count; i++)
        rows[i] = &u->rows[i];
    qsort(rows, u->count, sizeof(*rows), compare_users);
    for (size_t i = 0; i < u->count; i++) {
        buf_printf(out, "user %s %s %lld", rows[i]->tenant, rows[i]->project,
                   (long long)rows[i]->person_id);
        put_numbers(rows[i]->n, out);
    }
    free(rows);
}

static void put_allocations(const struct report_allocations *a, struct buf *out)
{
    for (size_t i = 0; i < a->count; i++) {
        buf_printf(out, "allocation %s %s %lld", a->rows[i].tenant, a->rows[i].project,
                   (long long)a->rows[i].id);
        put_flow(&a->rows[i].flow, out);
    }
}

void report_put(const struct report *r, struct buf *out)
{
    char span[REPORT_SPAN_TEXT];
    const struct report_usages *projects = &r->usage[REPORT_PROJECTS];
    const struct report_usages *tenants = &r->usage[REPORT_TENANTS];
    report_span_text(&r->span, span);
    buf_printf(out, "month %s from_ms %lld until_ms %lld\n", span, (long long)r->span.from_ms,
               (long long)r->span.until_ms);
    put_users(&r->usage[REPORT_USERS], out);
    for (size_t i = 0; i < projects->count; i++) {
        buf_printf(out, "project %s %s", projects->rows[i].tenant, projects->rows[i].project);
        put_numbers(projects->rows[i].n, out);
    }
    for (size_t i = 0; i < tenants->count; i++) {
        buf_printf(out, "tenant %s", tenants->rows[i].tenant);
        put_numbers(tenants->rows[i].n, out);
    }
    put_allocations(&r->allocations, out);
    buf_put(out, "usage");
    put_numbers(r->sums.usage, out);
    buf_put(out, "allocations");
    put_flow(&r->sums.flow, out);
}

int report_checksum(const struct report *r, char out[DIGEST_HEX], struct err *e)
{
    AUTO(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    report_put(r, &text);
    if (text.failed)
        return err_set(e, -ENOMEM, "the report is larger than %d MiB", TEXT_MAX >> 20);
    digest_sha256_hex(buf_text(&text), text.len, out);
    return 0;
}

/* ---- the ledger's entries */

int report_ledger_numbers(struct db *db, int month, int64_t *out_first, int64_t *out_last,
                          struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_REPORT_NUMBERS, DB_ARGS(DB_I64(month)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    *out_first = db_rows_i64(rows, 0);
    *out_last = db_rows_i64(rows, 1);
    return 0;
}

int report_ledger_read(struct db *db, int month, struct report_ledger *out, struct err *e)
{
    AUTO(digest_freep) struct digest *digest = digest_new();
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct report_ledger ledger = {0};
    int64_t first, last;
    int r = report_ledger_numbers(db, month, &first, &last, e);
    if (r == 0)
        r = db_select(db, SQL_REPORT_ENTRIES,
                      DB_ARGS(DB_I64(first), DB_I64(last), DB_I64(month)), &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        const char *line = db_rows_text(rows, 0);
        digest_add(digest, line, strlen(line));
        digest_add(digest, "\n", 1);
        ledger.entries++;
        r = 0;
    }
    if (r < 0)
        return r;
    digest_end(digest, ledger.sha256);
    *out = ledger;
    return 0;
}

void report_ledger_put(const struct report_ledger *l, struct buf *out)
{
    buf_printf(out, "ledger entries %lld sha256 %s\n", (long long)l->entries, l->sha256);
}

int report_canonical(struct db *db, int month, struct buf *out, struct err *e)
{
    AUTO(report_done) struct report r = {0};
    struct report_ledger ledger;
    struct report_ask ask = {.first = month, .last = month, .is_moving = true};
    int code = report_read(db, &ask, &r, e);
    if (code == 0)
        code = report_ledger_read(db, month, &ledger, e);
    if (code < 0)
        return code;
    report_put(&r, out);
    report_ledger_put(&ledger, out);
    if (out->failed)
        return err_set(e, -ENOMEM, "the report of month %04d-%02d is larger than %zu bytes",
                       month / 100, month % 100, out->max);
    return 0;
}
