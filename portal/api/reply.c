// SPDX-License-Identifier: Apache-2.0
/* What the resources of the API have in common. */
#include <errno.h>

#include "portal/api/api.h"
#include "portal/session.h"

static void free_body(void *body)
{
    json_decref(body);
}

json_t *api_reply(struct request *r, json_t *body)
{
    request_keep(r, free_body, body);
    r->state = body;
    return body;
}

void api_show(struct request *r, int status)
{
    if (status < 0)
        request_fail(r, status);
    else
        request_json(r, 200, json_incref(r->state));
}

int api_check_token(struct request *r)
{
    if (session_check_api_token(r))
        return 0;
    return err_set(
        &r->err, -EACCES,
        "Send the field X-Form-Token with the token that GET /api/v1/session gives.");
}
