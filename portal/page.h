// SPDX-License-Identifier: Apache-2.0
/* A page's data on its way from `load` to `show`, and what all pages have in common. */
#ifndef FF_PORTAL_PAGE_H
#define FF_PORTAL_PAGE_H

#include <jansson.h>

#include "portal/request.h"

/* An empty object that dies with the request, with its title and the place in the menu to be
 * marked ("home", "jobs", "new", or ""); it becomes r->state. Any thread. */
json_t *page_new(struct request *r, const char *title, const char *place);

/* A route's show for pages whose load made all of it: r->state is rendered by the template
 * that load named with page_template(). */
void page_template(json_t *page, const char *view);
void page_show(struct request *r, int status);

/* page_show() with another status of HTTP than 200. */
void page_show_as(struct request *r, int http_status);

/* The hook of struct site: who is logged in, the site's name, and so on. */
void page_decorate(const struct request *r, json_t *page, void *portal);

#endif
