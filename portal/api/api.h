// SPDX-License-Identifier: Apache-2.0
/* The REST API, /api/v1: JSON in and out, plain numbers (milliseconds, GPU-milliseconds),
 * errors as problem documents (RFC 9457) with "type", and for a refused job "field",
 * "remedy" and the amounts.
 *
 * Whoever is logged in may use it; what changes something carries the field X-Form-Token
 * with the token that GET /api/v1/session gives. */
#ifndef FF_PORTAL_API_API_H
#define FF_PORTAL_API_API_H

#include "portal/request.h"

/* jobs.c */
int api_load_jobs(void *worker, struct request *r);
int api_load_job(void *worker, struct request *r);
int api_load_place(void *worker, struct request *r);
void api_show_placed(struct request *r, int status);
int api_load_cancel(void *worker, struct request *r);
void api_show_cancelled(struct request *r, int status);

/* projects.c */
int api_load_projects(void *worker, struct request *r);
int api_load_session(void *worker, struct request *r);

/* balance.c */
int api_load_balance(void *worker, struct request *r);

/* For loads that leave their reply in r->state. */
void api_show(struct request *r, int status);
json_t *api_reply(struct request *r, json_t *body); /* keeps it there; takes `body` */

/* For POSTs: 0, or -EACCES without the token. */
int api_check_token(struct request *r);

#endif
