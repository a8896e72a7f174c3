// SPDX-License-Identifier: Apache-2.0
/* The order of one change: look whether the key was used, read what is there, write the audit
 * row, make the change, commit. The unique key in the audit table decides between two who come
 * at once. */
#include "quota/change.h"

#include <errno.h>
#include <string.h>

#include "runner/base/parse.h"

enum { PATIENCE_MS = 8000, NAME_MAX_BYTES = 32 };

int change_find(struct db *db, const struct change_by *by, const struct change *c,
                enum change_answer *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_AUDIT_GET, DB_ARGS(DB_STR(by->key)), &rows, e);
    if (r <= 0)
        return r;
    bool is_same = !strcmp(db_rows_text(rows, 0), c->verb) &&
                   !strcmp(db_rows_text(rows, 1), c->object) &&
                   (!c->after || !strcmp(db_rows_text(rows, 2), c->after));
    *out = is_same ? CHANGE_SAME : CHANGE_OTHER_CONTENT;
    return 1;
}

int change_write(struct db *db, const struct change_by *by, const struct change *c,
                 const char *before, struct err *e)
{
    int r = db_exec(db, SQL_AUDIT_ADD,
                    DB_ARGS(DB_STR(by->actor), DB_STR(by->origin), DB_STR(c->verb),
                            DB_STR(c->object), DB_STR(by->reason), DB_STR(before),
                            DB_STR(c->after), DB_STR(by->key)),
                    NULL, e);
    return r == -EEXIST ? -EAGAIN : r; /* the key came in beside us and is committed now */
}

static int run_once(struct db *db, const struct change_by *by, const struct change *c,
                    enum change_answer *out, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    AUTO(buf_done) struct buf before = BUF_INIT(CHANGE_TEXT_MAX);
    int r = db_tx_begin(db, &tx, e);
    if (r == 0)
        r = change_find(db, by, c, out, e);
    if (r != 0)
        return r < 0 ? r : 0;
    r = c->read(db, c->arg, &before, e);
    if (r < 0)
        return r;
    r = change_write(db, by, c, buf_text(&before), e);
    if (r == 0)
        r = c->apply(db, c->arg, e);
    if (r < 0)
        return r;
    *out = CHANGE_DONE;
    return by->is_dry_run ? 0 : db_tx_commit(&tx, e);
}

int change_run(struct db *db, const struct change_by *by, const struct change *change,
               enum change_answer *out, struct err *e)
{
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int r;
    do
        r = run_once(db, by, change, out, e);
    while (db_again(db, &again, r));
    return r;
}

int change_check_key(const char *key, struct err *e)
{
    size_t n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (n < 8 || n > CHANGE_KEY_MAX || key[n])
        return err_set(e, -EINVAL,
                       "key '%.70s': write 8 to 64 letters, digits, '.', '_' or '-'; the same "
                       "key again repeats nothing",
                       key);
    return 0;
}

int change_check_text(const char *what, const char *text, size_t max, struct err *e)
{
    size_t n = strlen(text);
    if (n > max)
        return err_set(e, -EINVAL, "%s: %zu bytes long, at most %zu are kept; shorten it", what,
                       n, max);
    if (!parse_is_utf8(text, n) || parse_has_control(text))
        return err_set(e, -EINVAL, "%s: write one line of UTF-8 without control characters",
                       what);
    return 0;
}

int change_check_reason(const char *reason, struct err *e)
{
    int r = change_check_text("reason", reason, CHANGE_REASON_MAX, e);
    if (r == 0 && strlen(reason) < 3)
        return err_set(e, -EINVAL,
                       "reason '%s': say why, in words others will understand later", reason);
    return r;
}

int change_check_name(const char *what, const char *name, struct err *e)
{
    if (parse_is_slug(name, NAME_MAX_BYTES))
        return 0;
    return err_set(
        e, -EINVAL,
        "%s '%.60s': a name has 1 to %d lower-case letters, digits and '-', and does not begin "
        "with '-'",
        what, name, NAME_MAX_BYTES);
}
