// SPDX-License-Identifier: Apache-2.0
/* What every reply needs to know of the site. Made once by the portal's main, read by all. */
#ifndef FF_PORTAL_SITE_H
#define FF_PORTAL_SITE_H

#include <jansson.h>

struct loop;
struct request;
struct static_files;
struct troubles;
struct views;
struct work_pool;

struct site {
    struct loop *loop;
    struct views *views; /* NULL: errors are plain text, request_html() is not used */
    const struct static_files *files; /* NULL: none */
    struct work_pool *disk;           /* reads files for request_stream() */
    struct troubles *troubles;        /* why requests got 503; NULL: not logged */
    /* Adds to a page's data what the layout shows on every page (who is logged in, the form's
     * token). `r` is NULL for the answer to a request that could not be read. Loop. May be
     * NULL. */
    void (*decorate)(const struct request *r, json_t *page, void *arg);
    void *arg;
};

#endif
