// SPDX-License-Identifier: Apache-2.0
/* Everything portald owns, in the order in which it is made; freed in mirror order.
 *
 * What is configuration (`conf`, `directories`, `form_key`) does not change once the loop
 * runs, so any thread may read it; all else belongs to the loop. */
#ifndef FF_PORTAL_PORTAL_H
#define FF_PORTAL_PORTAL_H

#include "auth/directory.h"
#include "portal/request.h"
#include "portal/site.h"
#include "portal/site_conf.h"
#include "portal/trouble.h"

struct follows;
struct httpd;
struct loop;
struct router;
struct runner_link;
struct sse_hub;
struct work_pool;

struct portal {
    struct conf *file;
    struct site_conf conf;
    struct directories *directories;
    char *form_key;
    struct loop *loop;
    struct work_pool *db;      /* its workers are struct worker */
    struct work_line *placing; /* before the ledger: submits that come together are one batch */
    struct work_pool *disk;    /* reads files */
    struct work_pool *
        *ldap; /* one for each directory, so that a dead one holds up nobody else */
    size_t ldap_count;
    struct site site;
    struct troubles troubles;
    struct sse_hub *streams;
    struct runner_link *runner;
    struct follows *follows;
    struct router *router;
    struct httpd *httpd;
};

/* Reads the configuration and all secrets, checks what can be checked, and listens.
 * portal_stop() also after a failure. */
int portal_start(struct portal *p, const char *conf_path, struct err *e);
void portal_stop(struct portal *p);

static inline struct portal *portal_of(const struct request *r)
{
    return r->site->arg;
}

#endif
