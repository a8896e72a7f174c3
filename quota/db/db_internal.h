// SPDX-License-Identifier: Apache-2.0
/* What the files of quota/db share: the connection itself and the translation of MariaDB's
 * errors. */
#ifndef FF_QUOTA_DB_DB_INTERNAL_H
#define FF_QUOTA_DB_DB_INTERNAL_H

#include <mysql.h>

#include "quota/db/db.h"

struct db {
    MYSQL *mysql; /* NULL while there is no connection */
    const struct db_conf *conf;
    enum db_role role;
    MYSQL_STMT *statements[SQL_COUNT];
};

extern const char *const sql_texts[SQL_COUNT], *const sql_names[SQL_COUNT];
extern const int sql_roles[SQL_COUNT];

/* The negative errno for MariaDB's error number. */
int db_errno(unsigned code);

/* Writes "database: NAME: what the server said" and drops the connection if it is no longer
 * usable. */
int db_fail(struct db *db, const char *what, unsigned code, const char *text, struct err *e);

/* As whom to connect, and to what; database NULL: to none. */
struct db_login {
    const char *user, *password, *database;
    unsigned long flags; /* CLIENT_MULTI_STATEMENTS or 0 */
    bool is_patient;     /* one statement may take an hour instead of ten seconds */
};

/* Connects with the time limits and session settings that every connection has. */
int db_connect(const struct db_conf *conf, const struct db_login *login, MYSQL **out,
               struct err *e);

/* Closes the connection and its statements; it opens again on use. */
void db_drop(struct db *db);

#endif
