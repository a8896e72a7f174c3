// SPDX-License-Identifier: Apache-2.0
/* One row or two, always locked in the same order, in one transaction. */
#include "portal/tries.h"

#include <errno.h>
#include <string.h>

enum { PATIENCE_MS = 3000 };

void tries_of(const char *directory, const char *login, const char *address, struct tries *out)
{
    char key[LOGIN_KEY_MAX];
    *out = (struct tries){0};
    if (login_account_key(directory, login, strlen(login), key))
        token_hash(key, out->account);
    login_address_key(address, key);
    token_hash(key, out->address);
}

static int lock_row(struct db *db, const char *who, struct login_tries *out,
                    int64_t *out_now_ms, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_TRY_GET, DB_ARGS(DB_STR(who)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -EAGAIN, "tries: the row was purged in this moment");
    *out = (struct login_tries){.count = db_rows_i64(rows, 0), .last_ms = db_rows_i64(rows, 1)};
    *out_now_ms = db_rows_i64(rows, 2);
    return 0;
}

static int store(struct db *db, const char *who, const struct login_tries *t, struct err *e)
{
    return db_exec(
        db, SQL_TRY_SET,
        DB_ARGS(DB_I64(t->last_ms), DB_I64(t->count), DB_I64(t->last_ms), DB_STR(who)), NULL,
        e);
}

static int count_once(struct db *db, const struct tries *t, int64_t *out_wait_ms, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    struct login_tries account = {0}, address = {0};
    int64_t now = 0;
    size_t count = *t->account ? 2 : 1;
    bool is_account_first = *t->account && strcmp(t->account, t->address) < 0;
    const char *order[] = {is_account_first ? t->account : t->address,
                           is_account_first ? t->address : t->account};
    struct login_tries *rows[] = {is_account_first ? &account : &address,
                                  is_account_first ? &address : &account};
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = db_exec(db, SQL_TRY_ADD, DB_ARGS(DB_STR(order[i])), NULL, e);
    if (r == 0)
        r = db_tx_begin(db, &tx, e);
    for (size_t i = 0; i < count && r == 0; i++)
        r = lock_row(db, order[i], rows[i], &now, e);
    if (r < 0)
        return r;
    *out_wait_ms = login_wait_ms(&account, &address, now);
    if (*out_wait_ms > 0)
        return 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        login_tries_add(rows[i], now);
        r = store(db, order[i], rows[i], e);
    }
    return r < 0 ? r : db_tx_commit(&tx, e);
}

int tries_count(struct db *db, const struct tries *t, int64_t *out_wait_ms, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = count_once(db, t, out_wait_ms, e);
    while (db_again(db, &again, r));
    return r;
}

int tries_settle(struct db *db, const struct tries *t, enum login_answer answer, struct err *e)
{
    int r = 0;
    db_exec(db, SQL_TRY_PURGE, DB_NO_ARGS, NULL, NULL); /* the next one may do it as well */
    if (answer == LOGIN_REFUSED)
        return 0;
    if (*t->account)
        r = db_exec(db, answer == LOGIN_OK ? SQL_TRY_CLEAR : SQL_TRY_UNDO,
                    DB_ARGS(DB_STR(t->account)), NULL, e);
    if (r == 0)
        r = db_exec(db, SQL_TRY_UNDO, DB_ARGS(DB_STR(t->address)), NULL, e);
    return r;
}
