// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "portal/router.h"
#include "runner/base/cleanup.h"

AUTO_FREE(router_free, struct router)

static void show(struct request *r, int status)
{
    (void)r;
    (void)status;
}

static int load(void *local, struct request *r)
{
    (void)local;
    (void)r;
    return 0;
}

static const struct route routes[] = {
    ROUTE(GET, "/", ROLE_ANYONE, 0, NULL, show),
    ROUTE(GET, "/jobs", ROLE_PERSON, 0, load, show),
    ROUTE(GET, "/jobs/new", ROLE_PERSON, 0, load, show),
    ROUTE(GET, "/jobs/:id", ROLE_PERSON, 0, load, show),
    ROUTE(GET, "/jobs/:id/files/:name", ROLE_PERSON, 0, load, show),
    ROUTE(POST, "/jobs", ROLE_PERSON, ROUTE_FORM, load, show),
    ROUTE(GET, "/tree/:id/*path", ROLE_PERSON, 0, load, show),
};

static struct router *make(const struct route *table, size_t count, struct err *e)
{
    struct router *t = NULL;
    struct router_options o = {.routes = table, .count = count};
    router_new(&o, &t, e);
    return t;
}

/* A request with this path, cut at the slashes as request_new() does. */
static struct request ask(struct arena *a, enum request_method method, const char *path)
{
    struct request r = {.arena = a, .method = method, .path = path};
    for (const char *p = path; *p && p[1];) {
        size_t n = strcspn(++p, "/");
        r.segments[r.segments_count++] = arena_dup_bytes(a, p, n);
        p += n;
        if (*p && !p[1])
            r.segments[r.segments_count++] = "";
    }
    return r;
}

static void a_path_finds_its_route(void **state)
{
    static const struct {
        enum request_method method;
        const char *path, *route;
    } cases[] = {
        {REQUEST_GET, "/", "/"},
        {REQUEST_HEAD, "/", "/"},
        {REQUEST_GET, "/jobs", "/jobs"},
        {REQUEST_POST, "/jobs", "/jobs"},
        {REQUEST_GET, "/jobs/new", "/jobs/new"},
        {REQUEST_GET, "/jobs/7", "/jobs/:id"},
        {REQUEST_HEAD, "/jobs/7", "/jobs/:id"},
        {REQUEST_GET, "/jobs/7/files/a.txt", "/jobs/:id/files/:name"},
        {REQUEST_GET, "/tree/7/a", "/tree/:id/*path"},
        {REQUEST_GET, "/tree/7/a/b/c.txt", "/tree/:id/*path"},
        {REQUEST_GET, "/tree/7", NULL},
        {REQUEST_POST, "/tree/7/a", NULL},
        {REQUEST_POST, "/", NULL},
        {REQUEST_POST, "/jobs/7", NULL},
        {REQUEST_GET, "/jobs/", NULL},
        {REQUEST_GET, "/job", NULL},
        {REQUEST_GET, "/jobss", NULL},
        {REQUEST_GET, "/jobs/7/", NULL},
        {REQUEST_GET, "/jobs/7/files", NULL},
        {REQUEST_GET, "/jobs/7/files/", NULL},
        {REQUEST_GET, "/jobs/7/files/a/b", NULL},
        {REQUEST_GET, "/JOBS", NULL},
        {REQUEST_GET, "/nothing", NULL},
    };
    AUTO(router_freep) struct router *t = make(routes, COUNT(routes), NULL);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(1 << 16);
        struct request r = ask(a, cases[i].method, cases[i].path);
        const struct route *found = router_find(t, &r);
        if (cases[i].route) {
            assert_non_null(found);
            assert_string_equal(found->path, cases[i].route);
        } else if (found) {
            fail_msg("%s found %s", cases[i].path, found->path);
        }
        arena_free(a);
    }
}

static void params_are_named_and_typed(void **state)
{
    static const struct {
        const char *id;
        int64_t value; /* 0: not one */
    } cases[] = {
        {"7", 7},  {"9223372036854775807", INT64_MAX}, {"0", 0},   {"-1", 0}, {"07", 0},
        {"7x", 0}, {"9223372036854775808", 0},         {"%37", 0}, {" 7", 0}};
    AUTO(router_freep) struct router *t = make(routes, COUNT(routes), NULL);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(1 << 16);
        int64_t id = 0;
        struct request r =
            ask(a, REQUEST_GET, arena_printf(a, "/jobs/%s/files/a.txt", cases[i].id));
        assert_non_null(router_find(t, &r));
        assert_string_equal(request_param(&r, "id"), cases[i].id);
        assert_string_equal(request_param(&r, "name"), "a.txt");
        assert_string_equal(request_param(&r, "nothing"), "");
        assert_int_equal(request_param_i64(&r, "id", &id), cases[i].value ? 0 : -2);
        assert_int_equal(id, cases[i].value);
        arena_free(a);
    }
}

static void a_last_star_takes_the_rest_of_the_path(void **state)
{
    static const char *const cases[] = {"a", "a/b", "a/b/c.txt", "a/", ""};
    AUTO(router_freep) struct router *t = make(routes, COUNT(routes), NULL);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(1 << 16);
        struct request r = ask(a, REQUEST_GET, arena_printf(a, "/tree/7/%s", cases[i]));
        assert_non_null(router_find(t, &r));
        assert_string_equal(request_param(&r, "id"), "7");
        assert_string_equal(request_param(&r, "path"), cases[i]);
        arena_free(a);
    }
}

static void a_faulty_table_is_refused_with_the_route_s_name(void **state)
{
    static const struct {
        struct route table[2];
        const char *sentence;
    } cases[] = {
        {{ROUTE(GET, "jobs", ROLE_ANYONE, 0, NULL, show)}, "route jobs: not a path"},
        {{ROUTE(GET, "/jobs/", ROLE_ANYONE, 0, NULL, show)}, "route /jobs/: not a path"},
        {{ROUTE(GET, "//jobs", ROLE_ANYONE, 0, NULL, show)}, "route //jobs: not a path"},
        {{ROUTE(GET, "/:/x", ROLE_ANYONE, 0, NULL, show)}, "route /:/x: not a path"},
        {{ROUTE(GET, "/a*b", ROLE_ANYONE, 0, NULL, show)}, "route /a*b: not a path"},
        {{ROUTE(GET, "/*a/b", ROLE_ANYONE, 0, NULL, show)}, "route /*a/b: not a path"},
        {{ROUTE(GET, "/a", 0, 0, NULL, show)}, "route /a: has no role or no show"},
        {{ROUTE(GET, "/a", ROLE_ADMIN, 0, NULL, NULL)}, "route /a: has no role or no show"},
        {{ROUTE(POST, "/a", ROLE_ADMIN, 0, NULL, show)},
         "route POST /a: does not say what its body is"},
        {{ROUTE(GET, "/a", ROLE_ADMIN, 0, NULL, show),
          ROUTE(GET, "/a", ROLE_ADMIN, 0, NULL, show)},
         "route /a: is there twice"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err e;
        assert_null(make(cases[i].table, cases[i].table[1].path ? 2 : 1, &e));
        assert_string_equal(e.text, cases[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route),
        cmocka_unit_test(params_are_named_and_typed),
        cmocka_unit_test(a_last_star_takes_the_rest_of_the_path),
        cmocka_unit_test(a_faulty_table_is_refused_with_the_route_s_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
