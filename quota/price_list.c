// SPDX-License-Identifier: Apache-2.0
/* Appends to the price list. */
#include "quota/price_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int price_list_check_type(const char *type, struct err *e)
{
    size_t n = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-.+");
    if (n == 0 || n > PRICE_TYPE_MAX || type[n] || strchr("-.+", *type))
        return err_set(
            e, -EINVAL,
            "GPU type '%.60s': write 1 to %d lower-case letters, digits, '-', '.' and '+', a "
            "letter or digit first, like h100 or a100-1g.5gb",
            type, PRICE_TYPE_MAX);
    if (!strcmp(type, "any"))
        return err_set(e, -EINVAL,
                       "GPU type 'any' has no price of its own: it holds at the dearest and "
                       "charges what was used");
    return 0;
}

static int check_since(const struct price_ask *ask, const struct db_rows *rows, struct err *e)
{
    if (ask->since_ms && ask->since_ms <= db_rows_i64(rows, 1))
        return err_set(
            e, -EPERM,
            "a price never begins in the past: jobs were placed by the old one; take a later "
            "day, or leave out --since for now");
    if (db_rows_i64(rows, 2) > 0)
        return err_set(e, -EEXIST,
                       "price %s: one begins at that moment already, and a price is never "
                       "changed; take another day",
                       ask->gpu_type);
    return 0;
}

static int read_price(struct db *db, void *arg, struct buf *before, struct err *e)
{
    const struct price_ask *ask = arg;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(
        db, SQL_PRICE_GET,
        DB_ARGS(DB_STR(ask->gpu_type), DB_STR(ask->gpu_type), DB_I64(ask->since_ms)), &rows, e);
    if (r < 0)
        return r;
    buf_printf(before, "weight %lld per mille", (long long)db_rows_i64(rows, 0));
    return check_since(ask, rows, e);
}

static int add_price(struct db *db, void *arg, struct err *e)
{
    const struct price_ask *ask = arg;
    return db_exec(db, SQL_PRICE_ADD,
                   DB_ARGS(DB_STR(ask->gpu_type), DB_I64_OR_NULL(ask->since_ms),
                           DB_I64(ask->weight_permille)),
                   NULL, e);
}

int price_list_set(struct db *db, const struct change_by *by, const struct price_ask *ask,
                   enum change_answer *out, struct err *e)
{
    char object[64], after[96];
    int r = price_list_check_type(ask->gpu_type, e);
    if (r < 0)
        return r;
    snprintf(object, sizeof(object), "price %s", ask->gpu_type);
    int n = snprintf(after, sizeof(after), "weight %lld per mille",
                     (long long)ask->weight_permille);
    if (ask->since_ms)
        snprintf(after + n, sizeof(after) - (size_t)n, " since %lld ms",
                 (long long)ask->since_ms);
    struct change c = {"price set", object, after, read_price, add_price, (void *)ask};
    return change_run(db, by, &c, out, e);
}
