// SPDX-License-Identifier: Apache-2.0
/* The frame around every page. */
#include "portal/page.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "portal/portal.h"
#include "portal/session.h"

static void free_page(void *page)
{
    json_decref(page);
}

json_t *page_new(struct request *r, const char *title, const char *place)
{
    json_t *page =
        json_pack("{s:s, s:{s:b}}", "title", title, "at", *place ? place : "nowhere", true);
    request_keep(r, free_page, page);
    r->state = page;
    return page;
}

void page_template(json_t *page, const char *view)
{
    json_object_set_new(page, "view", json_string(view));
}

void page_show_as(struct request *r, int http_status)
{
    json_t *page = r->state;
    request_html(r, http_status, json_string_value(json_object_get(page, "view")),
                 json_incref(page));
}

void page_show(struct request *r, int status)
{
    if (status < 0)
        request_fail(r, status);
    else
        page_show_as(r, 200);
}

/* Without root runnerd, and so every job, runs as the user that portald runs as. */
static bool is_one_uid(const struct portal *p)
{
    struct stat st;
    return geteuid() != 0 && stat(p->conf.runner_socket, &st) == 0 && st.st_uid == geteuid();
}

void page_decorate(const struct request *r, json_t *page, void *arg)
{
    const struct portal *p = arg;
    const struct session *s = r ? session_of(r) : NULL;
    json_object_set_new(page, "site_name", json_string(p->conf.name));
    json_object_set_new(page, "zone", json_string(p->conf.zone));
    json_object_set_new(page, "is_one_uid", json_boolean(is_one_uid(p)));
    if (!s)
        return;
    const struct directory *d = directories_find(p->directories, s->directory);
    json_object_set_new(page, "person",
                        json_pack("{s:s, s:s, s:s, s:b}", "name", s->name, "login", s->login,
                                  "from", d ? directory_title(d) : s->directory, "is_admin",
                                  s->is_admin));
    json_object_set_new(page, "logout_token",
                        json_string(session_form_token(r, "POST /logout")));
}
