// SPDX-License-Identifier: Apache-2.0
/* Cookies in, sessions out. Nothing is kept in memory, so that any number of portald serve
 * one site. */
#include "portal/session.h"

#include <errno.h>
#include <string.h>

#include "portal/portal.h"
#include "portal/worker.h"
#include "quota/db/db.h"
#include "runner/base/random.h"

enum {
    SEEN_EVERY_MS = 60000, /* the last-seen time is written at most once a minute */
    PATIENCE_MS = 3000,    /* a page waits this long for a database that restarts */
    MARK_BYTES = 4, /* at random, at the end of a name: enough for the tabs of one browser */
};

static const char *cookie_name(const struct request *r, const char *plain)
{
    return r->is_tls ? arena_printf(r->arena, "__Host-%s", plain) : plain;
}

static const char *read_cookie(struct request *r, const char *plain)
{
    const char *name = cookie_name(r, plain);
    const char *value = name ? request_cookie(r, name) : NULL;
    return value && token_is_form(value, strlen(value)) ? value : NULL;
}

static void put_cookie(struct request *r, const char *plain, const char *value)
{
    const char *name = cookie_name(r, plain);
    const char *line =
        arena_printf(r->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s", name ? name : plain,
                     value, r->is_tls ? "; Secure" : "", *value ? "" : "; Max-Age=0");
    if (line)
        request_set_header(r, "Set-Cookie", line);
}

void session_set_cookie(struct request *r, const char *token)
{
    put_cookie(r, "sid", token ? token : "");
}

/* ---- who it is */

static int read_session(struct db *db, struct request *r, struct session *s, int64_t idle_ms)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int code = db_select(db, SQL_SESSION_GET, DB_ARGS(DB_STR(s->hash), DB_I64(idle_ms)), &rows,
                         &r->err);
    if (code == 0)
        code = db_rows_next(rows, &r->err);
    if (code < 1)
        return code;
    s->person_id = db_rows_i64(rows, 0);
    bool is_stale = db_rows_i64(rows, 1) > SEEN_EVERY_MS;
    s->name = arena_dup(r->arena, db_rows_text(rows, 2));
    s->login = arena_dup(r->arena, db_rows_text(rows, 3));
    s->directory = arena_dup(r->arena, db_rows_text(rows, 4));
    s->is_admin = db_rows_i64(rows, 5) != 0;
    s->is_tenant_admin = db_rows_i64(rows, 6) != 0;
    r->session = s;
    return is_stale ? 2 : 1;
}

int session_authenticate(void *local, struct request *r)
{
    struct worker *w = local;
    const char *cookie = read_cookie(r, "sid");
    struct session *s = cookie ? arena_alloc(r->arena, sizeof(*s)) : NULL;
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    int code = 0;
    if (!s)
        return 0;
    struct db *db = worker_db(w, &code, &r->err);
    if (!db)
        return code;
    token_hash(cookie, s->hash);
    do
        code = read_session(db, r, s, w->portal->conf.session_idle_ms);
    while (db_again(db, &again, code));
    if (code == 2) /* failing to note it shortens the session, no more */
        db_exec(db, SQL_SESSION_SEEN, DB_ARGS(DB_STR(s->hash)), NULL, NULL);
    return code < 0 ? code : 0;
}

enum router_verdict session_authorize(const struct request *r, const struct route *route)
{
    const struct session *s = session_of(r);
    if (route->role == ROLE_ANYONE)
        return ROUTER_ALLOW;
    if (!s)
        return ROUTER_LOGIN;
    bool may = route->role == ROLE_PERSON || s->is_admin ||
               (route->role == ROLE_TENANT_ADMIN && s->is_tenant_admin);
    return may ? ROUTER_ALLOW : ROUTER_HIDE;
}

/* ---- tokens of forms */

static const char *make_token(const struct request *r, const char *hash, const char *action)
{
    const char *key = portal_of(r)->form_key;
    char token[TOKEN_TEXT];
    token_form(key, strlen(key), hash, action, token);
    const char *copy = arena_dup(r->arena, token);
    return copy ? copy : "";
}

static bool is_token(const struct request *r, const char *hash, const char *action,
                     const char *given)
{
    const char *key = portal_of(r)->form_key;
    return token_form_check(key, strlen(key), hash, action, given, strlen(given));
}

const char *session_form_token(const struct request *r, const char *action)
{
    const struct session *s = session_of(r);
    return s ? make_token(r, s->hash, action) : "";
}

/* The cookies of the login form have names that differ at their end: tabs that a browser opens
 * all at once each get one, and none takes away what another tab's form is bound to. */
static const char *next_login_cookie(struct request *r, size_t *place)
{
    const char *prefix = cookie_name(r, "login-"), *value = NULL;
    while (prefix && (value = request_cookie_next(r, prefix, place)))
        if (token_is_form(value, strlen(value)))
            break;
    return value;
}

static void put_login_cookie(struct request *r, const char *value)
{
    char mark[2 * MARK_BYTES + 1];
    random_hex(mark, MARK_BYTES);
    const char *name = arena_printf(r->arena, "login-%s", mark);
    if (name)
        put_cookie(r, name, value);
}

const char *session_login_token(struct request *r)
{
    char fresh[TOKEN_TEXT], hash[TOKEN_TEXT];
    size_t place = 0;
    const char *cookie = next_login_cookie(r, &place);
    if (!cookie) {
        token_make(fresh);
        put_login_cookie(r, fresh);
        cookie = fresh;
    }
    token_hash(cookie, hash);
    return make_token(r, hash, "POST /login");
}

static bool is_login_token(struct request *r, const char *given)
{
    char hash[TOKEN_TEXT];
    size_t place = 0;
    const char *cookie;
    while ((cookie = next_login_cookie(r, &place))) {
        token_hash(cookie, hash);
        if (is_token(r, hash, "POST /login", given))
            return true;
    }
    return false;
}

bool session_check_token(void *local, struct request *r, const char *token)
{
    (void)local;
    const struct session *s = session_of(r);
    const char *action = arena_printf(r->arena, "POST %s", r->path);
    if (strcmp(r->path, "/login") == 0)
        return is_login_token(r, token);
    return s && action && is_token(r, s->hash, action, token);
}

bool session_check_api_token(const struct request *r)
{
    const struct session *s = session_of(r);
    const char *given = request_header(r, "X-Form-Token");
    return s && given && is_token(r, s->hash, "api", given);
}

/* ---- begin and end */

int session_end(struct worker *w, const char *hash, struct err *e)
{
    int code = 0;
    struct db *db = worker_db(w, &code, e);
    return db ? db_exec(db, SQL_SESSION_DROP, DB_ARGS(DB_STR(hash)), NULL, e) : code;
}

int session_begin(struct worker *w, struct request *r, int64_t person_id,
                  char out_token[TOKEN_TEXT], struct err *e)
{
    char hash[TOKEN_TEXT];
    int code = 0;
    struct db *db = worker_db(w, &code, e);
    if (!db)
        return code;
    if (r->session)
        code = session_end(w, session_of(r)->hash, e);
    if (code < 0)
        return code;
    db_exec(db, SQL_SESSION_PURGE, DB_NO_ARGS, NULL,
            NULL); /* the next login may do it as well */
    token_make(out_token);
    token_hash(out_token, hash);
    return db_exec(db, SQL_SESSION_ADD,
                   DB_ARGS(DB_STR(hash), DB_I64(person_id),
                           DB_I64(w->portal->conf.session_max_ms), DB_STR(r->address)),
                   NULL, e);
}
