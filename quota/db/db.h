// SPDX-License-Identifier: Apache-2.0
/* MariaDB, seen through named statements.
 *
 * A connection has a role and may run the statements of sql.def that name its role, and no
 * others; all of them are prepared when it opens, so that a wrong column fails at start.
 * Everything blocks, with time limits: on the loop's thread it is never called, workers and
 * command-line tools call it. One connection belongs to one thread.
 *
 * Errors: -EAGAIN (deadlock, lock wait, snapshot: rolled back; repeat the whole transaction),
 * -ENOTCONN (server gone, before or after the statement took effect: repeat with the same key),
 * -EEXIST (a unique key is taken), -EPERM (another runnerd is active, or the job has moved on),
 * -EBADE (the books would not balance: damage, for the operator), -EIO (anything else).
 */
#ifndef FF_QUOTA_DB_DB_H
#define FF_QUOTA_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/base/cleanup.h"
#include "runner/base/conf.h"
#include "runner/base/err.h"

enum db_role { DB_PORTAL = 1, DB_RUNNER = 2, DB_ADMIN = 4, DB_REPORT = 8 };

enum sql {
#define SQL(roles, name, text) SQL_##name,
#include "quota/db/sql.def"
#undef SQL
    SQL_COUNT
};

/* The section [database]. Either `socket` or `host` is set. */
struct db_conf {
    const char *socket, *host, *ca, *name;
    const char *portal_password_file, *runner_password_file;
    const char *admin_password_file, *report_password_file;
    int64_t port;
};
int db_conf_read(struct conf *c, struct db_conf *out, struct err *e);

/* One typed value for a '?'. */
struct db_value {
    enum { DB_TYPE_NULL, DB_TYPE_I64, DB_TYPE_TEXT } type;
    int64_t i64;
    const char *text;
    size_t len;
};
struct db_value db_text(const char *text); /* NULL gives SQL NULL */
#define DB_I64(n) ((struct db_value){.type = DB_TYPE_I64, .i64 = (int64_t)(n)})
#define DB_STR(s) db_text(s)
#define DB_NULL ((struct db_value){.type = DB_TYPE_NULL})
#define DB_I64_OR_NULL(n) ((n) ? DB_I64(n) : DB_NULL)

struct db_args {
    const struct db_value *values;
    size_t count;
};
#define DB_ARGS(...)                                                                           \
    ((struct db_args){(const struct db_value[]){__VA_ARGS__},                                  \
                      COUNT(((const struct db_value[]){__VA_ARGS__}))})
#define DB_NO_ARGS ((struct db_args){0})

struct db;
struct db_rows;

/* Connects, sets up the session, checks the server's settings and the schema's version,
 * prepares the role's statements. -ENOTCONN: not there; -EPROTO: settings or schema refused,
 * told in `e`. */
int db_open(const struct db_conf *conf, enum db_role role, struct db **out, struct err *e);
void db_close(struct db *db); /* NULL is fine */
AUTO_FREE(db_close, struct db)

/* Connects again if the connection was lost; db_select() and db_exec() do so by themselves. */
int db_ensure(struct db *db, struct err *e);

/* Runs a statement that returns no rows; *out_changed (may be NULL) gets the rows it changed.
 * */
int db_exec(struct db *db, enum sql id, struct db_args args, uint64_t *out_changed,
            struct err *e);

/* Runs a statement or procedure that returns rows, and reads them one by one. Until
 * db_rows_free() the connection can do nothing else. Texts live until the next row. */
int db_select(struct db *db, enum sql id, struct db_args args, struct db_rows **out,
              struct err *e);
int db_rows_next(struct db_rows *rows, struct err *e); /* 1 a row, 0 the end, or negative */

/* db_select() and the first row: 1 a row, 0 none, or negative. */
int db_select_row(struct db *db, enum sql id, struct db_args args, struct db_rows **out,
                  struct err *e);

/* The first row's first column, a number; 0 where there is no row. */
int db_select_i64(struct db *db, enum sql id, struct db_args args, int64_t *out, struct err *e);
int64_t db_rows_i64(const struct db_rows *rows, unsigned column);      /* NULL reads as 0 */
const char *db_rows_text(const struct db_rows *rows, unsigned column); /* NULL reads as "" */
bool db_rows_is_null(const struct db_rows *rows, unsigned column);
unsigned db_rows_columns(const struct db_rows *rows);
void db_rows_free(struct db_rows *rows);
AUTO_FREE(db_rows_free, struct db_rows)

/* A transaction over several statements: rolled back at the end of its scope unless committed.
 *   AUTO(db_tx_end) struct db_tx tx = {0};
 *   r = db_tx_begin(db, &tx, e); … r = db_tx_commit(&tx, e);
 * A failed commit may have taken effect: repeat the whole with the same key. */
struct db_tx {
    struct db *db;
};
int db_tx_begin(struct db *db, struct db_tx *tx, struct err *e);
/* Reads only, and all of it as it was at this moment; ends with db_tx_end(). */
int db_tx_snapshot(struct db *db, struct db_tx *tx, struct err *e);
int db_tx_commit(struct db_tx *tx, struct err *e);
void db_tx_end(struct db_tx *tx);

/* Whether to repeat after `r`: true for -EAGAIN and -ENOTCONN while `limit_ms` since the first
 * try has not passed, after a short wait that grows and is never the same twice.
 *   struct db_again again = DB_AGAIN(3000);
 *   do r = …; while (db_again(db, &again, r)); */
struct db_again {
    int64_t limit_ms, first_ms;
    int tries;
};
#define DB_AGAIN(limit) ((struct db_again){.limit_ms = (limit)})
bool db_again(struct db *db, struct db_again *again, int r);

#endif
