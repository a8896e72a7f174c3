// SPDX-License-Identifier: Apache-2.0
/* Appends to the price list. */
#include "quota/price_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_price(struct db *db, void *arg, struct buf *before, struct err *e)
{
    const struct price_ask *ask = arg;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_PRICE_GET, DB_ARGS(DB_STR(ask->gpu_type)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    buf_printf(before, "weight %lld per mille", (long long)db_rows_i64(rows, 0));
    return 0;
}

static int add_price(struct db *db, void *arg, struct err *e)
{
    const struct price_ask *ask = arg;
    return db_exec(db, SQL_PRICE_ADD,
                   DB_ARGS(DB_STR(ask->gpu_type), DB_I64(ask->weight_permille)), NULL, e);
}

int price_list_set(struct db *db, const struct change_by *by, const struct price_ask *ask,
                   enum change_answer *out, struct err *e)
{
    char object[64], after[64];
    int r = change_check_name("GPU type", ask->gpu_type, e);
    if (r < 0)
        return r;
    if (!strcmp(ask->gpu_type, "any"))
        return err_set(e, -EINVAL,
                       "GPU type 'any' has no price of its own: it holds at the "
                       "dearest and charges what was used");
    snprintf(object, sizeof(object), "price %s", ask->gpu_type);
    snprintf(after, sizeof(after), "weight %lld per mille", (long long)ask->weight_permille);
    struct change c = {"price set", object, after, read_price, add_price, (void *)ask};
    return change_run(db, by, &c, out, e);
}
