// SPDX-License-Identifier: Apache-2.0
/* Makes and updates the schema. Runs as an administrator of the server only long enough to make
 * the owner; the owner, locked otherwise, runs the migrations and so is the definer of the
 * procedures. */
#include "quota/db/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "quota/db/db_internal.h"
#include "quota/db/embedded_sql.h" /* made by the build from bootstrap.sql and migrations/ */
#include "runner/base/digest.h"
#include "runner/base/now.h"
#include "runner/base/random.h"

enum { PASSWORD_BYTES = 24, FIRST_YEAR = 2020, LAST_YEAR = 2099, VALUES_MAX = 8 };

static const char lock_owner[] =
    "EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(CONCAT(@database, '_owner')), '@', "
    "QUOTE(@host), ' ACCOUNT LOCK')";
static const char unlock_owner[] =
    "EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(CONCAT(@database, '_owner')), '@', "
    "QUOTE(@host), ' IDENTIFIED BY ', QUOTE(@owner_password), ' ACCOUNT UNLOCK')";
static const char drop_all[] =
    "EXECUTE IMMEDIATE CONCAT('DROP DATABASE IF EXISTS `', @database, '`');"
    "EXECUTE IMMEDIATE CONCAT('DROP USER IF EXISTS ', QUOTE(CONCAT(@database, '_owner')), '@', "
    "QUOTE(@host), ',', QUOTE(CONCAT(@database, '_portal')), '@', QUOTE(@host), ',', "
    "QUOTE(CONCAT(@database, '_runner')), '@', QUOTE(@host), ',', "
    "QUOTE(CONCAT(@database, '_admin')), '@', QUOTE(@host), ',', "
    "QUOTE(CONCAT(@database, '_report')), '@', QUOTE(@host))";

/* The random passwords of one run; wiped at the end. */
struct passwords {
    char owner[2 * PASSWORD_BYTES + 1];
    char role[4][2 * PASSWORD_BYTES + 1]; /* portal, runner, admin, report */
};

static void passwords_wipe(struct passwords *p)
{
    explicit_bzero(p, sizeof(*p));
}

static void mysql_closep(MYSQL **mysql)
{
    if (*mysql)
        mysql_close(*mysql);
}

static int fail(MYSQL *mysql, const char *what, struct err *e)
{
    return err_set(e, db_errno(mysql_errno(mysql)), "database: %s: %s (%u)", what,
                   mysql_error(mysql), mysql_errno(mysql));
}

/* Runs a text of several statements to its end. */
static int run_script(MYSQL *mysql, const char *what, const char *text, struct err *e)
{
    if (mysql_real_query(mysql, text, strlen(text)))
        return fail(mysql, what, e);
    int more;
    do {
        MYSQL_RES *result = mysql_store_result(mysql);
        mysql_free_result(result);
        more = mysql_next_result(mysql);
    } while (more == 0);
    return more > 0 ? fail(mysql, what, e) : 0;
}

/* Runs one statement with bound values. */
static int run_bound(MYSQL *mysql, const char *text, struct db_args args, struct err *e)
{
    MYSQL_BIND binds[VALUES_MAX] = {0};
    for (size_t i = 0; i < args.count; i++) {
        const struct db_value *v = &args.values[i];
        binds[i].buffer_type = v->type == DB_TYPE_I64 ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_STRING;
        binds[i].buffer = v->type == DB_TYPE_I64 ? (void *)&v->i64 : (void *)v->text;
        binds[i].buffer_length = (unsigned long)v->len;
    }
    MYSQL_STMT *s = mysql_stmt_init(mysql);
    int r = 0;
    if (mysql_stmt_prepare(s, text, strlen(text)) || mysql_stmt_bind_param(s, binds) ||
        mysql_stmt_execute(s))
        r = err_set(e, db_errno(mysql_stmt_errno(s)), "database: %s (%u)", mysql_stmt_error(s),
                    mysql_stmt_errno(s));
    mysql_stmt_close(s);
    return r;
}

static void passwords_make(struct passwords *p)
{
    random_hex(p->owner, PASSWORD_BYTES);
    for (size_t i = 0; i < COUNT(p->role); i++)
        random_hex(p->role[i], PASSWORD_BYTES);
}

static int set_variables(MYSQL *admin, const struct db_conf *conf,
                         const struct migrate_ask *ask, const struct passwords *p,
                         struct err *e)
{
    return run_bound(admin,
                     "SET @database = ?, @host = ?, @owner_password = ?, @portal_password = ?, "
                     "@runner_password = ?, @admin_password = ?, @report_password = ?",
                     DB_ARGS(DB_STR(conf->name), DB_STR(ask->account_host), DB_STR(p->owner),
                             DB_STR(p->role[0]), DB_STR(p->role[1]), DB_STR(p->role[2]),
                             DB_STR(p->role[3])),
                     e);
}

static void password_paths(const struct db_conf *conf, const char *paths[4])
{
    paths[0] = conf->portal_password_file;
    paths[1] = conf->runner_password_file;
    paths[2] = conf->admin_password_file;
    paths[3] = conf->report_password_file;
}

static int write_password(const char *path, const char *password, struct err *e)
{
    AUTO(cleanup_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(e, -errno, "password file %s: %s", path, strerror(errno));
    size_t n = strlen(password);
    if (write(fd, password, n) != (ssize_t)n || write(fd, "\n", 1) != 1 || fsync(fd) < 0)
        return err_set(e, -EIO, "password file %s: cannot be written", path);
    return 0;
}

/* Writes the files that the configuration names; a role without one gets no file. */
static int write_passwords(const struct db_conf *conf, const struct passwords *p, struct err *e)
{
    const char *paths[4];
    password_paths(conf, paths);
    for (size_t i = 0; i < COUNT(paths); i++) {
        int r = *paths[i] ? write_password(paths[i], p->role[i], e) : 0;
        while (r < 0 && i-- > 0)
            if (*paths[i])
                unlink(paths[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_ask(const struct db_conf *conf, const struct migrate_ask *ask, struct err *e)
{
    char zone_file[256];
    struct stat st;
    if (conf->name[strspn(conf->name, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return err_set(e, -EINVAL,
                       "[database] name = %s: use lower-case letters, digits and '_'",
                       conf->name);
    if (ask->zone[strspn(ask->zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789_/+-")] ||
        snprintf(zone_file, sizeof(zone_file), "/usr/share/zoneinfo/%s", ask->zone) >=
            (int)sizeof(zone_file) ||
        stat(zone_file, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, -EINVAL,
                       "zone %s: not a time zone of this machine; write one like "
                       "Europe/Berlin",
                       ask->zone);
    const char *paths[4];
    password_paths(conf, paths);
    for (size_t i = 0; i < COUNT(paths); i++)
        if (*paths[i] && access(paths[i], F_OK) == 0)
            return err_set(e, -EEXIST,
                           "password file %s is there already; remove it if no "
                           "database uses it",
                           paths[i]);
    return 0;
}

/* First moment of a month in the zone of the process. */
static int64_t month_start_ms(int year, int month)
{
    struct tm first = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1};
    return now_day_start_ms((int64_t)timegm(&first) / 86400);
}

static int write_months(MYSQL *owner, struct err *e)
{
    for (int i = FIRST_YEAR * 12; i < (LAST_YEAR + 1) * 12; i++) {
        int year = i / 12, month = i % 12 + 1;
        int next_year = (i + 1) / 12, next_month = (i + 1) % 12 + 1;
        int r =
            run_bound(owner, "INSERT INTO month (month, from_ms, until_ms) VALUES (?, ?, ?)",
                      DB_ARGS(DB_I64(year * 100 + month), DB_I64(month_start_ms(year, month)),
                              DB_I64(month_start_ms(next_year, next_month))),
                      e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_site(MYSQL *owner, const struct migrate_ask *ask, struct err *e)
{
    setenv("TZ", ask->zone, 1);
    tzset();
    if (mysql_autocommit(owner, 0))
        return fail(owner, "begin", e);
    int r = write_months(owner, e);
    if (r == 0)
        r = run_bound(owner, "INSERT INTO site VALUES (1, ?, ?, ?)",
                      DB_ARGS(DB_STR(ask->site_name), DB_STR(ask->zone), DB_I64(now_ms())), e);
    if (r == 0 && (mysql_commit(owner) || mysql_autocommit(owner, 1)))
        r = fail(owner, "commit", e);
    return r;
}

static int connect_owner(const struct db_conf *conf, const struct passwords *p, MYSQL **out,
                         struct err *e)
{
    char user[64];
    snprintf(user, sizeof(user), "%s_owner", conf->name);
    return db_connect(
        conf, &(struct db_login){user, p->owner, conf->name, CLIENT_MULTI_STATEMENTS, true},
        out, e);
}

static int connect_admin(const struct db_conf *conf, const struct migrate_ask *ask, MYSQL **out,
                         struct err *e)
{
    return db_connect(conf,
                      &(struct db_login){ask->admin_user, ask->admin_password, NULL,
                                         CLIENT_MULTI_STATEMENTS, true},
                      out, e);
}

/* The version the schema has; 0 if it has none. */
static int read_version(MYSQL *mysql, int *out, struct err *e)
{
    static const char query[] = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
    if (mysql_real_query(mysql, query, sizeof(query) - 1))
        return fail(mysql, "schema_version", e);
    MYSQL_RES *result = mysql_store_result(mysql);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    *out = row && row[0] ? (int)strtol(row[0], NULL, 10) : 0;
    mysql_free_result(result);
    return 0;
}

static int count_missing(MYSQL *admin, const struct db_conf *conf, int *out, struct err *e)
{
    int version = 0;
    int r = mysql_select_db(admin, conf->name) ? fail(admin, conf->name, e) : 0;
    if (r == 0)
        r = read_version(admin, &version, e);
    *out = version < migrate_version() ? migrate_version() - version : 0;
    return r;
}

static int run_missing(MYSQL *owner, int *out_ran, struct err *e)
{
    int version = 0, r;
    r = run_script(owner, "schema_version",
                   "CREATE TABLE IF NOT EXISTS schema_version (version INT PRIMARY KEY, "
                   "name VARCHAR(64) NOT NULL, checksum CHAR(64) NOT NULL, "
                   "applied_ms BIGINT NOT NULL)",
                   e);
    if (r == 0)
        r = read_version(owner, &version, e);
    *out_ran = 0;
    for (int i = version; r == 0 && i < (int)COUNT(migrations); i++) {
        char checksum[DIGEST_HEX];
        digest_sha256_hex(migrations[i].text, strlen(migrations[i].text), checksum);
        r = run_script(owner, migrations[i].name, migrations[i].text, e);
        if (r == 0)
            r = run_bound(owner, "INSERT INTO schema_version VALUES (?, ?, ?, ?)",
                          DB_ARGS(DB_I64(i + 1), DB_STR(migrations[i].name), DB_STR(checksum),
                                  DB_I64(now_ms())),
                          e);
        *out_ran += r == 0;
    }
    return r;
}

static int run_as_owner(const struct db_conf *conf, const struct migrate_ask *ask,
                        const struct passwords *p, bool is_new, int *out_ran, struct err *e)
{
    AUTO(mysql_closep) MYSQL *owner = NULL;
    int r = connect_owner(conf, p, &owner, e);
    if (r == 0)
        r = run_missing(owner, out_ran, e);
    if (r == 0)
        r = run_bound(owner, "CALL rights_grant(?, ?)",
                      DB_ARGS(DB_STR(conf->name), DB_STR(ask->account_host)), e);
    if (r == 0 && is_new)
        r = write_site(owner, ask, e);
    return r;
}

static int say_there(const struct db_conf *conf, struct err *e)
{
    return err_set(
        e, -EEXIST,
        "database %s is there already; `quota db update` brings its schema up to date",
        conf->name);
}

int migrate_init(const struct db_conf *conf, const struct migrate_ask *ask, struct err *e)
{
    AUTO(mysql_closep) MYSQL *admin = NULL;
    AUTO(passwords_wipe) struct passwords p;
    int ran, r = check_ask(conf, ask, e);
    passwords_make(&p);
    if (r == 0)
        r = connect_admin(conf, ask, &admin, e);
    if (r == 0 && ask->is_dry_run)
        return mysql_select_db(admin, conf->name) == 0 ? say_there(conf, e) : 0;
    if (r == 0)
        r = set_variables(admin, conf, ask, &p, e);
    if (r == 0) {
        r = run_script(admin, "create database", bootstrap_text, e);
        if (r < 0 && mysql_errno(admin) == 1007)
            return say_there(conf, e);
    }
    if (r < 0)
        return r;
    r = run_as_owner(conf, ask, &p, true, &ran, e);
    if (r == 0)
        r = write_passwords(conf, &p, e);
    if (r == 0)
        return run_script(admin, "lock the owner", lock_owner, e);
    run_script(admin, "undo", drop_all, NULL);
    return r;
}

int migrate_update(const struct db_conf *conf, const struct migrate_ask *ask, int *out_ran,
                   struct err *e)
{
    AUTO(mysql_closep) MYSQL *admin = NULL;
    AUTO(passwords_wipe) struct passwords p;
    passwords_make(&p);
    int r = connect_admin(conf, ask, &admin, e);
    if (r == 0 && ask->is_dry_run)
        return count_missing(admin, conf, out_ran, e);
    if (r == 0)
        r = set_variables(admin, conf, ask, &p, e);
    if (r == 0)
        r = run_script(admin, "unlock the owner", unlock_owner, e);
    if (r < 0)
        return r;
    r = run_as_owner(conf, ask, &p, false, out_ran, e);
    int locked = run_script(admin, "lock the owner", lock_owner, r == 0 ? e : NULL);
    return r < 0 ? r : locked;
}

/* Migrations that were run with another text than this program's: the schema of another build.
 * */
static int check_texts(struct db *db, struct err *e)
{
    static const char query[] = "SELECT version, name, checksum FROM schema_version";
    if (mysql_real_query(db->mysql, query, sizeof(query) - 1))
        return fail(db->mysql, "schema_version", e);
    MYSQL_RES *result = mysql_store_result(db->mysql);
    int r = 0;
    for (MYSQL_ROW row; result && r == 0 && (row = mysql_fetch_row(result));) {
        char checksum[DIGEST_HEX] = "";
        size_t i = (size_t)strtoul(row[0], NULL, 10) - 1;
        if (i < COUNT(migrations))
            digest_sha256_hex(migrations[i].text, strlen(migrations[i].text), checksum);
        if (strcmp(checksum, row[2]))
            r = err_set(e, -EPROTO,
                        "database %s: its migration %s is not this program's; the two are of "
                        "different builds",
                        db->conf->name, row[1]);
    }
    mysql_free_result(result);
    return r;
}

int migrate_check(struct db *db, struct err *e)
{
    int version = 0;
    struct err why;
    int r = read_version(db->mysql, &version, &why);
    if (r == -ENOTCONN)
        return err_set(e, r, "%s", why.text);
    if (r < 0)
        return err_set(e, -EPROTO,
                       "database %s has no schema of ours (%s); run `quota db init`",
                       db->conf->name, why.text);
    if (version != migrate_version())
        return err_set(e, -EPROTO,
                       "database %s has schema version %d, this program needs %d; "
                       "run `quota db update` or install the other version",
                       db->conf->name, version, migrate_version());
    return check_texts(db, e);
}

int migrate_version(void)
{
    return (int)COUNT(migrations);
}
