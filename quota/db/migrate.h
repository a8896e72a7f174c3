// SPDX-License-Identifier: Apache-2.0
/* The schema: making it, bringing it up to date, and refusing any other version.
 *
 * The migrations are the files of migrations/, built into the programs. Each is run once, in
 * order, by the schema's owner, and recorded with its checksum.
 */
#ifndef FF_QUOTA_DB_MIGRATE_H
#define FF_QUOTA_DB_MIGRATE_H

#include <stdbool.h>

#include "quota/db/db.h"

/* What an administrator gives to `quota db init`. */
struct migrate_ask {
    const char *admin_user,
        *admin_password;          /* an account of the server that may create others */
    const char *account_host;     /* from where our accounts connect: "localhost", "%" */
    const char *site_name, *zone; /* zone: an IANA name, "Europe/Berlin" */
    bool is_dry_run;              /* check what can be checked, and make nothing */
};

/* Makes the database of `conf`, its owner and the four accounts, runs all migrations, and
 * writes the new random passwords to the four password files of `conf` (0600, which must not
 * exist yet). -EEXIST: the database or a password file is there already. Nothing is left behind
 * on failure. */
int migrate_init(const struct db_conf *conf, const struct migrate_ask *ask, struct err *e);

/* Runs what is missing. *out_ran gets the number of migrations run, or to be run. */
int migrate_update(const struct db_conf *conf, const struct migrate_ask *ask, int *out_ran,
                   struct err *e);

/* 0 if the schema is exactly the one this program was built with, by version and by the text of
 * every migration; -EPROTO otherwise. */
int migrate_check(struct db *db, struct err *e);

/* The version this program was built with. */
int migrate_version(void);

#endif
