// SPDX-License-Identifier: Apache-2.0
/* Answers that say what went wrong: a page for people, a problem document (RFC 9457) for
 * programs. Both go out with the fields that every reply carries. */
#ifndef FF_PORTAL_ERROR_PAGE_H
#define FF_PORTAL_ERROR_PAGE_H

#include <stdbool.h>

#include <jansson.h>

struct evbuffer;
struct gate;
struct request;
struct site;

/* "Not Found" for 404; "Error" for a status we never send. */
const char *error_title(int status);

/* The status for a negative errno: -ENOENT is 404, -EACCES 403, -EBUSY 503 …; 500 if it is no
 * fault of the client's. */
int error_status(int code);

/* {"type", "title", "status", "detail"}; NULL for title or detail: what is usual. Caller frees.
 */
json_t *error_problem(int status, const char *title, const char *detail);

/* Appends a body and returns its content type. `r` may be NULL. */
const char *error_body(const struct site *s, const struct request *r, bool as_json,
                       const json_t *problem, struct evbuffer *out);

/* Appends a whole reply, status line and all, to a request that the gate refused. */
void error_refusal(const struct site *s, const struct gate *g, bool is_tls,
                   struct evbuffer *out);

/* The fields of every reply, by turns; NULL past the last. */
struct error_field {
    const char *name, *value;
};
const struct error_field *safety_field(unsigned index, bool is_tls);

#endif
