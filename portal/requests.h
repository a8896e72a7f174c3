// SPDX-License-Identifier: Apache-2.0
/* Requests of people (quota/user_request.h) as pages tell them. */
#ifndef FF_PORTAL_REQUESTS_H
#define FF_PORTAL_REQUESTS_H

#include "portal/form.h"
#include "portal/request.h"
#include "quota/person.h"
#include "quota/user_request.h"

/* What a person may do with a request. */
enum requests_may {
    REQUESTS_NOTHING, /* it is not there for him */
    REQUESTS_SEE,
    REQUESTS_ANSWER,       /* is open, and his to answer */
    REQUESTS_WITHDRAW,     /* is open, and his own */
    REQUESTS_SEE_AS_ADMIN, /* as an administrator of the site, audited */
    REQUESTS_ANSWER_AS_ADMIN,
};
enum requests_may requests_may(const struct person *p, const struct user_request *q);

/* The fields of an answer: key, answer (approve, deny), reason. The arena's. */
struct form_result *requests_form(struct request *r);
struct form_result *requests_check(struct request *r);
enum { REQUESTS_APPROVE = 0 }; /* form_number() of "answer" */

/* One request: who asks for what and why, its state in words, its history, and `form` (NULL:
 * none) for its answer or withdrawal. Caller frees. */
json_t *requests_json(struct request *r, const struct user_request *q, enum requests_may may,
                      const struct form_result *form);

/* All of them, each with what the person may do with it. Caller frees. */
json_t *requests_list_json(struct request *r, const struct person *p,
                           const struct user_request_list *l, bool is_open);

/* Where the list may have been cut off: {NAME: {"newest"}}, so that the page says so. */
void requests_put_cap(json_t *page, const char *name, const struct user_request_list *l);

#endif
