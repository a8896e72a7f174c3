// SPDX-License-Identifier: Apache-2.0
/* Walks the chain in order of its numbers. A seal that is wrong is told once: the rows after it
 * are measured by what is stored, so that one changed row is one fault. */
#include "quota/audit_proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TOLD_MAX = 20, HEADS_MAX = 2400 };

/* What closed months wrote down, in order of the rows. */
struct month_head {
    int month;
    struct audit_head head;
};

struct walk {
    const struct audit_proof *proof;
    struct audit_counts counts;
    int64_t wrong; /* seals; after TOLD_MAX they are only counted */
    struct month_head *months;
    size_t month_count, next; /* next: the first whose row did not come yet */
};

static void tell(struct walk *w, const struct verify_fault *fault)
{
    w->counts.faults++;
    w->proof->on_fault(fault, w->proof->arg);
}

static void tell_gap(struct walk *w, int64_t next_no)
{
    char where[64], expected[48], found[48];
    int64_t first = w->counts.head.no + 1, last = next_no - 1;
    snprintf(where, sizeof(where), "chain numbers %" PRId64 " to %" PRId64, first, last);
    snprintf(expected, sizeof(expected), "%" PRId64 " rows", last - first + 1);
    snprintf(found, sizeof(found), "none; %" PRId64 " comes next", next_no);
    tell(w, &(struct verify_fault){"removed", where, expected, found,
                                   "rows were removed from the chain"});
}

static void tell_wrong(struct walk *w, const struct audit_row *row, const char *expected)
{
    char where[700];
    if (++w->wrong > TOLD_MAX)
        return;
    snprintf(where, sizeof(where), "audit row %" PRId64 " (chain number %" PRId64 ": %s, %s)",
             row->id, row->chain_no, row->verb, row->object);
    tell(w, &(struct verify_fault){"seal", where, expected, row->seal,
                                   "the row was changed, moved or added after it was sealed, "
                                   "or its seal was"});
}

static void tell_month(struct walk *w, const struct month_head *m, const char *found)
{
    char where[64], expected[AUDIT_SEAL_LEN + 32];
    snprintf(where, sizeof(where), "month %04d-%02d, chain number %" PRId64, m->month / 100,
             m->month % 100, m->head.no);
    snprintf(expected, sizeof(expected), "%.64s", m->head.seal);
    tell(w, &(struct verify_fault){"month", where, expected, found,
                                   "the chain is not the one that was there when the month was "
                                   "closed"});
}

/* The heads of the months that were closed when the chain ended at this row. */
static void check_months(struct walk *w)
{
    const struct audit_head *head = &w->counts.head;
    for (; w->next < w->month_count && w->months[w->next].head.no <= head->no; w->next++) {
        const struct month_head *m = &w->months[w->next];
        if (m->head.no < head->no)
            tell_month(w, m, "no such row");
        else if (strcmp(m->head.seal, head->seal))
            tell_month(w, m, head->seal);
    }
}

/* The head is the row before, until the end. */
static void check_row(struct walk *w, const struct audit_row *row)
{
    char expected[DIGEST_HEX];
    struct audit_head *head = &w->counts.head;
    audit_seal(w->proof->key, head->seal, row, expected);
    if (row->chain_no != head->no + 1) /* what its seal went out from is gone too */
        tell_gap(w, row->chain_no);
    else if (strcmp(expected, row->seal))
        tell_wrong(w, row, expected);
    head->no = row->chain_no;
    snprintf(head->seal, sizeof(head->seal), "%s", row->seal);
    w->counts.sealed++;
    check_months(w);
    if (w->proof->head && w->proof->head->no == head->no &&
        strcmp(w->proof->head->seal, head->seal))
        tell(w, &(struct verify_fault){"head", "the head in its file", w->proof->head->seal,
                                       head->seal,
                                       "the chain is not the one that runnerd sealed"});
}

static int walk_page(struct walk *w, struct db *db, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int count = 0,
        r = db_select(db, SQL_AUDIT_CHAIN, DB_ARGS(DB_I64(w->counts.head.no)), &rows, e);
    if (r < 0)
        return r;
    for (; (r = db_rows_next(rows, e)) > 0; count++) {
        struct audit_row row = audit_row_read(rows);
        if (row.chain_no <= w->counts.head.no) { /* a number beyond all that are ever given */
            tell_wrong(w, &row, "a number of the chain");
            return 0;
        }
        check_row(w, &row);
    }
    return r < 0 ? r : count;
}

static int read_months(struct walk *w, struct db *db, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_AUDIT_HEADS, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0 && w->month_count < HEADS_MAX) {
        struct month_head *m = &w->months[w->month_count];
        m->month = (int)db_rows_i64(rows, 0);
        m->head.no = db_rows_i64(rows, 1);
        snprintf(m->head.seal, sizeof(m->head.seal), "%s", db_rows_text(rows, 2));
        w->month_count += m->head.no > 0; /* 0: nothing was sealed then */
    }
    return r < 0 ? r : 0;
}

/* What should have come after the last row. */
static void check_end(struct walk *w)
{
    char expected[64], found[64];
    const struct audit_head *head = w->proof->head;
    snprintf(found, sizeof(found), "%" PRId64 " is the last", w->counts.head.no);
    for (; w->next < w->month_count; w->next++)
        tell_month(w, &w->months[w->next], found);
    if (!head && w->counts.sealed > 0)
        tell(w, &(struct verify_fault){"head", "the head in its file",
                                       "number and seal of the last row", "no such file",
                                       "whether rows were cut off the end cannot be told: the "
                                       "file of runnerd is gone"});
    if (!head || head->no <= w->counts.head.no)
        return;
    snprintf(expected, sizeof(expected), "chain number %" PRId64, head->no);
    tell(w, &(struct verify_fault){"cut off", "the end of the chain", expected, found,
                                   "the latest rows were removed"});
}

static int check_waiting(struct walk *w, struct db *db, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    char where[64], found[64];
    int r = db_select_row(db, SQL_AUDIT_WAITING, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    int64_t age_ms = db_rows_i64(rows, 2);
    w->counts.waiting = db_rows_i64(rows, 0);
    snprintf(where, sizeof(where), "audit row %" PRId64 " and those after it",
             db_rows_i64(rows, 1));
    snprintf(found, sizeof(found), "%" PRId64 " rows without, for %" PRId64 " s",
             w->counts.waiting, age_ms / 1000);
    if (w->counts.waiting && age_ms > AUDIT_WAIT_MS)
        tell(w,
             &(struct verify_fault){"unsealed", where, "a seal within a second", found,
                                    "nobody seals the audit: is runnerd running, and does its "
                                    "log say why it refuses?"});
    if (db_rows_i64(rows, 3) > 0)
        tell(w, &(struct verify_fault){"removed", where, "rows with a seal have a number",
                                       "rows with a seal and none",
                                       "rows were taken out of the chain"});
    return 0;
}

static int walk_all(struct walk *w, struct db *db, struct err *e)
{
    char found[64];
    int r = read_months(w, db, e);
    if (r < 0)
        return r;
    while ((r = walk_page(w, db, e)) > 0)
        ;
    if (r < 0)
        return r;
    if (w->wrong > TOLD_MAX) {
        snprintf(found, sizeof(found), "%" PRId64 " more rows with a wrong seal",
                 w->wrong - TOLD_MAX);
        tell(w, &(struct verify_fault){"seal", "after those above", "none", found,
                                       "rows were put in another order, or much was changed"});
    }
    check_end(w);
    return check_waiting(w, db, e);
}

int audit_proof_run(struct db *db, const struct audit_proof *proof, struct audit_counts *out,
                    struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    struct month_head months[HEADS_MAX];
    struct walk w = {.proof = proof, .months = months};
    snprintf(w.counts.head.seal, sizeof(w.counts.head.seal), "%s", audit_no_seal);
    int r = db_tx_snapshot(db, &tx, e);
    if (r == 0)
        r = walk_all(&w, db, e);
    if (r == 0)
        *out = w.counts;
    return r;
}
