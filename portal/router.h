// SPDX-License-Identifier: Apache-2.0
/* From a request to its page: one table of routes, read aloud.
 *
 *   static const struct route routes[] = {
 *       ROUTE(GET,  "/jobs/:id",        ROLE_PERSON, 0,          load_job,   show_job),
 *       ROUTE(POST, "/jobs/:id/cancel", ROLE_PERSON, ROUTE_FORM, cancel_job, show_cancelled),
 *       ROUTE(GET,  "/api/jobs/:id",    ROLE_PERSON, ROUTE_API,  load_job,   show_job_json),
 *   };
 *
 * A request is handled in this order: the route is found (404; 405 with Allow), the body is
 * read as the route declares, a POST is checked to come from this site (403), and then, on one
 * worker: the portal's hooks say whose session it is, whether it may use a route of that role
 * and whether the form's token is right, and `load` runs; back on the loop `show` replies. With
 * no load, no form token and ROLE_ANYONE nothing is asked of a worker. If too many wait the
 * client gets 503. HEAD takes GET's way.
 */
#ifndef FF_PORTAL_ROUTER_H
#define FF_PORTAL_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "portal/request.h"

struct router;
struct work_pool;

enum role { ROLE_ANYONE = 1, ROLE_PERSON, ROLE_TENANT_ADMIN, ROLE_ADMIN };

enum route_flags {
    ROUTE_FORM = 1,    /* POST: an urlencoded form in r->form, with the form's token */
    ROUTE_API = 2,     /* problems as JSON; POST: a JSON object in r->json */
    ROUTE_UPLOAD = 4,  /* POST: application/octet-stream in r->body */
    ROUTE_SESSION = 8, /* ask for the session although anyone may come: the page shows it */
};

/* On a worker; `local` is the worker's own (a database connection). 0 or a negative errno,
 * which show gets as its status; the sentence goes into r->err. */
typedef int route_load_fn(void *local, struct request *r);
/* On the loop; must lead to one reply, at once or later. */
typedef void route_show_fn(struct request *r, int status);

struct route {
    enum request_method method;
    const char *path; /* ":name" takes any segment, a last "*name" all the rest: r->params */
    enum role role;
    unsigned flags;
    route_load_fn *load; /* NULL: nothing to load */
    route_show_fn *show;
};

#define ROUTE(method_, path_, role_, flags_, load_, show_)                                     \
    {                                                                                          \
        .method = REQUEST_##method_, .path = path_, .role = role_, .flags = flags_,            \
        .load = load_, .show = show_                                                           \
    }

enum router_verdict {
    ROUTER_ALLOW,
    ROUTER_LOGIN,  /* nobody is logged in: the login page; 401 for an API */
    ROUTER_FORBID, /* 403 */
    ROUTER_HIDE,   /* 404, as if it were not there */
};

/* What the portal knows and this does not. All run on a worker, in this order. */
struct router_hooks {
    /* Sets r->session from the cookie or the token, or leaves it NULL. Only a failure to find
     * out is an error (the database is down): -errno, and the client gets 503. */
    int (*authenticate)(void *local, struct request *r);
    enum router_verdict (*authorize)(const struct request *r, const struct route *route);
    /* Does the form's field "token" belong to this session and this path? */
    bool (*check_token)(void *local, struct request *r, const char *token);
};

struct router_options {
    const struct route *routes;
    size_t count;
    struct router_hooks hooks;
    struct work_pool *pool;
    const char *login_path; /* gets ?next=PATH; NULL: 401 for everybody */
};

/* Checks the table: paths well formed, no two the same, a role and a show everywhere,
 * ROUTE_FORM or ROUTE_API or ROUTE_UPLOAD on every POST. -EINVAL with the route's name. The
 * table stays the caller's. */
int router_new(const struct router_options *o, struct router **out, struct err *e);
void router_free(struct router *t);

void router_on_request(struct request *r, void *router); /* for httpd_options.on_request */

/* The route that a path takes, for tests and for lists of what may be done; NULL: none. Params
 * into r. */
const struct route *router_find(const struct router *t, struct request *r);

#endif
