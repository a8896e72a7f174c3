// SPDX-License-Identifier: Apache-2.0
/* Running prepared statements: binding typed values, reading rows one by one, transactions. A
 * row's columns are integers or texts; texts are fetched at their real length. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quota/db/db.h"
#include "quota/db/db_internal.h"
#include "runner/base/xnew.h"

enum { ARGS_MAX = 32, TEXT_FIRST = 256 };

struct column {
    const char *name;
    bool is_text;
    int64_t i64;
    char *text;
    unsigned long size, len;
    my_bool is_null;
};

struct db_rows {
    struct db *db;
    MYSQL_STMT *statement;
    MYSQL_RES *meta;
    MYSQL_BIND *binds;
    struct column *columns;
    unsigned count;
    const char *what;
};

static int statement_fail(struct db *db, MYSQL_STMT *s, const char *what, struct err *e)
{
    return db_fail(db, what, mysql_stmt_errno(s), mysql_stmt_error(s), e);
}

/* The name of a statement in sql.def, for the complaint: values are never in it. */
static const char *label(enum sql id)
{
    return sql_names[id];
}

static int run(struct db *db, enum sql id, struct db_args args, struct err *e)
{
    int r = db_ensure(db, e);
    if (r < 0)
        return r;
    MYSQL_STMT *s = db->statements[id];
    if (!s || args.count > ARGS_MAX || mysql_stmt_param_count(s) != args.count)
        return err_set(e, -EIO, "database: %s: not this role's, or given %zu values", label(id),
                       args.count);
    MYSQL_BIND binds[ARGS_MAX] = {0};
    for (size_t i = 0; i < args.count; i++) {
        const struct db_value *v = &args.values[i];
        binds[i].buffer_type = v->type == DB_TYPE_NULL  ? MYSQL_TYPE_NULL
                               : v->type == DB_TYPE_I64 ? MYSQL_TYPE_LONGLONG
                                                        : MYSQL_TYPE_STRING;
        binds[i].buffer = v->type == DB_TYPE_I64 ? (void *)&v->i64 : (void *)v->text;
        binds[i].buffer_length = (unsigned long)v->len;
    }
    if (args.count && mysql_stmt_bind_param(s, binds))
        return statement_fail(db, s, label(id), e);
    if (mysql_stmt_execute(s))
        return statement_fail(db, s, label(id), e);
    return 0;
}

/* A procedure sends its rows and then a last empty result: read to the end, or the line is out
 * of step with the server. */
static void drain(MYSQL_STMT *s)
{
    do
        mysql_stmt_free_result(s);
    while (mysql_stmt_more_results(s) && mysql_stmt_next_result(s) == 0);
}

int db_exec(struct db *db, enum sql id, struct db_args args, uint64_t *out_changed,
            struct err *e)
{
    int r = run(db, id, args, e);
    if (r < 0)
        return r;
    MYSQL_STMT *s = db->statements[id];
    if (out_changed)
        *out_changed = mysql_stmt_affected_rows(s);
    drain(s);
    return 0;
}

static bool is_number(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_NEWDECIMAL: /* SUM() of BIGINT; ours are whole and fit */
    case MYSQL_TYPE_YEAR:
        return true;
    default:
        return false;
    }
}

static void bind_columns(struct db_rows *rows)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(rows->meta);
    rows->count = mysql_num_fields(rows->meta);
    rows->binds = xnew_array(MYSQL_BIND, rows->count);
    rows->columns = xnew_array(struct column, rows->count);
    for (unsigned i = 0; i < rows->count; i++) {
        struct column *c = &rows->columns[i];
        MYSQL_BIND *b = &rows->binds[i];
        c->name = fields[i].name;
        c->is_text = !is_number(&fields[i]);
        b->is_null = &c->is_null;
        b->length = &c->len;
        if (c->is_text) {
            c->size = TEXT_FIRST;
            c->text = xalloc(c->size + 1, 1);
            b->buffer_type = MYSQL_TYPE_STRING;
            b->buffer = c->text;
            b->buffer_length = c->size;
        } else {
            b->buffer_type = MYSQL_TYPE_LONGLONG;
            b->buffer = &c->i64;
        }
    }
}

int db_select(struct db *db, enum sql id, struct db_args args, struct db_rows **out,
              struct err *e)
{
    int r = run(db, id, args, e);
    if (r < 0)
        return r;
    AUTO(db_rows_freep) struct db_rows *rows = xnew(struct db_rows);
    rows->db = db;
    rows->statement = db->statements[id];
    rows->what = label(id);
    rows->meta = mysql_stmt_result_metadata(rows->statement);
    if (!rows->meta)
        return err_set(e, -EIO, "database: %s: returned no rows", rows->what);
    bind_columns(rows);
    if (mysql_stmt_bind_result(rows->statement, rows->binds))
        return statement_fail(db, rows->statement, rows->what, e);
    *out = TAKE(rows);
    return 0;
}

/* Reads again a text that did not fit, into memory that it does. */
static int widen(struct db_rows *rows, unsigned i)
{
    struct column *c = &rows->columns[i];
    MYSQL_BIND *b = &rows->binds[i];
    char *text = realloc(c->text, c->len + 1);
    if (!text)
        return -ENOMEM;
    c->text = text;
    c->size = c->len;
    b->buffer = text;
    b->buffer_length = c->size;
    return mysql_stmt_fetch_column(rows->statement, b, i, 0) ? -EIO : 0;
}

int db_rows_next(struct db_rows *rows, struct err *e)
{
    int status = mysql_stmt_fetch(rows->statement);
    if (status == MYSQL_NO_DATA)
        return 0;
    if (status == 1)
        return statement_fail(rows->db, rows->statement, rows->what, e);
    bool widened = false;
    for (unsigned i = 0; i < rows->count; i++) {
        struct column *c = &rows->columns[i];
        if (!c->is_text)
            continue;
        if (!c->is_null && c->len > c->size) {
            int r = widen(rows, i);
            if (r < 0)
                return err_set(e, r, "database: %s: a text of %lu bytes", rows->what, c->len);
            widened = true;
        }
        c->text[c->is_null ? 0 : c->len] = '\0';
    }
    if (widened && mysql_stmt_bind_result(rows->statement, rows->binds))
        return statement_fail(rows->db, rows->statement, rows->what, e);
    return 1;
}

int db_select_row(struct db *db, enum sql id, struct db_args args, struct db_rows **out,
                  struct err *e)
{
    int r = db_select(db, id, args, out, e);
    return r < 0 ? r : db_rows_next(*out, e);
}

int db_select_i64(struct db *db, enum sql id, struct db_args args, int64_t *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, id, args, &rows, e);
    if (r < 0)
        return r;
    *out = r > 0 ? db_rows_i64(rows, 0) : 0;
    return 0;
}

int64_t db_rows_i64(const struct db_rows *rows, unsigned column)
{
    const struct column *c = &rows->columns[column];
    return c->is_null || c->is_text ? 0 : c->i64;
}

const char *db_rows_text(const struct db_rows *rows, unsigned column)
{
    const struct column *c = &rows->columns[column];
    return c->is_null || !c->is_text ? "" : c->text;
}

bool db_rows_is_null(const struct db_rows *rows, unsigned column)
{
    return rows->columns[column].is_null;
}

unsigned db_rows_columns(const struct db_rows *rows)
{
    return rows->count;
}

void db_rows_free(struct db_rows *rows)
{
    if (!rows)
        return;
    if (rows->db->mysql) /* a lost connection has taken its statements with it */
        drain(rows->statement);
    if (rows->meta)
        mysql_free_result(rows->meta);
    for (unsigned i = 0; i < rows->count; i++)
        free(rows->columns[i].text);
    free(rows->columns);
    free(rows->binds);
    free(rows);
}

int db_tx_begin(struct db *db, struct db_tx *tx, struct err *e)
{
    int r = db_ensure(db, e);
    if (r < 0)
        return r;
    if (mysql_autocommit(db->mysql, 0))
        return db_fail(db, "begin", mysql_errno(db->mysql), mysql_error(db->mysql), e);
    tx->db = db;
    return 0;
}

int db_tx_snapshot(struct db *db, struct db_tx *tx, struct err *e)
{
    static const char *const steps[] = {
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"};
    int r = db_ensure(db, e);
    for (size_t i = 0; r == 0 && i < COUNT(steps); i++)
        if (mysql_real_query(db->mysql, steps[i], strlen(steps[i])))
            r = db_fail(db, "begin", mysql_errno(db->mysql), mysql_error(db->mysql), e);
    if (r == 0)
        tx->db = db;
    return r;
}

int db_tx_commit(struct db_tx *tx, struct err *e)
{
    struct db *db = tx->db;
    if (!db->mysql)
        return err_set(e, -ENOTCONN, "database: the connection was lost before the commit");
    if (mysql_commit(db->mysql) || mysql_autocommit(db->mysql, 1))
        return db_fail(db, "commit", mysql_errno(db->mysql), mysql_error(db->mysql), e);
    tx->db = NULL;
    return 0;
}

void db_tx_end(struct db_tx *tx)
{
    struct db *db = tx->db;
    if (!db || !db->mysql)
        return;
    if (mysql_rollback(db->mysql) || mysql_autocommit(db->mysql, 1))
        db_drop(db);
}
