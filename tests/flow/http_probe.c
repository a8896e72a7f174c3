// SPDX-License-Identifier: Apache-2.0
/* A small server on the portal's HTTP core, with routes that show each of its sides. Driven by
 * raw_http.py; takes options as NAME=VALUE, prints "port N" and serves until SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "portal/httpd.h"
#include "portal/request.h"
#include "portal/router.h"
#include "portal/site.h"
#include "portal/sse.h"
#include "portal/static_files.h"
#include "portal/view.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/parse.h"
#include "runner/base/work.h"

static struct {
    struct loop *loop;
    struct httpd *httpd;
    struct sse_hub *hub;
    struct static_files *files;
    const char *file;
    int barrier[2]; /* what /slow waits on */
    int ended;      /* streams that were told to end */
} probe;

static void show_hello(struct request *r, int status)
{
    (void)status;
    request_json(r, 200, json_pack("{s:s, s:s}", "hello", "world", "address", r->address));
}

static void show_page(struct request *r, int status)
{
    (void)status;
    request_html(
        r, 200, "pages/error",
        json_pack("{s:s, s:s}", "title", "Page", "detail", "<script>alert(1)</script>"));
}

static void show_static(struct request *r, int status)
{
    (void)status;
    static_files_show(probe.files, r, request_param(r, "name"));
}

static int load_job(void *local, struct request *r)
{
    (void)local;
    int64_t *id = arena_alloc(r->arena, sizeof(*id));
    r->state = id;
    if (request_param_i64(r, "id", id) < 0)
        return err_set(&r->err, -ENOENT, "job %s: not found", request_param(r, "id"));
    return *id == 13 ? err_set(&r->err, -EIO, "secret cause") : 0;
}

static void show_job(struct request *r, int status)
{
    if (status < 0) {
        request_fail(r, status);
        return;
    }
    const char *q = request_query(r, "q");
    request_json(r, 200,
                 json_pack("{s:I, s:s, s:s}", "id", (json_int_t) * (int64_t *)r->state, "who",
                           (const char *)r->session, "q", q ? q : ""));
}

static void show_form(struct request *r, int status)
{
    json_t *all = json_object();
    (void)status;
    for (size_t i = 0; i < r->form.count; i++)
        json_object_set_new(all, r->form.items[i].name, json_string(r->form.items[i].value));
    request_json(r, 200, all);
}

static void show_json(struct request *r, int status)
{
    (void)status;
    request_json(r, 200, json_incref(r->json));
}

static void show_upload(struct request *r, int status)
{
    (void)status;
    request_json(r, 200, json_pack("{s:I}", "bytes", (json_int_t)evbuffer_get_length(r->body)));
}

static int load_slow(void *local, struct request *r)
{
    char c;
    (void)local;
    (void)r;
    return read(probe.barrier[0], &c, 1) == 1 ? 0 : -EIO;
}

static void show_release(struct request *r, int status)
{
    (void)status;
    bool is_done = write(probe.barrier[1], "x", 1) == 1;
    request_json(r, 200, json_pack("{s:b}", "released", is_done));
}

static void show_stream(struct request *r, int status)
{
    (void)status;
    request_stream(r,
                   &(struct request_file){.type = "application/octet-stream",
                                          .filename = "große Datei.bin"},
                   open(probe.file, O_RDONLY | O_CLOEXEC), 0, -1);
}

static void show_short(struct request *r, int status)
{
    (void)status; /* promises more than the file has */
    request_stream(r, &(struct request_file){.type = "text/plain"},
                   open(probe.file, O_RDONLY | O_CLOEXEC), 0, (int64_t)1 << 20);
}

static void show_pipe(struct request *r, int status)
{
    int ends[2];
    (void)status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        abort();
    bool is_done = write(ends[1], "through a pipe", 14) == 14;
    close(ends[1]);
    request_stream(r, &(struct request_file){.type = is_done ? "text/plain" : NULL}, ends[0], 0,
                   -1);
}

static void show_status(struct request *r, int status)
{
    int64_t code = 500;
    (void)status;
    request_param_i64(r, "code", &code);
    request_problem(r, (int)code, NULL, NULL);
}

static void show_redirect(struct request *r, int status)
{
    (void)status;
    const char *to = request_query(r, "to");
    request_redirect(r, to ? to : "/hello");
}

static void show_drop(struct request *r, int status)
{
    (void)status;
    request_drop(r);
}

static void on_stream_end(void *arg)
{
    (void)arg;
    probe.ended++;
}

static void show_events(struct request *r, int status)
{
    (void)status;
    struct sse *s = sse_open(
        probe.hub, r,
        &(struct sse_options){.topic = "jobs", .owner = "alice", .on_end = on_stream_end});
    if (s) {
        AUTO(json_freep) json_t *hello = json_pack("{s:i}", "n", 0);
        sse_send(s, "hello", "0", hello);
    }
}

static void show_publish(struct request *r, int status)
{
    (void)status;
    json_int_t count = json_integer_value(json_object_get(r->json, "count"));
    const json_t *data = json_object_get(r->json, "data");
    size_t taken = 0;
    for (json_int_t i = 1; i <= count; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%lld", (long long)i);
        taken += sse_publish(probe.hub, "jobs", "tick", id, data);
    }
    request_json(r, 200, json_pack("{s:I}", "taken", (json_int_t)taken));
}

static void show_logout(struct request *r, int status)
{
    (void)status;
    request_json(r, 200,
                 json_pack("{s:I}", "ended", (json_int_t)sse_end_owner(probe.hub, "alice")));
}

static void show_state(struct request *r, int status)
{
    struct rusage use;
    (void)status;
    getrusage(RUSAGE_SELF, &use);
    request_json(r, 200,
                 json_pack("{s:I, s:i, s:I, s:i}", "peak_kib", (json_int_t)use.ru_maxrss,
                           "connections", httpd_connections(probe.httpd), "streams",
                           (json_int_t)sse_count(probe.hub), "ended", probe.ended));
}

static const struct route routes[] = {
    ROUTE(GET, "/", ROLE_ANYONE, 0, NULL, show_page),
    ROUTE(GET, "/hello", ROLE_ANYONE, 0, NULL, show_hello),
    ROUTE(GET, "/static/:name", ROLE_ANYONE, 0, NULL, show_static),
    ROUTE(GET, "/jobs/:id", ROLE_PERSON, 0, load_job, show_job),
    ROUTE(GET, "/admin", ROLE_ADMIN, 0, NULL, show_hello),
    ROUTE(GET, "/slow", ROLE_ANYONE, 0, load_slow, show_hello),
    ROUTE(GET, "/stream", ROLE_ANYONE, 0, NULL, show_stream),
    ROUTE(GET, "/short", ROLE_ANYONE, 0, NULL, show_short),
    ROUTE(GET, "/pipe", ROLE_ANYONE, 0, NULL, show_pipe),
    ROUTE(GET, "/status/:code", ROLE_ANYONE, 0, NULL, show_status),
    ROUTE(GET, "/redirect", ROLE_ANYONE, 0, NULL, show_redirect),
    ROUTE(GET, "/drop", ROLE_ANYONE, 0, NULL, show_drop),
    ROUTE(GET, "/events", ROLE_ANYONE, 0, NULL, show_events),
    ROUTE(GET, "/state", ROLE_ANYONE, 0, NULL, show_state),
    ROUTE(POST, "/echo", ROLE_PERSON, ROUTE_FORM, NULL, show_form),
    ROUTE(POST, "/upload", ROLE_ANYONE, ROUTE_UPLOAD, NULL, show_upload),
    ROUTE(POST, "/api/echo", ROLE_ANYONE, ROUTE_API, NULL, show_json),
    ROUTE(POST, "/api/release", ROLE_ANYONE, ROUTE_API, NULL, show_release),
    ROUTE(POST, "/api/publish", ROLE_ANYONE, ROUTE_API, NULL, show_publish),
    ROUTE(POST, "/api/logout", ROLE_ANYONE, ROUTE_API, NULL, show_logout),
};

static int authenticate(void *local, struct request *r)
{
    const char *who = request_cookie(r, "sid");
    (void)local;
    if (who && strcmp(who, "down") == 0)
        return err_set(&r->err, -ECONNREFUSED, "database is down");
    r->session = (void *)who;
    return 0;
}

static enum router_verdict authorize(const struct request *r, const struct route *route)
{
    if (route->role == ROLE_ANYONE)
        return ROUTER_ALLOW;
    if (!r->session)
        return ROUTER_LOGIN;
    return route->role == ROLE_ADMIN ? ROUTER_HIDE : ROUTER_ALLOW;
}

static bool check_token(void *local, struct request *r, const char *token)
{
    (void)local;
    return token[0] == 't' && strcmp(token + 1, r->path) == 0;
}

static const char *option(int argc, char **argv, const char *name, const char *usual)
{
    size_t n = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return usual;
}

static int64_t number(int argc, char **argv, const char *name, int64_t usual)
{
    int64_t n = usual;
    parse_i64(option(argc, argv, name, ""), 0, INT64_MAX, &n);
    return n;
}

static struct httpd_options read_options(int argc, char **argv)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "portal.example", "[::1]",
                                        NULL};
    struct httpd_options o = HTTPD_DEFAULTS;
    o.listen = option(argc, argv, "listen", "127.0.0.1:0");
    o.cert_file = option(argc, argv, "cert", NULL);
    o.key_file = option(argc, argv, "key", NULL);
    o.hosts = hosts;
    o.connections_max = (int)number(argc, argv, "connections", o.connections_max);
    o.per_address_max = (int)number(argc, argv, "per_address", 1000);
    o.requests_max = (int)number(argc, argv, "requests", o.requests_max);
    o.times.head_ms = number(argc, argv, "head_ms", o.times.head_ms);
    o.times.body_ms = number(argc, argv, "body_ms", o.times.body_ms);
    o.times.reply_ms = number(argc, argv, "reply_ms", o.times.reply_ms);
    o.times.idle_ms = number(argc, argv, "idle_ms", o.times.idle_ms);
    o.times.linger_ms = number(argc, argv, "linger_ms", o.times.linger_ms);
    o.on_request = router_on_request;
    return o;
}

static int fail(const struct err *e)
{
    fprintf(stderr, "%s\n", e->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct err e;
    struct router *router = NULL;
    struct site site = {0};
    struct httpd_options o = read_options(argc, argv);
    log_open("http_probe", LOG_WARNING);
    const char *templates = option(argc, argv, "templates", "templates");
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s/static", templates);
    if (pipe2(probe.barrier, O_CLOEXEC) < 0 || views_load(templates, &site.views, &e) < 0 ||
        static_files_load(folder, NULL, &probe.files, &e) < 0)
        return fail(&e);
    probe.loop = site.loop = loop_new();
    probe.file = option(argc, argv, "file", "/dev/null");
    site.files = probe.files;
    site.disk = work_pool_new(probe.loop, 2, 4096, NULL);
    struct work_pool *pool =
        work_pool_new(probe.loop, 1, (size_t)number(argc, argv, "queue", 64), NULL);
    struct router_options ro = {.routes = routes,
                                .count = COUNT(routes),
                                .hooks = {authenticate, authorize, check_token},
                                .pool = pool,
                                .login_path = "/login"};
    o.site = &site;
    int r = router_new(&ro, &router, &e);
    o.arg = router;
    if (r == 0)
        r = httpd_start(probe.loop, &o, &probe.httpd, &e);
    probe.hub = sse_hub_new(probe.loop, number(argc, argv, "heartbeat_ms", 15000), 100);
    if (r == 0) {
        printf("port %d\n", httpd_port(probe.httpd));
        fflush(stdout);
        loop_run(probe.loop);
    }
    close(probe.barrier[1]); /* what /slow still waits for fails now */
    sse_hub_free(probe.hub);
    httpd_free(probe.httpd);
    work_pool_free(pool);
    work_pool_free(site.disk);
    router_free(router);
    static_files_free(probe.files);
    views_free(site.views);
    loop_free(probe.loop);
    return r < 0 ? fail(&e) : 0;
}
