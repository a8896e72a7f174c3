// SPDX-License-Identifier: Apache-2.0
/* A person as the portal and `quota` know one: account, projects, balance, and what he may see.
 *
 * person_load() reads all of it by four statements, at a login or at the begin of a request;
 * everything else here is pure. What somebody may not see is answered as if it were not there.
 * Errors are those of db.h; -ENOENT: no such person.
 */
#ifndef FF_QUOTA_PERSON_H
#define FF_QUOTA_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/db/db.h"

/* A project he is in. */
struct membership {
    int64_t project_id, tenant_id;
    char *project, *title, *tenant; /* names; title is the project's */
    bool is_pi;
    bool is_open; /* the project and its tenant take jobs */
};

/* An allocation of a project he is in. All amounts in GPU-milliseconds. */
struct balance {
    int64_t allocation_id, project_id;
    char *project;
    int64_t from_ms, until_ms; /* its term, half-open */
    bool is_open;              /* neither closed by hand nor outside its term now */
    int64_t free_gpums, held_gpums, used_gpums; /* of the whole allocation */
    bool has_share;                             /* he may use only a part of it: */
    int64_t share_free_gpums, share_held_gpums, share_used_gpums;
};

struct person {
    int64_t id, tenant_id;
    char *directory, *login, *name, *mail, *tenant;
    bool is_admin;  /* of the site, by the directory's admin group */
    bool is_active; /* false: disabled or anonymised, may do nothing */
    int64_t first_seen_ms, last_login_ms;

    bool has_account;
    char *unix_name, *gids; /* gids: supplementary, separated by blanks */
    int64_t uid, gid;

    int64_t *admin_of; /* ids of the tenants he administers */
    size_t admin_of_count;
    struct membership *memberships; /* by name of the project */
    size_t membership_count;
    struct balance *balances; /* by project and end of term */
    size_t balance_count;
};

int person_load(struct db *db, int64_t id, struct person **out, struct err *e);
void person_free(struct person *p); /* NULL is fine */
AUTO_FREE(person_free, struct person)

/* His membership in the project, or NULL. Pure; borrowed. */
const struct membership *person_membership(const struct person *p, int64_t project_id);

/* What he could hold for one more job of the project: the largest free amount of an open
 * allocation (or of his share in it); 0 if none. Pure. */
int64_t person_free_gpums(const struct person *p, int64_t project_id);

/* ---- who sees what */

enum access_what {
    ACCESS_ROW,    /* a job's row: state, times, charge */
    ACCESS_FILES,  /* its log, its files, its request */
    ACCESS_CHANGE, /* cancel, suspend, resume, extend */
    ACCESS_REPORT, /* the usage of a person, a project or a tenant */
};

/* What it is about: a job has all three; a project's report has no person, a tenant's neither
 * person nor project, the whole site's nothing at all. */
struct access_object {
    int64_t person_id, project_id, tenant_id;
};

enum access {
    ACCESS_NO, /* answer as if it were not there */
    ACCESS_YES,
    ACCESS_AUDITED, /* only because he is an admin: write an audit row first */
};

enum access access_may(const struct person *who, enum access_what what,
                       struct access_object of);

#endif
