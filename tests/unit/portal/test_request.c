// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include <cmocka.h>

#include "portal/error_page.h"
#include "portal/exchange.h"
#include "portal/request.h"
#include "runner/base/cleanup.h"

/* A request that came over no connection: enough for what reads it. */
static struct exchange exchange;
static struct request request;

static int set_up(void **state)
{
    (void)state;
    exchange = (struct exchange){.ev = evhttp_request_new(NULL, NULL)};
    request = (struct request){.arena = arena_new(1 << 22), .exchange = &exchange};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    evhttp_request_free(exchange.ev);
    arena_free(request.arena);
    json_decref(request.json);
    return 0;
}

static void set(const char *name, const char *value)
{
    struct evkeyvalq *fields = evhttp_request_get_input_headers(exchange.ev);
    evhttp_remove_header(fields, name);
    if (value)
        evhttp_add_header(fields, name, value);
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
    static const struct {
        const char *field, *value; /* of the cookie "sid" */
    } cases[] = {
        {NULL, NULL},
        {"", NULL},
        {"sid=abc", "abc"},
        {"sid=", ""},
        {"sid", NULL},
        {"a=b; sid=abc", "abc"},
        {"sid=abc; a=b", "abc"},
        {"sid=abc;a=b", "abc"},
        {"a=b;sid=abc;", "abc"},
        {"xsid=abc", NULL},
        {"sidx=abc", NULL},
        {"SID=abc", NULL},
        {"a=sid=abc", NULL},
        {"sid=a=b", "a=b"},
        {"sid=abc; sid=abc", NULL},
        {"sid=abc; sid=def", NULL},
        {";;; sid=abc", "abc"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        set("Cookie", cases[i].field);
        const char *value = request_cookie(&request, "sid");
        if (cases[i].value)
            assert_string_equal(value, cases[i].value);
        else if (value)
            fail_msg("%s gave %s", cases[i].field, value);
    }
}

static void cookies_are_found_by_how_their_names_begin(void **state)
{
    static const struct {
        const char *field, *values[3]; /* of the cookies "login-…" */
    } cases[] = {
        {NULL, {NULL}},
        {"login=abc", {NULL}},
        {"login-1=abc", {"abc"}},
        {"a=b; login-1=abc; login-2=def;", {"abc", "def"}},
        {"login-1=abc;;login-1=abc", {"abc", "abc"}},
        {"login-; xlogin-1=abc; login-=; a=login-2=def", {""}},
        {"login-1=a=b", {"a=b"}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t place = 0;
        const char *value;
        set("Cookie", cases[i].field);
        for (int k = 0; cases[i].values[k]; k++) {
            value = request_cookie_next(&request, "login-", &place);
            assert_non_null(value);
            assert_string_equal(value, cases[i].values[k]);
        }
        assert_null(request_cookie_next(&request, "login-", &place));
    }
}

static void the_referring_site_must_be_this_one(void **state)
{
    static const struct {
        const char *origin, *site;
        bool is_tls, is_own;
    } cases[] = {
        {NULL, NULL, false, true},
        {"http://portal:8080", NULL, false, true},
        {"http://PORTAL:8080", NULL, false, true},
        {"https://portal:8080", NULL, true, true},
        {"http://portal:8080", NULL, true, false},
        {"https://portal:8080", NULL, false, false},
        {"http://portal", NULL, false, false},
        {"http://portal:80801", NULL, false, false},
        {"http://evil.example", NULL, false, false},
        {"http://portal:8080.evil.example", NULL, false, false},
        {"null", NULL, false, false},
        {"", NULL, false, false},
        {NULL, "same-origin", false, true},
        {NULL, "none", false, true},
        {NULL, "same-site", false, false},
        {NULL, "cross-site", false, false},
        {"http://portal:8080", "cross-site", false, false},
        {"http://evil.example", "same-origin", false, false},
    };
    (void)state;
    set("Host", "portal:8080");
    for (size_t i = 0; i < COUNT(cases); i++) {
        set("Origin", cases[i].origin);
        set("Sec-Fetch-Site", cases[i].site);
        request.is_tls = cases[i].is_tls;
        assert_int_equal(request_is_own_site(&request), cases[i].is_own);
    }
}

static void put_body(const char *type, const char *body, size_t len)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(exchange.ev);
    evbuffer_drain(in, evbuffer_get_length(in));
    evbuffer_add(in, body, len);
    set("Content-Type", type);
}

static void a_form_is_read_only_as_a_form(void **state)
{
    static const char form[] = "application/x-www-form-urlencoded";
    static const struct {
        const char *type, *body;
        int status;
    } cases[] = {
        {form, "a=b", 0},
        {form, "", 0},
        {"Application/X-WWW-Form-URLencoded ; charset=UTF-8", "a=b", 0},
        {"application/x-www-form-urlencoded; charset=latin1", "a=b", 415},
        {"application/x-www-form-urlencodedx", "a=b", 415},
        {"text/plain", "a=b", 415},
        {"multipart/form-data; boundary=x", "a=b", 415},
        {NULL, "a=b", 415},
        {form, "a=b&a=c", 400},
        {form, "a=%00", 400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_body(cases[i].type, cases[i].body, strlen(cases[i].body));
        assert_int_equal(request_read_form(&request), cases[i].status);
    }
}

static void json_is_read_only_as_an_object(void **state)
{
    static const struct {
        const char *type, *body;
        int status;
    } cases[] = {
        {"application/json", "{\"a\":1}", 0},
        {"application/json;charset=utf-8", "{}", 0},
        {"text/plain", "{}", 415},
        {"application/json", "", 400},
        {"application/json", "[1]", 400},
        {"application/json", "{\"a\":1", 400},
        {"application/json", "{} {}", 400},
        {"application/json", "{\"a\":1,\"a\":2}", 400},
        {"application/json", "{\"a\":\"\\u0000\"}", 400},
        {"application/json", "{\"a\":\"\xff\"}", 400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_body(cases[i].type, cases[i].body, strlen(cases[i].body));
        if (request_read_json(&request) != cases[i].status)
            fail_msg("%s", cases[i].body);
        json_decref(request.json);
        request.json = NULL;
    }
}

static void bodies_have_their_limits(void **state)
{
    char *big = calloc(1, (1 << 20) + 1);
    (void)state;
    memset(big, 'a', (1 << 20) + 1);
    put_body("application/x-www-form-urlencoded", big, 256 * 1024);
    assert_int_equal(request_read_form(&request), 0);
    put_body("application/x-www-form-urlencoded", big, 256 * 1024 + 1);
    assert_int_equal(request_read_form(&request), 413);
    put_body("application/octet-stream", big, 1 << 20);
    assert_int_equal(request_read_upload(&request), 0);
    assert_int_equal(evbuffer_get_length(request.body), 1 << 20);
    put_body("application/octet-stream", big, (1 << 20) + 1);
    assert_int_equal(request_read_upload(&request), 413);
    assert_string_equal(request.err.text,
                        "The body has 1048577 bytes; at most 1048576 may be sent.");
    free(big);
}

static void an_errno_has_its_status(void **state)
{
    static const struct {
        int code, status;
    } cases[] = {{-ENOENT, 404}, {-EACCES, 403}, {-EINVAL, 400},       {-EEXIST, 409},
                 {-EBUSY, 503},  {-EIO, 500},    {-ECONNREFUSED, 503}, {-ENOMEM, 500}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(error_status(cases[i].code), cases[i].status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cookie_is_found_by_its_whole_name),
        TEST(cookies_are_found_by_how_their_names_begin),
        TEST(the_referring_site_must_be_this_one),
        TEST(a_form_is_read_only_as_a_form),
        TEST(json_is_read_only_as_an_object),
        TEST(bodies_have_their_limits),
        TEST(an_errno_has_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
