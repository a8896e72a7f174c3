// SPDX-License-Identifier: Apache-2.0
/* Finds, switches and forgets people. */
#include "quota/people.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/parse.h"

enum { LOGIN_MAX = 64 };

/* "login@directory" into both; the last '@' divides, for a login may be a mail address. */
static int split(const char *who, char login[LOGIN_MAX + 1], const char **out_directory,
                 struct err *e)
{
    const char *at = strrchr(who, '@');
    if (!at || at == who || !at[1] || at - who > LOGIN_MAX)
        return err_set(
            e, -EINVAL,
            "person '%.100s': write login@directory, like alice@north, or the number that "
            "`quota person list` shows",
            who);
    memcpy(login, who, (size_t)(at - who));
    login[at - who] = '\0';
    *out_directory = at + 1;
    return 0;
}

int people_find(struct db *db, const char *who, int64_t *out_id, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    char login[LOGIN_MAX + 1] = "";
    const char *directory = "";
    int64_t id = 0;
    int r = 0;
    if (parse_i64(who, 1, UINT32_MAX, &id) < 0)
        r = split(who, login, &directory, e);
    if (r == 0)
        r = db_select_row(
            db, SQL_PEOPLE_FIND,
            DB_ARGS(DB_I64(id), DB_I64(id), DB_I64(id), DB_STR(login), DB_STR(directory)),
            &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT,
                       "person %.100s: never logged in here; a person is known after the first "
                       "login, and can then ask to join (`quota request list`)",
                       who);
    *out_id = db_rows_i64(rows, 0);
    r = db_rows_next(rows, e);
    if (r == 1)
        return err_set(
            e, -EPERM,
            "person %.100s: several people had this login, one after the other; take the "
            "number that `quota person list` shows",
            who);
    return r;
}

struct state_change {
    int64_t id;
    const char *state;
};

static int read_state(struct db *db, void *arg, struct buf *before, struct err *e)
{
    struct state_change *c = arg;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_PEOPLE_STATE, DB_ARGS(DB_I64(c->id)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "person %lld: not found", (long long)c->id);
    if (!strcmp(db_rows_text(rows, 0), "anonymised"))
        return err_set(e, -EPERM, "person %lld is anonymised and stays so", (long long)c->id);
    buf_printf(before, "state %s", db_rows_text(rows, 0));
    return 0;
}

static int apply_state(struct db *db, void *arg, struct err *e)
{
    struct state_change *c = arg;
    return db_exec(db, SQL_PEOPLE_SET_STATE, DB_ARGS(DB_STR(c->state), DB_I64(c->id)), NULL, e);
}

int people_set_active(struct db *db, const struct change_by *by, int64_t id, bool is_active,
                      enum change_answer *out, struct err *e)
{
    char object[40], after[40];
    struct state_change arg = {id, is_active ? "active" : "disabled"};
    snprintf(object, sizeof(object), "person %lld", (long long)id);
    snprintf(after, sizeof(after), "state %s", arg.state);
    struct change c = {is_active ? "person enable" : "person disable",
                       object,
                       after,
                       read_state,
                       apply_state,
                       &arg};
    return change_run(db, by, &c, out, e);
}

/* ---- to be forgotten */

static int check_no_jobs(struct db *db, int64_t id, struct err *e)
{
    int64_t jobs = 0;
    int r = db_select_i64(db, SQL_PEOPLE_LIVE_JOBS, DB_ARGS(DB_I64(id)), &jobs, e);
    if (r == 0 && jobs > 0)
        return err_set(e, -EPERM,
                       "person %lld has %lld live job%s; let them end, or end them with `quota "
                       "job cancel`, and try again",
                       (long long)id, (long long)jobs, jobs == 1 ? "" : "s");
    return r;
}

static int read_forgettable(struct db *db, void *arg, struct buf *before, struct err *e)
{
    int r = read_state(db, arg, before, e);
    return r < 0 ? r : check_no_jobs(db, ((struct state_change *)arg)->id, e);
}

static int apply_erase(struct db *db, void *arg, struct err *e)
{
    static const enum sql steps[] = {
        SQL_PEOPLE_ERASE_ANSWERS, SQL_PEOPLE_ERASE_MAIL, /* found by login and mail */
        SQL_PEOPLE_ERASE,         SQL_PEOPLE_ERASE_ACCOUNT, SQL_PEOPLE_ERASE_NOTES,
        SQL_PEOPLE_LEAVE,         SQL_PEOPLE_REVOKE};
    const struct state_change *c = arg;
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT(steps); i++)
        r = db_exec(db, steps[i], DB_ARGS(DB_I64(c->id)), NULL, e);
    return r;
}

int people_anonymise(struct db *db, const struct change_by *by, int64_t id,
                     enum change_answer *out, struct err *e)
{
    char object[40];
    struct state_change arg = {id, "anonymised"};
    snprintf(object, sizeof(object), "person %lld", (long long)id);
    struct change c = {"person anonymise", object,      "name, mail and login erased",
                       read_forgettable,   apply_erase, &arg};
    return change_run(db, by, &c, out, e);
}
