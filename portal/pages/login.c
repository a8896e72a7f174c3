// SPDX-License-Identifier: Apache-2.0
/* Logging in and out. A try is counted before the directory is asked, and every failure
 * looks the same: one page, one status, one sentence. The directories' servers are asked by
 * pools of their own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/login.h"
#include "portal/account.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/session.h"
#include "portal/sse.h"
#include "portal/tries.h"
#include "portal/worker.h"
#include "runner/base/buf.h"
#include "runner/base/log.h"
#include "runner/base/work.h"

enum { NAME_BYTES_MAX = 160, PATIENCE_MS = 3000 };

/* One try at logging in; the request's. */
struct login_try {
    struct request *r;
    const char *directory, *login;
    char *password; /* wiped as soon as it was used */
    size_t pool;    /* the directory's place */
    bool is_known;  /* such a directory is configured */
    struct tries tries;
    int64_t wait_ms;
    enum login_answer answer;
    struct identity *who;
    struct err why;      /* of the directory */
    int status;          /* of the database, which tells in the request's own err */
    const char *outcome; /* of person_login */
    int64_t uid, gid;    /* mode nss */
    const char *gids;
    char token[TOKEN_TEXT];
};

/* In the order it happens; load_login_try() has counted before. */
static void run_check(void *none, void *arg); /* the directory's pool */
static void on_checked(int status, void *arg);
static void run_settle(void *worker, void *arg); /* database */
static void on_settled(int status, void *arg);

/* ---- the page */

static const char *own_next(const char *next)
{
    bool is_own = next && next[0] == '/' && next[1] != '/' && !strchr(next, '\\') &&
                  strncmp(next, "/log", 4) != 0;
    return is_own ? next : "/";
}

static json_t *directories_json(const struct portal *p, const char *chosen)
{
    json_t *list = json_array();
    const struct directory *d;
    for (size_t i = 0; (d = directories_at(p->directories, i)); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", directory_name(d),
                                              "title", directory_title(d), "selected",
                                              strcmp(directory_name(d), chosen) == 0));
    return list;
}

struct login_words {
    const char *directory, *login, *next, *message;
};

static void show_form(struct request *r, int http_status, const struct login_words *words)
{
    struct portal *p = portal_of(r);
    json_t *page = page_new(r, "Log in", "");
    json_t *all = directories_json(p, words->directory);
    page_template(page, "pages/login");
    json_object_set_new(page, "is_one_directory", json_boolean(json_array_size(all) == 1));
    json_object_set_new(page, "directories", all);
    json_object_set_new(page, "login", json_string(words->login));
    json_object_set_new(page, "next", json_string(words->next));
    json_object_set_new(page, "message", json_string(words->message));
    json_object_set_new(page, "token", json_string(session_login_token(r)));
    if (http_status == 503)
        request_set_header(r, "Retry-After", "30");
    page_show_as(r, http_status);
}

void show_login(struct request *r, int status)
{
    const char *next = own_next(request_query(r, "next"));
    (void)status;
    if (r->session)
        request_redirect(r, next);
    else
        show_form(r, 200,
                  &(struct login_words){"", "", next,
                                        request_query(r, "out") ? "You have logged out." : ""});
}

/* ---- a try */

static void wipe(struct login_try *t)
{
    if (t->password)
        explicit_bzero(t->password, strlen(t->password));
    t->password = NULL;
}

static void free_try(void *arg)
{
    struct login_try *t = arg;
    wipe(t);
    identity_free(t->who);
}

static const char *field(const struct request *r, const char *name)
{
    const char *value = pairs_find(&r->form, name);
    return value ? value : "";
}

/* Without the blank that a phone's keyboard adds. */
static const char *login_typed(const struct request *r)
{
    const char *typed = field(r, "login");
    typed += strspn(typed, " \t");
    size_t len = strlen(typed);
    while (len > 0 && strchr(" \t", typed[len - 1]))
        len--;
    const char *login = arena_dup_bytes(r->arena, typed, len);
    return login ? login : "";
}

int load_login_try(void *local, struct request *r)
{
    struct worker *w = local;
    struct login_try *t = arena_alloc(r->arena, sizeof(*t));
    int code = 0;
    const struct directory *d;
    if (!t)
        return -ENOMEM;
    *t = (struct login_try){.r = r,
                            .directory = field(r, "directory"),
                            .login = login_typed(r),
                            .password = (char *)field(r, "password"),
                            .gids = "",
                            .outcome = ""};
    if (!*t->password)
        t->password = NULL; /* "" is not ours to wipe */
    request_keep(r, free_try, t);
    r->state = t;
    for (size_t i = 0; (d = directories_at(w->portal->directories, i)); i++) {
        if (strcmp(directory_name(d), t->directory) != 0)
            continue;
        t->pool = i;
        t->is_known = true;
    }
    tries_of(t->directory, t->login, r->address, &t->tries);
    struct db *db = worker_db(w, &code, &r->err);
    return db ? tries_count(db, &t->tries, &t->wait_ms, &r->err) : code;
}

static void drop_try(void *arg)
{
    struct login_try *t = arg;
    request_drop(t->r);
}

static void refuse(struct login_try *t, int http_status, const char *message)
{
    struct request *r = t->r;
    show_form(
        r, http_status,
        &(struct login_words){t->directory, t->login, own_next(field(r, "next")), message});
}

void show_login_try(struct request *r, int status)
{
    struct login_try *t = r->state;
    struct portal *p = portal_of(r);
    if (status < 0) {
        request_unavailable(r);
    } else if (t->wait_ms > 0) {
        int64_t seconds = (t->wait_ms + 999) / 1000;
        const char *text = arena_printf(
            r->arena, "Too many tries. Wait %lld seconds, then try again.", (long long)seconds);
        const char *after = arena_printf(r->arena, "%lld", (long long)seconds);
        request_set_header(r, "Retry-After", after ? after : "300");
        refuse(t, 429, text ? text : "Too many tries.");
    } else if (!t->is_known) {
        t->answer = LOGIN_REFUSED;
        work_start(p->db, run_settle, on_settled, drop_try, t);
    } else {
        work_start(p->ldap[t->pool], run_check, on_checked, drop_try, t);
    }
}

/* Mode nss: the machine's account of that name. What the name service cannot tell now is no
 * reason to say that there is none. */
static void find_account(struct login_try *t)
{
    const char *login = t->who->login;
    struct account account;
    int code = account_find(login, portal_of(t->r)->conf.uid_min, &account, &t->why);
    if (code == 0) {
        t->uid = account.uid;
        t->gid = account.gid;
        t->gids = account.gids ? arena_dup(t->r->arena, account.gids) : "";
    }
    if (code < 0 || !t->gids)
        t->outcome = code == -ENOENT ? "no_account" : "account_unknown";
    if (account.gids_left_out > 0)
        log_warning("login: %s has %lld groups more than a job can have; they are left out",
                    login, (long long)account.gids_left_out);
    free(account.gids);
}

static void run_check(void *none, void *arg)
{
    struct login_try *t = arg;
    const struct portal *p = portal_of(t->r);
    (void)none;
    struct login_ask ask = {.directory = t->directory,
                            .login = t->login,
                            .password = t->password ? t->password : "",
                            .login_len = strlen(t->login)};
    ask.password_len = strlen(ask.password);
    t->answer = login_check(p->directories, &ask, &t->who, &t->why);
    wipe(t);
    if (t->answer == LOGIN_OK && p->conf.accounts == ACCOUNTS_NSS)
        find_account(t);
}

static void on_checked(int status, void *arg)
{
    struct login_try *t = arg;
    if (status < 0) { /* too many wait for this directory */
        t->answer = LOGIN_DOWN;
        err_set(&t->why, status, "too many tries at once");
    }
    work_start(portal_of(t->r)->db, run_settle, on_settled, drop_try, t);
}

/* At most NAME_BYTES_MAX bytes, not within a character. */
static const char *shortened(const struct request *r, const char *name)
{
    size_t n = strlen(name);
    if (n <= NAME_BYTES_MAX)
        return name;
    for (n = NAME_BYTES_MAX; n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80;)
        n--;
    const char *copy = arena_dup_bytes(r->arena, name, n);
    return copy ? copy : "";
}

static int note_person(struct db *db, struct login_try *t, int64_t *out_person)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    const struct site_conf *conf = &portal_of(t->r)->conf;
    const struct identity *i = t->who;
    int r =
        db_select(db, SQL_PERSON_LOGIN,
                  DB_ARGS(DB_STR(i->directory), DB_STR(i->id), DB_STR(i->tenant),
                          DB_STR(i->login), DB_STR(shortened(t->r, i->name)), DB_STR(i->mail),
                          DB_I64(i->is_admin), DB_I64(t->uid), DB_I64(t->gid), DB_STR(t->gids),
                          DB_I64(conf->uid_min), DB_I64(conf->uid_max)),
                  &rows, &t->r->err);
    if (r == 0)
        r = db_rows_next(rows, &t->r->err);
    if (r < 1)
        return r < 0 ? r : err_set(&t->r->err, -EIO, "database: person_login gave no answer");
    t->outcome = arena_dup(t->r->arena, db_rows_text(rows, 0));
    *out_person = db_rows_i64(rows, 1);
    return t->outcome ? 0 : -ENOMEM;
}

static void run_settle(void *local, void *arg)
{
    struct login_try *t = arg;
    struct worker *w = local;
    int64_t person = 0;
    struct db_again again = DB_AGAIN(PATIENCE_MS);
    struct db *db = worker_db(w, &t->status, &t->r->err);
    if (!db)
        return;
    t->status = tries_settle(db, &t->tries, t->answer, &t->r->err);
    if (t->status < 0 || t->answer != LOGIN_OK || *t->outcome)
        return;
    do
        t->status = note_person(db, t, &person);
    while (db_again(db, &again, t->status));
    if (t->status == 0 && strcmp(t->outcome, "ok") == 0)
        t->status = session_begin(w, t->r, person, t->token, &t->r->err);
}

/* The password was right, yet there is no place here for this person: this one may be told
 * why. */
static const char *outcome_text(const char *outcome)
{
    static const struct {
        const char *outcome, *text;
    } texts[] = {
        {"no_tenant",
         "Your university has no access to this site yet. Ask the site's administrators."},
        {"disabled", "Your account here is disabled. Ask the site's administrators."},
        {"no_uid", "The site has no free account left. Ask the site's administrators."},
        {"no_account",
         "You have no account on the cluster's machines. Ask the site's administrators."},
        {"account_unknown",
         "Your account on the cluster's machines could not be looked up. Your password was "
         "right; try again in a minute."},
        {"account_taken",
         "The account of this name on the cluster's machines belongs to somebody else who uses "
         "this site. Ask the site's administrators."},
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i].outcome, outcome) == 0)
            return texts[i].text;
    return "You cannot log in here. Ask the site's administrators.";
}

static void log_failure(const struct login_try *t, const char *what)
{
    bool is_login =
        directory_is_login(t->login, strlen(t->login)); /* else perhaps a password */
    log_info("login: %.64s/%s from %s: %s%s%s", t->is_known ? t->directory : "?",
             is_login ? t->login : "?", t->r->address, what, *t->why.text ? ": " : "",
             t->why.text);
}

static void on_settled(int status, void *arg)
{
    struct login_try *t = arg;
    struct request *r = t->r;
    const struct session *old = session_of(r);
    if (status < 0 || t->status < 0) {
        request_unavailable(r);
    } else if (t->answer == LOGIN_DOWN) {
        log_failure(t, "the directory is down");
        refuse(t, 503,
               "Your university's directory does not answer. Your password was not checked; "
               "try again in a minute.");
    } else if (t->answer == LOGIN_REFUSED) {
        log_failure(t, "refused");
        refuse(t, 403, "Login or password is not right.");
    } else if (strcmp(t->outcome, "ok") != 0) {
        log_failure(t, t->outcome);
        bool is_passing = strcmp(t->outcome, "account_unknown") == 0;
        refuse(t, is_passing ? 503 : 403, outcome_text(t->outcome));
    } else {
        if (old)
            sse_end_owner(portal_of(r)->streams, old->hash);
        session_set_cookie(r, t->token);
        explicit_bzero(t->token, sizeof(t->token));
        request_redirect(r, own_next(field(r, "next")));
    }
}

/* ---- and out */

int load_logout(void *local, struct request *r)
{
    return session_end(local, session_of(r)->hash, &r->err);
}

void show_logout(struct request *r, int status)
{
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    sse_end_owner(portal_of(r)->streams, session_of(r)->hash);
    session_set_cookie(r, NULL);
    request_redirect(r, "/login?out=1");
}
