// SPDX-License-Identifier: Apache-2.0
/* /static/NAME: style sheets, scripts, pictures, read into memory at start. A table, so there
 * is no path to leave.
 *
 * static_files_assets() is {"app_css": "/static/app.css?v=0f3a…"}: templates write
 * {{assets.app_css}} (what is not a letter or digit in the name is '_'). With the right ?v= a
 * browser may keep the file for good; without, it asks each time and gets 304 by the ETag. */
#ifndef FF_PORTAL_STATIC_FILES_H
#define FF_PORTAL_STATIC_FILES_H

#include <jansson.h>

#include "runner/base/err.h"

struct request;
struct static_files;

/* Reads all files of `folder`, and of each of `more` (paths, NULL-terminated; may be NULL). A
 * file of a kind without a known content type fails, and so do two of one name and one above 4
 * MiB. */
int static_files_load(const char *folder, const char *const *more, struct static_files **out,
                      struct err *e);
void static_files_free(struct static_files *s);

json_t *static_files_assets(const struct static_files *s); /* borrowed */

/* Answers GET /static/:name, a route's show; 404 if there is none. Loop. */
void static_files_show(const struct static_files *s, struct request *r, const char *name);

#endif
