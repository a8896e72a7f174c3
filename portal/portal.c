// SPDX-License-Identifier: Apache-2.0
/* Makes the portal from its configuration, in the order of struct portal, and takes it down
 * again. */
#include "portal/portal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "portal/follow.h"
#include "portal/httpd.h"
#include "portal/page.h"
#include "portal/place.h"
#include "portal/router.h"
#include "portal/routes.h"
#include "portal/runner_link.h"
#include "portal/session.h"
#include "portal/sse.h"
#include "portal/static_files.h"
#include "portal/view.h"
#include "portal/worker.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/secret.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"

enum {
    DB_QUEUE_MAX = 2000, /* pages that wait for a connection; more get 503 */
    DISK_THREADS = 4,
    DISK_QUEUE_MAX = 4000,
    LDAP_THREADS = 4, /* for each directory */
    LDAP_QUEUE_MAX =
        8, /* with all servers of a directory dead a login waits two rounds at most */
    FORM_KEY_MIN = 32, /* characters */
    STREAMS_MAX = 2000,
    HEARTBEAT_MS = 15000,
};

static int read_form_key(struct portal *p, struct err *e)
{
    int r = secret_read(p->conf.form_key_file, &p->form_key, e);
    if (r < 0)
        return err_wrap(e, r, "[portal] form_key_file");
    if (strlen(p->form_key) < FORM_KEY_MIN)
        return err_set(
            e, -EINVAL,
            "[portal] form_key_file: %s holds less than %d characters; write a new one "
            "with: head -c 32 /dev/urandom | xxd -p -c 64",
            p->conf.form_key_file, FORM_KEY_MIN);
    return 0;
}

/* The zone of all times on the pages. glibc takes a name it does not know for UTC without a
 * word. */
static int set_zone(const char *zone, struct err *e)
{
    char path[128];
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
    if (strcmp(zone, "UTC") != 0 && (strstr(zone, "..") || access(path, R_OK) < 0))
        return err_set(e, -EINVAL,
                       "[site] zone: %s is not known on this machine; give a name such as "
                       "Europe/Berlin (Debian: tzdata)",
                       zone);
    setenv("TZ", zone, 1);
    tzset();
    return 0;
}

static int read_conf(struct portal *p, const char *path, struct err *e)
{
    int r = conf_read(path, &p->file, e);
    if (r == 0)
        r = site_conf_read(p->file, &p->conf, e);
    if (r == 0)
        r = directories_load(p->file, &p->directories, e);
    if (r == 0)
        r = site_conf_check(p->file, e);
    if (r == 0)
        r = set_zone(p->conf.zone, e);
    return r == 0 ? read_form_key(p, e) : r;
}

static int load_pages(struct portal *p, struct err *e)
{
    char folder[512], css[512], js[512];
    snprintf(folder, sizeof(folder), "%s/static", p->conf.templates);
    snprintf(css, sizeof(css), "%s/css/bootstrap.min.css", p->conf.bootstrap);
    snprintf(js, sizeof(js), "%s/js/bootstrap.bundle.min.js", p->conf.bootstrap);
    const char *more[] = {css, js, NULL};
    struct static_files *files = NULL;
    int r = static_files_load(folder, more, &files, e);
    if (r < 0)
        return err_wrap(e, r, "[portal] templates, bootstrap");
    p->site.files = files;
    r = views_load(p->conf.templates, &p->site.views, e);
    return r < 0 ? err_wrap(e, r, "[portal] templates") : 0;
}

/* Months begin in the zone that the database was made with: pages that show another would lie.
 * */
static int check_zone(struct db *db, const char *zone, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select(db, SQL_SITE_GET, DB_NO_ARGS, &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r <= 0 || !strcmp(db_rows_text(rows, 1), zone))
        return r < 0 ? r : 0;
    return err_set(e, -EINVAL,
                   "[site] zone = %s: the database's months begin in %s; write that", zone,
                   db_rows_text(rows, 1));
}

/* A wrong password, schema or setting ends us here; a database that is away does not. */
static int probe_database(struct portal *p, struct err *e)
{
    AUTO(db_closep) struct db *probe = NULL;
    int r = db_open(&p->conf.db, DB_PORTAL, &probe, e);
    if (r == 0)
        r = check_zone(probe, p->conf.zone, e);
    if (r != -ENOTCONN)
        return r;
    log_warning("%s; pages answer 503 until it is there", e->text);
    return 0;
}

static void start_pools(struct portal *p)
{
    struct work_local local = {worker_open, worker_close, p};
    p->placing = work_line_new(place_run_many, PLACE_AT_ONCE);
    p->db = work_pool_new(p->loop, (int)p->conf.workers, DB_QUEUE_MAX, &local);
    p->disk = work_pool_new(p->loop, DISK_THREADS, DISK_QUEUE_MAX, NULL);
    while (directories_at(p->directories, p->ldap_count))
        p->ldap_count++;
    p->ldap = xnew_array(struct work_pool *, p->ldap_count);
    for (size_t i = 0; i < p->ldap_count; i++)
        p->ldap[i] = work_pool_new(p->loop, LDAP_THREADS, LDAP_QUEUE_MAX, NULL);
}

static int start_router(struct portal *p, struct err *e)
{
    return router_new(
        &(struct router_options){
            .routes = routes,
            .count = routes_count,
            .hooks = {session_authenticate, session_authorize, session_check_token},
            .pool = p->db,
            .login_path = "/login"},
        &p->router, e);
}

static int listen_now(struct portal *p, struct err *e)
{
    struct httpd_options o = HTTPD_DEFAULTS;
    o.listen = p->conf.listen;
    o.cert_file = p->conf.tls ? p->conf.tls_cert : NULL;
    o.key_file = p->conf.tls ? p->conf.tls_key : NULL;
    o.hosts = p->conf.hosts;
    o.connections_max = (int)p->conf.connections_max;
    o.per_address_max = (int)p->conf.connections_per_address;
    o.site = &p->site;
    o.on_request = router_on_request;
    o.arg = p->router;
    int r = httpd_start(p->loop, &o, &p->httpd, e);
    return r < 0 ? err_wrap(e, r, "[portal] listen") : 0;
}

/* Whole or not at all: whoever waits for the file must not read half a number. */
static int write_port(struct portal *p, struct err *e)
{
    const char *path = p->conf.port_file;
    char aside[512], text[16];
    if (!*path)
        return 0;
    snprintf(aside, sizeof(aside), "%s.new", path);
    int n = snprintf(text, sizeof(text), "%d\n", httpd_port(p->httpd));
    unlink(aside);
    AUTO(cleanup_close) int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, (size_t)n) != n || rename(aside, path) < 0)
        return err_set(e, -errno, "[portal] port_file: %s: %s", path, strerror(errno));
    return 0;
}

static void say_ready(const struct portal *p)
{
    const char *colon = strrchr(p->conf.listen, ':');
    log_info("ready: listens at %s://%.*s:%d", p->conf.tls ? "https" : "http",
             (int)(colon ? colon - p->conf.listen : 0), p->conf.listen, httpd_port(p->httpd));
}

static void on_hup(void *arg)
{
    struct portal *p = arg;
    struct err why;
    if (!p->conf.tls)
        return;
    if (httpd_reload(p->httpd, &why) < 0)
        log_error("certificate: %s; the old one stays", why.text);
    else
        log_info("certificate: read again");
}

int portal_start(struct portal *p, const char *conf_path, struct err *e)
{
    int r = read_conf(p, conf_path, e);
    if (r == 0)
        r = load_pages(p, e);
    if (r == 0)
        r = probe_database(p, e);
    if (r < 0)
        return r;
    p->loop = loop_new();
    start_pools(p);
    p->site.loop = p->loop;
    p->site.disk = p->disk;
    p->site.troubles = &p->troubles;
    p->site.decorate = page_decorate;
    p->site.arg = p;
    p->streams = sse_hub_new(p->loop, HEARTBEAT_MS, STREAMS_MAX);
    p->runner = runner_link_new(p->loop, p->conf.runner_socket);
    p->follows = follows_new(p);
    r = start_router(p, e);
    if (r == 0)
        r = listen_now(p, e);
    if (r == 0)
        r = write_port(p, e);
    if (r < 0)
        return r;
    loop_on_hup(p->loop, on_hup, p);
    say_ready(p);
    return 0;
}

void portal_stop(struct portal *p)
{
    if (p->httpd)
        httpd_free(p->httpd);
    sse_hub_free(p->streams);
    follows_free(p->follows);
    runner_link_free(p->runner);
    for (size_t i = 0; i < p->ldap_count; i++)
        work_pool_free(p->ldap[i]);
    free(p->ldap);
    work_pool_free(p->db);
    work_line_free(p->placing);
    work_pool_free(p->disk);
    router_free(p->router);
    if (p->loop)
        loop_free(p->loop);
    views_free(p->site.views);
    static_files_free((struct static_files *)p->site.files);
    secret_free(p->form_key);
    directories_free(p->directories);
    site_conf_done(&p->conf);
    conf_free(p->file);
}
