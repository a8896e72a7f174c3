// SPDX-License-Identifier: Apache-2.0
/* Each step is one conditional UPDATE; how many rows it changed is the answer. */
#include "quota/outbox.h"

#include <errno.h>
#include <string.h>

#include "runner/base/random.h"

enum { PATIENCE_MS = 8000 };

/* Runs one statement until the database has an answer; every one of them may be repeated. */
static int run(struct db *db, enum sql id, struct db_args args, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = db_exec(db, id, args, NULL, e);
    while (db_again(db, &again, r));
    return r;
}

static enum outbox_answer read_state(const char *state)
{
    return !strcmp(state, "sent")         ? OUTBOX_SENT
           : !strcmp(state, "delivering") ? OUTBOX_UNKNOWN
                                          : OUTBOX_CLAIMED;
}

static int read_row(struct db *db, const struct outbox_ask *ask, struct outbox_claim *claim,
                    enum outbox_answer *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_OUTBOX_GET, DB_ARGS(DB_STR(ask->key)), &rows, e);
    if (r <= 0)
        return r < 0 ? r : err_set(e, -EAGAIN, "mail %s: vanished", ask->key);
    claim->id = db_rows_i64(rows, 0);
    *out = read_state(db_rows_text(rows, 1));
    bool is_ours = !strcmp(db_rows_text(rows, 2), claim->nonce);
    if (*out == OUTBOX_CLAIMED && !is_ours)
        return err_set(e, -EAGAIN, "mail %s: claimed by another just now", ask->key);
    return 0;
}

static int claim_once(struct db *db, const struct outbox_ask *ask, struct outbox_claim *claim,
                      enum outbox_answer *out, struct err *e)
{
    int r = db_exec(db, SQL_OUTBOX_ADD,
                    DB_ARGS(DB_STR(ask->key), DB_STR(ask->kind), DB_STR(ask->address),
                            DB_STR(ask->subject)),
                    NULL, e);
    if (r == 0)
        r = db_exec(db, SQL_OUTBOX_CLAIM, DB_ARGS(DB_STR(claim->nonce), DB_STR(ask->key)), NULL,
                    e);
    return r < 0 ? r : read_row(db, ask, claim, out, e);
}

int outbox_claim(struct db *db, const struct outbox_ask *ask, enum outbox_answer *out,
                 struct outbox_claim *out_claim, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    struct outbox_claim claim = {0};
    int r;
    random_hex(claim.nonce, 16);
    do
        r = claim_once(db, ask, &claim, out, e);
    while (db_again(db, &again, r));
    if (r == 0)
        *out_claim = claim;
    return r;
}

int outbox_look(struct db *db, const char *key, enum outbox_answer *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_OUTBOX_GET, DB_ARGS(DB_STR(key)), &rows, e);
    if (r >= 0)
        *out = r > 0 ? read_state(db_rows_text(rows, 1)) : OUTBOX_CLAIMED;
    return r < 0 ? r : 0;
}

static int deliver_once(struct db *db, const struct outbox_claim *claim, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_exec(db, SQL_OUTBOX_DELIVER, DB_ARGS(DB_I64(claim->id), DB_STR(claim->nonce)),
                    NULL, e);
    if (r == 0) /* asked, not counted: a repeat after a lost answer changes nothing */
        r = db_select_row(db, SQL_OUTBOX_MINE, DB_ARGS(DB_I64(claim->id), DB_STR(claim->nonce)),
                          &rows, e);
    if (r < 0)
        return r;
    return r > 0 ? 0 : err_set(e, -EPERM, "another sender has taken this message over");
}

int outbox_deliver(struct db *db, const struct outbox_claim *claim, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = deliver_once(db, claim, e);
    while (db_again(db, &again, r));
    return r;
}

int outbox_end(struct db *db, const struct outbox_claim *claim, enum outbox_end end,
               const char *note, struct err *e)
{
    static const char *const states[] = {"sent", "failed", "delivering"};
    return run(
        db, SQL_OUTBOX_END,
        DB_ARGS(DB_STR(states[end]), DB_STR(note), DB_I64(claim->id), DB_STR(claim->nonce)), e);
}

int outbox_retry(struct db *db, const char *key, struct err *e)
{
    uint64_t changed = 0;
    int r = db_exec(db, SQL_OUTBOX_RETRY, DB_ARGS(DB_STR(key)), &changed, e);
    if (r == 0 && changed == 0)
        return err_set(e, -ENOENT, "mail %s: there is none that may have been lost", key);
    return r;
}
