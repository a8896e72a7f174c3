// SPDX-License-Identifier: Apache-2.0
/* Tenants: the universities and institutes of the site. Each write is one audited change
 * (change.h); lists are statements of sql.def. A tenant is closed, never deleted: its jobs and
 * charges stay. */
#ifndef FF_QUOTA_TENANT_H
#define FF_QUOTA_TENANT_H

#include "quota/change.h"

enum { TENANT_TITLE_MAX = 120, TENANT_CONTACT_MAX = 254 };

/* NULL leaves a field as it is. */
struct tenant_ask {
    const char *name, *title, *contact;
    const char *state; /* "open", "closed": a closed tenant takes no jobs and no logins */
};

int tenant_add(struct db *db, const struct change_by *by, const struct tenant_ask *ask,
               enum change_answer *out, struct err *e);
int tenant_set(struct db *db, const struct change_by *by, const struct tenant_ask *ask,
               enum change_answer *out, struct err *e);

/* Makes a person administrator of the tenant in the portal, or ends that. */
struct tenant_admin_ask {
    const char *tenant;
    int64_t person_id;
    bool is_admin;
};
int tenant_set_admin(struct db *db, const struct change_by *by,
                     const struct tenant_admin_ask *ask, enum change_answer *out,
                     struct err *e);

/* The number of the tenant; -ENOENT with a sentence. */
int tenant_find(struct db *db, const char *name, int64_t *out_id, struct err *e);

#endif
