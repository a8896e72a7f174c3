// SPDX-License-Identifier: Apache-2.0
/* Reads a person by four statements, and decides what he may see by one table of rules. */
#include "quota/person.h"

#include <errno.h>
#include <stdlib.h>

#include "runner/base/xnew.h"

static char *dup_text(const struct db_rows *rows, unsigned column)
{
    return xdup(db_rows_text(rows, column));
}

static int read_person(struct db *db, struct person *p, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, SQL_PERSON_GET, DB_ARGS(DB_I64(p->id)), &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -ENOENT, "person %lld: not found", (long long)p->id);
    p->tenant_id = db_rows_i64(rows, 1);
    p->directory = dup_text(rows, 2);
    p->login = dup_text(rows, 3);
    p->name = dup_text(rows, 4);
    p->mail = dup_text(rows, 5);
    p->tenant = dup_text(rows, 6);
    p->is_admin = db_rows_i64(rows, 7) != 0;
    p->is_active = db_rows_i64(rows, 8) != 0;
    p->first_seen_ms = db_rows_i64(rows, 9);
    p->last_login_ms = db_rows_i64(rows, 10);
    p->has_account = !db_rows_is_null(rows, 13);
    p->unix_name = dup_text(rows, 11);
    p->gids = dup_text(rows, 12);
    p->uid = db_rows_i64(rows, 13);
    p->gid = db_rows_i64(rows, 14);
    return 0;
}

static void read_admin_of(const struct db_rows *rows, struct person *p)
{
    p->admin_of = xgrow(p->admin_of, p->admin_of_count + 1, sizeof(*p->admin_of));
    p->admin_of[p->admin_of_count++] = db_rows_i64(rows, 0);
}

static void read_membership(const struct db_rows *rows, struct person *p)
{
    p->memberships = xgrow(p->memberships, p->membership_count + 1, sizeof(*p->memberships));
    p->memberships[p->membership_count++] = (struct membership){
        .project_id = db_rows_i64(rows, 0),
        .tenant_id = db_rows_i64(rows, 1),
        .project = dup_text(rows, 2),
        .title = dup_text(rows, 3),
        .tenant = dup_text(rows, 4),
        .is_pi = db_rows_i64(rows, 5) != 0,
        .is_open = db_rows_i64(rows, 6) != 0,
    };
}

static void read_balance(const struct db_rows *rows, struct person *p)
{
    p->balances = xgrow(p->balances, p->balance_count + 1, sizeof(*p->balances));
    p->balances[p->balance_count++] = (struct balance){
        .allocation_id = db_rows_i64(rows, 0),
        .project_id = db_rows_i64(rows, 1),
        .project = dup_text(rows, 2),
        .from_ms = db_rows_i64(rows, 3),
        .until_ms = db_rows_i64(rows, 4),
        .is_open = db_rows_i64(rows, 5) != 0,
        .free_gpums = db_rows_i64(rows, 6),
        .held_gpums = db_rows_i64(rows, 7),
        .used_gpums = db_rows_i64(rows, 8),
        .has_share = db_rows_i64(rows, 9) != 0,
        .share_free_gpums = db_rows_i64(rows, 10),
        .share_held_gpums = db_rows_i64(rows, 11),
        .share_used_gpums = db_rows_i64(rows, 12),
    };
}

/* Runs one statement about the person and gives each row to `on_row`. */
static int read_rows(struct db *db, enum sql id, struct person *p,
                     void (*on_row)(const struct db_rows *rows, struct person *p),
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, id, DB_ARGS(DB_I64(p->id)), &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0)
        on_row(rows, p);
    return r;
}

int person_load(struct db *db, int64_t id, struct person **out, struct err *e)
{
    AUTO(person_freep) struct person *p = xnew(struct person);
    p->id = id;
    int r = read_person(db, p, e);
    if (r == 0)
        r = read_rows(db, SQL_PERSON_ADMIN_OF, p, read_admin_of, e);
    if (r == 0)
        r = read_rows(db, SQL_PERSON_MEMBERSHIPS, p, read_membership, e);
    if (r == 0)
        r = read_rows(db, SQL_PERSON_BALANCES, p, read_balance, e);
    if (r == 0)
        *out = TAKE(p);
    return r;
}

void person_free(struct person *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->membership_count; i++) {
        free(p->memberships[i].project);
        free(p->memberships[i].title);
        free(p->memberships[i].tenant);
    }
    for (size_t i = 0; i < p->balance_count; i++)
        free(p->balances[i].project);
    char *texts[] = {p->directory, p->login,     p->name, p->mail,
                     p->tenant,    p->unix_name, p->gids};
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
    free(p->memberships);
    free(p->balances);
    free(p->admin_of);
    free(p);
}

const struct membership *person_membership(const struct person *p, int64_t project_id)
{
    for (size_t i = 0; i < p->membership_count; i++)
        if (p->memberships[i].project_id == project_id)
            return &p->memberships[i];
    return NULL;
}

int64_t person_free_gpums(const struct person *p, int64_t project_id)
{
    int64_t most = 0;
    for (size_t i = 0; i < p->balance_count; i++) {
        const struct balance *b = &p->balances[i];
        if (b->project_id != project_id || !b->is_open)
            continue;
        int64_t n = b->free_gpums;
        if (b->has_share && b->share_free_gpums < n)
            n = b->share_free_gpums;
        if (n > most)
            most = n;
    }
    return most;
}

/* ---- who sees what */

enum role { ROLE_SELF = 1, ROLE_MEMBER = 2, ROLE_PI = 4, ROLE_TENANT_ADMIN = 8 };

/* The table of the design's "Who sees what": which of one's roles towards a thing opens it. */
static const unsigned opened_by[] = {
    [ACCESS_ROW] = ROLE_SELF | ROLE_MEMBER | ROLE_PI | ROLE_TENANT_ADMIN,
    [ACCESS_FILES] = ROLE_SELF | ROLE_PI,
    [ACCESS_CHANGE] = ROLE_SELF | ROLE_PI,
    [ACCESS_REPORT] = ROLE_SELF | ROLE_PI | ROLE_TENANT_ADMIN,
};

static unsigned roles_of(const struct person *who, struct access_object of)
{
    unsigned roles = of.person_id && of.person_id == who->id ? ROLE_SELF : 0;
    const struct membership *m = of.project_id ? person_membership(who, of.project_id) : NULL;
    if (m)
        roles |= m->is_pi ? ROLE_PI | ROLE_MEMBER : ROLE_MEMBER;
    for (size_t i = 0; of.tenant_id && i < who->admin_of_count; i++)
        if (who->admin_of[i] == of.tenant_id)
            roles |= ROLE_TENANT_ADMIN;
    return roles;
}

enum access access_may(const struct person *who, enum access_what what, struct access_object of)
{
    if (!who->is_active)
        return ACCESS_NO;
    if (roles_of(who, of) & opened_by[what])
        return ACCESS_YES;
    return who->is_admin ? ACCESS_AUDITED : ACCESS_NO;
}
