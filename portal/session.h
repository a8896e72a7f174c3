// SPDX-License-Identifier: Apache-2.0
/* Sessions and form tokens: a cookie says who somebody is, a token that a form was made for
 * that session and that action.
 *
 * The cookie (__Host-sid; over plain HTTP on loopback "sid") holds 256 random bits, the
 * database their SHA-256. A session ends idle_ms after its last page, max_ms after the
 * login, and at the logout. A form token is an HMAC of (session, action) under the site's
 * form key; the action is the method and path the form is sent to ("POST /jobs/7/cancel"),
 * and "api" for all of the API. The login form comes before any session: its token is bound
 * to a cookie of its own (__Host-login-…), which the next login page finds and uses again. */
#ifndef FF_PORTAL_SESSION_H
#define FF_PORTAL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/token.h"
#include "portal/router.h"

struct portal;
struct worker;

/* r->session of somebody who is logged in; lives as long as the request. Any thread may
 * read. */
struct session {
    char hash[TOKEN_TEXT]; /* of the cookie: also the owner of its streams */
    int64_t person_id;
    const char *name, *login, *directory;
    bool is_admin, is_tenant_admin;
};

static inline const struct session *session_of(const struct request *r)
{
    return r->session;
}

/* The router's hooks. */
int session_authenticate(void *worker, struct request *r);
enum router_verdict session_authorize(const struct request *r, const struct route *route);
bool session_check_token(void *worker, struct request *r, const char *token);

/* Is the field X-Form-Token the one that GET /api/v1/session gave? */
bool session_check_api_token(const struct request *r);

/* The token for a form of this page; "" when nobody is logged in. The arena's. */
const char *session_form_token(const struct request *r, const char *action);

/* The token for the login form; sets the cookie it is bound to. Loop. */
const char *session_login_token(struct request *r);

/* Begins a session on a worker, and ends the one that the request came with. */
int session_begin(struct worker *w, struct request *r, int64_t person_id,
                  char out_token[TOKEN_TEXT], struct err *e);
int session_end(struct worker *w, const char *hash, struct err *e);

/* The reply's cookie; NULL takes it away. Loop. */
void session_set_cookie(struct request *r, const char *token);

#endif
