// SPDX-License-Identifier: Apache-2.0
/* A job's folder: lists, and files to fetch. All path logic is runner-files', which runs as
 * the owner; here a path is a text that is passed on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "portal/job_facts.h"
#include "portal/page.h"
#include "portal/pages/pages.h"
#include "portal/portal.h"
#include "portal/runner_link.h"

struct files_show {
    struct request *r;
    int64_t job;
    const char *path;
};

int load_files(void *local, struct request *r)
{
    struct access_found found;
    struct job_view *v = arena_alloc(r->arena, sizeof(*v));
    int code = v ? access_job(local, r, ACCESS_FILES, "files", &found) : -ENOMEM;
    if (code < 0)
        return code;
    *v = (struct job_view){.id = found.job->id, .may_files = true};
    r->state = v;
    return 0;
}

/* A path that leads nowhere and one that may not be followed are not told apart. */
static int status_of(int code)
{
    static const int hidden[] = {ENOENT, EACCES,  EPERM,  EXDEV,       ELOOP,
                                 EINVAL, ENOTDIR, EISDIR, ENAMETOOLONG};
    for (size_t i = 0; i < COUNT(hidden); i++)
        if (code == -hidden[i])
            return 404;
    return code == -E2BIG ? 413 : 503;
}

static void refuse(struct request *r, int code)
{
    int status = status_of(code);
    request_problem(r, status, NULL,
                    status == 404   ? "There is no such file or folder, or it cannot be shown."
                    : status == 413 ? "The folder holds too many files to be listed."
                                    : job_missing_text(code, false));
}

static struct files_show *show_new(struct request *r, const char *path)
{
    const struct job_view *v = r->state;
    struct files_show *s = arena_alloc(r->arena, sizeof(*s));
    if (s)
        *s = (struct files_show){r, v->id, path};
    return s;
}

/* ---- a folder */

static void on_list(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct files_show *s = arg;
    struct request *r = s->r;
    struct err bad;
    (void)why;
    struct files_list *list = malloc(sizeof(*list));
    if (status == 0)
        status = list ? files_list_read(packet->body, list, &bad) : -ENOMEM;
    if (status < 0) {
        free(list);
        refuse(r, status);
        return;
    }
    const char *title = arena_printf(r->arena, "Files of job %lld", (long long)s->job);
    json_t *page = page_new(r, title ? title : "Files", "jobs");
    page_template(page, "pages/files");
    json_object_set_new(page, "job_id", json_integer((json_int_t)s->job));
    json_object_set_new(page, "folder", job_files_json(r->arena, s->job, s->path, list));
    free(list);
    page_show_as(r, 200);
}

void show_files(struct request *r, int status)
{
    const char *path = request_query(r, "path"), *after = request_query(r, "after");
    struct files_show *s = status == 0 ? show_new(r, path ? path : "") : NULL;
    if (!s) {
        request_fail(r, status ? status : -ENOMEM);
        return;
    }
    runner_files_start(portal_of(r)->runner, r, s->job,
                       files_list_json(*s->path ? s->path : ".", after ? after : ""), on_list,
                       s);
}

/* ---- a file */

static void on_file(int status, struct packet *packet, const struct err *why, void *arg)
{
    struct files_show *s = arg;
    const char *slash = strrchr(s->path, '/');
    struct request_file as = {.type = "application/octet-stream",
                              .filename = slash ? slash + 1 : s->path};
    (void)why;
    if (status == 0 && packet->fd < 0)
        status = -EBADMSG;
    if (status < 0) {
        refuse(s->r, status);
        return;
    }
    request_set_header(s->r, "Content-Security-Policy", "sandbox; default-src 'none'");
    request_stream(s->r, &as, packet_take_fd(packet), 0, -1);
}

void show_file(struct request *r, int status)
{
    struct files_show *s = status == 0 ? show_new(r, request_param(r, "path")) : NULL;
    if (!s) {
        request_fail(r, status ? status : -ENOMEM);
        return;
    }
    runner_files_start(portal_of(r)->runner, r, s->job, files_open_json(s->path), on_file, s);
}
