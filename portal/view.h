// SPDX-License-Identifier: Apache-2.0
/* A JSON value and the name of a template make HTML. The only face of the mustache library.
 *
 * The folder holds layout.mustache, pages/NAME.mustache and partials/NAME.mustache. All are
 * read and parsed by views_load(); a partial ({{> name}}) is put in place of its tag then, so a
 * missing one fails at start. A page is rendered into the layout's {{{content}}}; that tag and
 * no other may stand unescaped, and the tags' delimiters cannot be changed: everything else is
 * escaped, always.
 *
 * In templates: text, numbers and lists are themselves; true is true; false, null and "" are
 * false (a section leaves them out) and print nothing. Names with dots reach into objects. */
#ifndef FF_PORTAL_VIEW_H
#define FF_PORTAL_VIEW_H

#include <stdbool.h>

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "runner/base/err.h"

struct evbuffer;
struct views;

int views_load(const char *folder, struct views **out, struct err *e);
void views_free(struct views *v);
bool views_has(const struct views *v, const char *page);

/* Appends the page, in the layout. The loop's thread only. -ENOENT: no such page; -EINVAL,
 * -ENOMEM. */
int views_render(struct views *v, const char *page, const json_t *data, struct evbuffer *out,
                 struct err *e);

#ifdef __cplusplus
}
#endif

#endif
