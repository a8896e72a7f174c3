// SPDX-License-Identifier: Apache-2.0
/* The tenants that a person may look at whole, and the line of links between what is one's
 * own and theirs that some pages begin with. Blocks: a worker's. */
#ifndef FF_PORTAL_TENANTS_H
#define FF_PORTAL_TENANTS_H

#include "portal/request.h"
#include "quota/person.h"

struct tenant_row {
    int64_t id;
    const char *name, *title; /* the arena's */
};

/* The tenant of this name, if the person may see its reports; -ENOENT otherwise. An
 * administrator's look at it is audited. */
int tenants_find(struct db *db, struct request *r, const struct person *p, const char *name,
                 struct tenant_row **out);

/* Puts into the page "tenants", the links from `path` to each tenant that the person
 * administers, "has_tenants", and the one shown: `chosen`, or NULL: his own. */
int tenants_put(struct db *db, struct request *r, const struct person *p, json_t *page,
                const char *path, const struct tenant_row *chosen);

#endif
