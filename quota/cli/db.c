// SPDX-License-Identifier: Apache-2.0
/* `quota db`: makes the schema and its accounts, brings them up to date, checks them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/db/migrate.h"
#include "runner/base/secret.h"

/* Reads the configuration and how to log in as an administrator of the server. */
static int read_ask(struct cli *c, struct migrate_ask *ask, char **out_password, struct err *e)
{
    const char *user = cli_value(c, "admin-user"), *host = cli_value(c, "account-host");
    const char *file = cli_value(c, "admin-password-file");
    *ask = (struct migrate_ask){.admin_user = user ? user : "root",
                                .admin_password = "",
                                .account_host = host ? host : "localhost",
                                .site_name = cli_value(c, "site"),
                                .zone = cli_value(c, "zone"),
                                .is_dry_run = cli_value(c, "dry-run") != NULL};
    int r = cli_read_conf(c, e);
    if (r == 0 && file)
        r = secret_read(file, out_password, e);
    if (r < 0)
        return -EIO;
    if (file)
        ask->admin_password = *out_password;
    if (!host && *c->db_conf.host)
        return err_set(e, -EINVAL,
                       "[database] has a host: give --account-host, from where the programs "
                       "connect, like portal.example or %%");
    return 0;
}

static int init(struct cli *c, struct err *e)
{
    char *password = NULL;
    struct migrate_ask ask;
    int r = change_check_text("--site", cli_value(c, "site"), 80, e);
    if (r == 0)
        r = read_ask(c, &ask, &password, e);
    if (r == 0)
        r = migrate_init(&c->db_conf, &ask, e);
    if (r == 0)
        printf("database %s: %s, schema version %d, four accounts with new passwords\n",
               c->db_conf.name, ask.is_dry_run ? "would be made" : "made", migrate_version());
    secret_free(password);
    return r;
}

static int update(struct cli *c, struct err *e)
{
    char *password = NULL;
    struct migrate_ask ask;
    int ran = 0, r = read_ask(c, &ask, &password, e);
    if (r == 0)
        r = migrate_update(&c->db_conf, &ask, &ran, e);
    if (r == 0)
        printf("database %s: %d migration%s %srun, schema version %d\n", c->db_conf.name, ran,
               ran == 1 ? "" : "s", ask.is_dry_run ? "would be " : "", migrate_version());
    secret_free(password);
    return r;
}

static int check(struct cli *c, struct err *e)
{
    int r = cli_open(c, e);
    if (r == 0)
        printf("database %s: settings safe, schema version %d, all statements of the account "
               "%s_admin can be prepared\n",
               c->db_conf.name, migrate_version(), c->db_conf.name);
    return r;
}

#define ADMIN_OPTIONS                                                                          \
    {"admin-user", "NAME", "an account of the server that may make others (else root)",        \
     false},                                                                                   \
        {"admin-password-file", "FILE", "its password, 0600 (else none)", false},              \
        {"dry-run", NULL, "look whether it can be done, and do nothing", false},               \
    {                                                                                          \
        "account-host", "HOST", "from where our accounts connect (else localhost)", false      \
    }

static const struct command_option init_options[] = {
    {"site", "NAME", "the site's name, for pages and reports", true},
    {"zone", "ZONE", "where its months begin, like Europe/Berlin; for good", true},
    ADMIN_OPTIONS,
};

static const struct command_option update_options[] = {ADMIN_OPTIONS};

static const struct command_verb verbs[] = {
    {"init", "", 0, 0, init_options, COUNT(init_options), COMMAND_SETS_UP, init,
     "make the database, its accounts and its tables",
     "Once for a site. Needs [database] in the configuration; writes the four password files "
     "it\n"
     "names, which must not be there yet. Leaves nothing behind when it fails.\n"
     "  quota db init --site 'Compute North' --zone Europe/Berlin\n"},
    {"update", "", 0, 0, update_options, COUNT(update_options), COMMAND_SETS_UP, update,
     "bring the tables up to this version",
     "Stop portald and runnerd first; they refuse another version.\n"},
    {"check", "", 0, 0, NULL, 0, COMMAND_SETS_UP, check,
     "look whether settings, version and rights are right",
     "Refuses what could lose a commit, and says what to set instead.\n"},
};

const struct command_noun noun_db = {"db", "the database: make, update, check", verbs,
                                     COUNT(verbs)};
