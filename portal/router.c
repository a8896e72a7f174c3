// SPDX-License-Identifier: Apache-2.0
/* Walks the table segment by segment; the first route that fits is taken. */
#include "portal/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/http.h>

#include "portal/exchange.h"
#include "runner/base/cleanup.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"

struct router {
    struct router_options options;
};

/* A request on its way, in the order it happens. */
struct visit {
    struct router *router;
    const struct route *route;
    struct request *request;
    enum router_verdict verdict;
    int status; /* of authenticate or load */
    bool is_failed, is_bad_token;
};
static void run_visit(void *local, void *arg); /* worker */
static void on_visited(int status, void *arg);
static void answer_visit(const struct visit *v);

enum {
    PARAMS_MAX = 8,
    NEXT_MAX = 2048, /* bytes of an address to come back to: it must fit in the login's own */
};

static bool fits(const char *path, const struct request *r)
{
    int i = 0;
    for (; *path; i++) {
        path++; /* the slash */
        size_t n = strcspn(path, "/");
        if (n == 0 && *path == '\0')
            break; /* "/" alone */
        if (i == r->segments_count)
            return false;
        if (*path == '*')
            return true;
        const char *given = r->segments[i];
        if (*path == ':' ? !*given : strlen(given) != n || memcmp(given, path, n) != 0)
            return false;
        path += n;
    }
    return i == r->segments_count;
}

/* What a last segment "*name" takes: the rest of the path. */
static const char *rest_of(const struct request *r, int from)
{
    const char *rest = r->segments[from];
    for (int i = from + 1; rest && i < r->segments_count; i++)
        rest = arena_printf(r->arena, "%s/%s", rest, r->segments[i]);
    return rest ? rest : "";
}

static void take_params(const char *path, struct request *r)
{
    struct pairs p = {.items = arena_alloc(r->arena, PARAMS_MAX * sizeof(struct pair))};
    for (int i = 0; *path; i++) {
        size_t n = strcspn(++path, "/");
        const char *value = *path == '*' ? rest_of(r, i) : r->segments[i];
        if ((*path == ':' || *path == '*') && p.items)
            p.items[p.count++] =
                (struct pair){arena_dup_bytes(r->arena, path + 1, n - 1), value};
        path += n;
    }
    r->params = p;
}

static enum request_method asked(const struct request *r)
{
    return r->method == REQUEST_HEAD ? REQUEST_GET : r->method;
}

const struct route *router_find(const struct router *t, struct request *r)
{
    for (size_t i = 0; i < t->options.count; i++) {
        const struct route *route = &t->options.routes[i];
        if (route->method != asked(r) || !fits(route->path, r))
            continue;
        take_params(route->path, r);
        return route;
    }
    return NULL;
}

static void refuse_unknown(const struct router *t, struct request *r)
{
    const char *allow = NULL;
    for (size_t i = 0; i < t->options.count; i++)
        if (fits(t->options.routes[i].path, r))
            allow = t->options.routes[i].method == REQUEST_POST ? "POST" : "GET, HEAD";
    if (!allow) {
        request_problem(r, 404, NULL, NULL);
        return;
    }
    request_set_header(r, "Allow", allow);
    request_problem(r, 405, NULL, NULL);
}

static int read_body(const struct route *route, struct request *r)
{
    if (r->method != REQUEST_POST)
        return 0;
    if (!request_is_own_site(r))
        return err_set(&r->err, 403, "The request was sent from another site.");
    if (route->flags & ROUTE_FORM)
        return request_read_form(r);
    if (route->flags & ROUTE_UPLOAD)
        return request_read_upload(r);
    return request_read_json(r);
}

static void drop_visit(void *arg)
{
    struct visit *v = arg;
    request_drop(v->request);
    free(v);
}

void router_on_request(struct request *r, void *arg)
{
    struct router *t = arg;
    const struct route *route = router_find(t, r);
    if (!route) {
        refuse_unknown(t, r);
        return;
    }
    r->wants_json |= (route->flags & ROUTE_API) != 0;
    int status = read_body(route, r);
    if (status) {
        request_problem(r, status, NULL, r->err.text);
        return;
    }
    if (!route->load && route->role == ROLE_ANYONE &&
        !(route->flags & (ROUTE_FORM | ROUTE_SESSION))) {
        route->show(r, 0);
        return;
    }
    struct visit *v = xnew(struct visit);
    *v = (struct visit){.router = t, .route = route, .request = r};
    work_start(t->options.pool, run_visit, on_visited, drop_visit, v);
}

static void run_visit(void *local, void *arg)
{
    struct visit *v = arg;
    struct request *r = v->request;
    const struct router_hooks *h = &v->router->options.hooks;
    v->status = h->authenticate(local, r);
    v->is_failed = v->status < 0;
    if (v->is_failed)
        return;
    v->verdict = h->authorize(r, v->route);
    if (v->verdict != ROUTER_ALLOW)
        return;
    if (v->route->flags & ROUTE_FORM) {
        const char *token = pairs_find(&r->form, "token");
        v->is_bad_token = !token || !h->check_token(local, r, token);
        if (v->is_bad_token)
            return;
    }
    if (v->route->load)
        v->status = v->route->load(local, r);
}

static void on_visited(int status, void *arg)
{
    struct visit v = *(struct visit *)arg;
    free(arg);
    if (status < 0) {
        v.is_failed = true;
        v.status = status;
    }
    if (request_is_gone(v.request))
        request_drop(v.request);
    else
        answer_visit(&v);
}

/* A script's event stream wants a status, not the login page that it would be led to. */
static bool is_stream(const struct request *r)
{
    const char *accept = request_header(r, "Accept");
    return accept && strncmp(accept, "text/event-stream", 17) == 0;
}

static void send_to_login(const struct router *t, struct request *r)
{
    const char *login = t->options.login_path;
    if (r->wants_json || !login || is_stream(r)) {
        request_problem(r, 401, NULL, NULL);
        return;
    }
    const char *to = login;
    char *next = evhttp_uriencode(request_target(r), -1, 0);
    if (next && strlen(next) <= NEXT_MAX && r->method != REQUEST_POST)
        to = arena_printf(r->arena, "%s?next=%s", login, next);
    free(next);
    request_redirect(r, to ? to : login);
}

static void answer_visit(const struct visit *v)
{
    struct request *r = v->request;
    if (v->is_failed)
        request_unavailable(r);
    else if (v->verdict == ROUTER_LOGIN)
        send_to_login(v->router, r);
    else if (v->verdict == ROUTER_FORBID)
        request_problem(r, 403, NULL, NULL);
    else if (v->verdict == ROUTER_HIDE)
        request_problem(r, 404, NULL, NULL);
    else if (v->is_bad_token)
        request_problem(
            r, 403, NULL,
            "The form is too old, or came from another page. Go back, reload the page "
            "and send it again.");
    else
        v->route->show(r, v->status);
}

static bool is_good_path(const char *path)
{
    int params = 0;
    const char *rest = strchr(path, '*');
    for (const char *c = path; *c; c++)
        params += *c == ':' || *c == '*';
    if (rest && (rest == path || rest[-1] != '/' || strchr(rest, '/')))
        return false;
    return path[0] == '/' && params <= PARAMS_MAX && !strstr(path, "//") &&
           !strstr(path, ":/") && (path[1] == '\0' || path[strlen(path) - 1] != '/');
}

static int check_route(const struct router_options *o, size_t i, struct err *e)
{
    const struct route *r = &o->routes[i];
    const unsigned bodies = ROUTE_FORM | ROUTE_API | ROUTE_UPLOAD;
    if (!r->path || !is_good_path(r->path))
        return err_set(e, -EINVAL, "route %s: not a path", r->path ? r->path : "(none)");
    if (r->role < ROLE_ANYONE || r->role > ROLE_ADMIN || !r->show)
        return err_set(e, -EINVAL, "route %s: has no role or no show", r->path);
    if (r->method == REQUEST_POST && !(r->flags & bodies))
        return err_set(e, -EINVAL, "route POST %s: does not say what its body is", r->path);
    for (size_t k = 0; k < i; k++)
        if (o->routes[k].method == r->method && strcmp(o->routes[k].path, r->path) == 0)
            return err_set(e, -EINVAL, "route %s: is there twice", r->path);
    return 0;
}

int router_new(const struct router_options *o, struct router **out, struct err *e)
{
    for (size_t i = 0; i < o->count; i++) {
        int r = check_route(o, i, e);
        if (r < 0)
            return r;
    }
    struct router *t = xnew(struct router);
    t->options = *o;
    *out = t;
    return 0;
}

void router_free(struct router *t)
{
    free(t);
}
