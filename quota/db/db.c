// SPDX-License-Identifier: Apache-2.0
/* Connections: opening them with time limits and a strict session, refusing servers and schemas
 * that could lose or bend what is written, and telling which errors mean "repeat". */
#include "quota/db/db.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <errmsg.h>
#include <mysqld_error.h>

#include "quota/db/db_internal.h"
#include "quota/db/migrate.h"
#include "runner/base/now.h"
#include "runner/base/random.h"
#include "runner/base/secret.h"
#include "runner/base/xnew.h"

/* A page waits ten seconds at most; a migration, or the books of years, may take longer. The
 * server gives up before the page does (STATEMENT_S below): else a call that nobody waits for
 * could still take effect after its repeat was answered. */
enum { CONNECT_S = 2, READ_S = 10, READ_LONG_S = 3600, WRITE_S = 5 };
#define STATEMENT_S "7"

const char *const sql_texts[SQL_COUNT] = {
#define SQL(roles, name, text) [SQL_##name] = text,
#include "quota/db/sql.def"
#undef SQL
};

const char *const sql_names[SQL_COUNT] = {
#define SQL(roles, name, text) [SQL_##name] = #name,
#include "quota/db/sql.def"
#undef SQL
};

const int sql_roles[SQL_COUNT] = {
#define SQL(roles, name, text) [SQL_##name] = roles,
#include "quota/db/sql.def"
#undef SQL
};

static const struct conf_key conf_keys[] = {
    {"socket", CONF_PATH, offsetof(struct db_conf, socket), "", 0, 0, NULL,
     "the server's unix socket; or give host"},
    {"host", CONF_TEXT, offsetof(struct db_conf, host), "", 0, 253, NULL,
     "the server's name, reached over TLS; or give socket"},
    {"port", CONF_INT, offsetof(struct db_conf, port), "3306", 1, 65535, NULL, "with host"},
    {"ca", CONF_PATH, offsetof(struct db_conf, ca), "", 0, 0, NULL,
     "certificate authority of the server, with host"},
    {"name", CONF_TEXT, offsetof(struct db_conf, name), "firefly", 1, 24, NULL,
     "database, and prefix of its accounts"},
    {"portal_password_file", CONF_PATH, offsetof(struct db_conf, portal_password_file), "", 0,
     0, NULL, "password of the account NAME_portal"},
    {"runner_password_file", CONF_PATH, offsetof(struct db_conf, runner_password_file), "", 0,
     0, NULL, "password of the account NAME_runner"},
    {"admin_password_file", CONF_PATH, offsetof(struct db_conf, admin_password_file), "", 0, 0,
     NULL, "password of the account NAME_admin"},
    {"report_password_file", CONF_PATH, offsetof(struct db_conf, report_password_file), "", 0,
     0, NULL, "password of the account NAME_report"},
};

int db_conf_read(struct conf *c, struct db_conf *out, struct err *e)
{
    int r = conf_apply(c, "database", NULL, conf_keys, COUNT(conf_keys), out, e);
    if (r < 0)
        return r;
    if (!*out->socket == !*out->host)
        return err_set(e, -EINVAL, "[database]: give either socket or host");
    if (*out->host && !*out->ca)
        return err_set(e, -EINVAL,
                       "[database]: host %s needs ca, the authority of its "
                       "certificate",
                       out->host);
    return 0;
}

struct db_value db_text(const char *text)
{
    if (!text)
        return DB_NULL;
    return (struct db_value){.type = DB_TYPE_TEXT, .text = text, .len = strlen(text)};
}

int db_errno(unsigned code)
{
    switch (code) {
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_CHECKREAD: /* 1020: the row changed under a snapshot */
        return -EAGAIN;
    case ER_SERVER_SHUTDOWN:
    case ER_CON_COUNT_ERROR:
    case ER_CONNECTION_KILLED:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT: /* no handler of a procedure sees it: only a new one is clean */
        return -ENOTCONN;
    case ER_DUP_ENTRY:
        return -EEXIST;
    case 30001: /* SIGNALs of our own procedures: another runnerd, the job has moved on … */
    case 30002:
        return -EPERM;
    case 30003: /* … the books would not balance */
        return -EBADE;
    default: /* 2000 to 2999 are the client library's own: the connection is in doubt */
        return code >= CR_MIN_ERROR && code <= CR_MAX_ERROR ? -ENOTCONN : -EIO;
    }
}

int db_fail(struct db *db, const char *what, unsigned code, const char *text, struct err *e)
{
    int r = db_errno(code);
    err_set(e, r, "database: %s: %s (%u)", what, text, code);
    if (r == -ENOTCONN)
        db_drop(db);
    return r;
}

#define SESSION_SETUP                                                                          \
    "SET SESSION sql_mode = "                                                                  \
    "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,"                    \
    "ONLY_FULL_GROUP_BY,NO_UNSIGNED_SUBTRACTION', time_zone = '+00:00', autocommit = 1, "      \
    "innodb_lock_wait_timeout = 3, tx_isolation = 'READ-COMMITTED', default_storage_engine = " \
    "'InnoDB'"
static const char session_setup[] = SESSION_SETUP ", max_statement_time = " STATEMENT_S;
static const char session_setup_patient[] = SESSION_SETUP;

/* The library's first use sets up its globals and must not happen on two workers at once. */
static void library_init(void)
{
    if (mysql_library_init(0, NULL, NULL))
        abort();
}

int db_connect(const struct db_conf *conf, const struct db_login *login, MYSQL **out,
               struct err *e)
{
    unsigned connect_s = CONNECT_S, read_s = login->is_patient ? READ_LONG_S : READ_S;
    unsigned write_s = WRITE_S, off = 0;
    my_bool verify = 1, no = 0;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql)
        abort();
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &write_s);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_INIT_COMMAND,
                  login->is_patient ? session_setup_patient : session_setup);
    if (*conf->host) {
        mysql_ssl_set(mysql, NULL, NULL, conf->ca, NULL, NULL);
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
    if (mysql_real_connect(mysql, *conf->host ? conf->host : NULL, login->user, login->password,
                           login->database, (unsigned)conf->port,
                           *conf->socket ? conf->socket : NULL, login->flags)) {
        *out = mysql;
        return 0;
    }
    int r = db_errno(mysql_errno(mysql));
    err_set(e, r, "database %s at %s: %s (%u)", login->database ? login->database : "server",
            *conf->host ? conf->host : conf->socket, mysql_error(mysql), mysql_errno(mysql));
    mysql_close(mysql);
    return r;
}

void db_drop(struct db *db)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        if (db->statements[i])
            mysql_stmt_close(db->statements[i]);
        db->statements[i] = NULL;
    }
    if (db->mysql)
        mysql_close(db->mysql);
    db->mysql = NULL;
}

/* Settings under which an acknowledged commit can be lost or a number bent: refused. */
static int check_setting(const char *name, const char *value, bool has_binlog, struct err *e)
{
    static const struct {
        const char *name, *want, *why;
        bool only_with_binlog;
    } settings[] = {
        {"innodb_flush_log_at_trx_commit", "1", "else a commit may be lost with the power",
         false},
        {"innodb_doublewrite", "ON", "else a torn page destroys the tables", false},
        {"innodb_rollback_on_timeout", "ON", "else half a transaction may be committed", false},
        {"local_infile", "OFF", "else a statement can read the client's files", false},
        {"wsrep_on", "OFF", "Galera is known to lose acknowledged commits", false},
        {"sync_binlog", "1", "else recovery takes back commits that the binary log lost", true},
    };
    for (size_t i = 0; i < COUNT(settings); i++) {
        if (strcmp(name, settings[i].name) || !strcmp(value, settings[i].want) ||
            (settings[i].only_with_binlog && !has_binlog))
            continue;
        return err_set(e, -EPROTO,
                       "database: %s is %s; set it to %s in the server's "
                       "configuration, %s",
                       name, value, settings[i].want, settings[i].why);
    }
    return 0;
}

static int check_server(struct db *db, struct err *e)
{
    static const char query[] =
        "SELECT variable_name, variable_value, @@log_bin FROM "
        "information_schema.global_variables "
        "WHERE variable_name IN ('INNODB_FLUSH_LOG_AT_TRX_COMMIT', 'INNODB_DOUBLEWRITE', "
        "'INNODB_ROLLBACK_ON_TIMEOUT', 'LOCAL_INFILE', 'WSREP_ON', 'SYNC_BINLOG')";
    if (mysql_real_query(db->mysql, query, sizeof(query) - 1))
        return db_fail(db, "settings", mysql_errno(db->mysql), mysql_error(db->mysql), e);
    MYSQL_RES *result = mysql_store_result(db->mysql);
    int r = 0;
    for (MYSQL_ROW row; result && r == 0 && (row = mysql_fetch_row(result));) {
        char name[64] = "";
        for (size_t i = 0; row[0][i] && i < sizeof(name) - 1; i++)
            name[i] = (char)tolower((unsigned char)row[0][i]);
        r = check_setting(name, row[1], !strcmp(row[2], "1"), e);
    }
    mysql_free_result(result);
    return r;
}

static int prepare_all(struct db *db, struct err *e)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        if (!(sql_roles[i] & (int)db->role))
            continue;
        MYSQL_STMT *s = mysql_stmt_init(db->mysql);
        if (!s)
            abort();
        db->statements[i] = s;
        if (mysql_stmt_prepare(s, sql_texts[i], strlen(sql_texts[i])))
            return db_fail(db, sql_names[i], mysql_stmt_errno(s), mysql_stmt_error(s), e);
    }
    return 0;
}

static const char *role_name(enum db_role role)
{
    return role == DB_PORTAL   ? "portal"
           : role == DB_RUNNER ? "runner"
           : role == DB_ADMIN  ? "admin"
                               : "report";
}

static int read_password(const struct db_conf *conf, enum db_role role, char **out,
                         struct err *e)
{
    const char *path = role == DB_PORTAL   ? conf->portal_password_file
                       : role == DB_RUNNER ? conf->runner_password_file
                       : role == DB_ADMIN  ? conf->admin_password_file
                                           : conf->report_password_file;
    if (!*path)
        return err_set(e, -EINVAL, "[database]: this program needs %s_password_file",
                       role_name(role));
    return secret_read(path, out, e);
}

int db_ensure(struct db *db, struct err *e)
{
    if (db->mysql)
        return 0;
    char user[64];
    char *password = NULL;
    int r = read_password(db->conf, db->role, &password, e);
    if (r < 0)
        return r;
    snprintf(user, sizeof(user), "%s_%s", db->conf->name, role_name(db->role));
    r = db_connect(
        db->conf,
        &(struct db_login){.user = user,
                           .password = password,
                           .database = db->conf->name,
                           .is_patient = db->role == DB_ADMIN || db->role == DB_REPORT},
        &db->mysql, e);
    secret_free(password);
    if (r == 0)
        r = check_server(db, e);
    if (r == 0)
        r = migrate_check(db, e);
    if (r == 0)
        r = prepare_all(db, e);
    if (r < 0)
        db_drop(db);
    return r;
}

int db_open(const struct db_conf *conf, enum db_role role, struct db **out, struct err *e)
{
    AUTO(db_closep) struct db *db = xnew(struct db);
    db->conf = conf;
    db->role = role;
    int r = db_ensure(db, e);
    if (r == 0 || r == -ENOTCONN)
        *out = TAKE(db);
    return r;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_drop(db);
    free(db);
}

bool db_again(struct db *db, struct db_again *again, int r)
{
    if (r != -EAGAIN && r != -ENOTCONN)
        return false;
    if (again->tries++ == 0)
        again->first_ms = now_mono_ms();
    if (now_mono_ms() - again->first_ms >= again->limit_ms)
        return false;
    if (r == -EAGAIN && db->mysql)
        mysql_rollback(db->mysql);
    unsigned char spread;
    random_bytes(&spread, 1);
    int64_t wait_ms = (again->tries < 8 ? 1 << again->tries : 250) + spread % 8;
    struct timespec pause = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return true;
}
