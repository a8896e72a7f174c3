// SPDX-License-Identifier: Apache-2.0
/* Reads, closes and opens allocations. */
#include "quota/allocation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int allocation_get(struct db *db, int64_t id, struct allocation_row *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_ALLOCATION_GET, DB_ARGS(DB_I64(id)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "allocation %lld: not found; `quota balance` shows all",
                       (long long)id);
    *out = (struct allocation_row){
        .is_open = !strcmp(db_rows_text(rows, 1), "open"),
        .from_ms = db_rows_i64(rows, 2),
        .until_ms = db_rows_i64(rows, 3),
        .free_gpums = db_rows_i64(rows, 4),
    };
    snprintf(out->project, sizeof(out->project), "%s", db_rows_text(rows, 0));
    return 0;
}

struct state_change {
    int64_t id;
    const char *state;
};

static int read_state(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct state_change *c = arg;
    struct allocation_row row;
    int r = allocation_get(db, c->id, &row, e);
    if (r == 0)
        buf_printf(before, "state %s", row.is_open ? "open" : "closed");
    return r;
}

static int apply_state(struct db *db, void *arg, struct err *e)
{
    struct state_change *c = arg;
    return db_exec(db, SQL_ALLOCATION_SET, DB_ARGS(DB_STR(c->state), DB_I64(c->id)), NULL, e);
}

int allocation_set_open(struct db *db, const struct change_by *by, int64_t id, bool is_open,
                        enum change_answer *out, struct err *e)
{
    char object[40], after[40];
    struct state_change arg = {id, is_open ? "open" : "closed"};
    snprintf(object, sizeof(object), "allocation %lld", (long long)id);
    snprintf(after, sizeof(after), "state %s", arg.state);
    struct change c = {is_open ? "allocation open" : "allocation close",
                       object,
                       after,
                       read_state,
                       apply_state,
                       &arg};
    return change_run(db, by, &c, out, e);
}
