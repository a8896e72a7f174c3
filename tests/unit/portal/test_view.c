// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>

#include <cmocka.h>

#include "portal/view.h"
#include "runner/base/cleanup.h"
#include "runner/base/jget.h"

static char folder[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void drop(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)!(unlink(path) && rmdir(path));
}

static int set_up(void **state)
{
    char path[128];
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/view.XXXXXX");
    assert_non_null(mkdtemp(folder));
    static const char *const folders[] = {"pages", "partials"};
    for (size_t i = 0; i < COUNT(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    put("layout.mustache", "<{{{content}}}>");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const all[] = {"pages/page.mustache",
                                      "partials/a.mustache",
                                      "partials/b.mustache",
                                      "layout.mustache",
                                      "pages",
                                      "partials",
                                      ""};
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++)
        drop(all[i]);
    return 0;
}

/* The page with this data, within the layout's <>; caller frees. */
static char *render(const char *page, const char *json)
{
    struct views *v;
    struct err e;
    put("pages/page.mustache", page);
    if (views_load(folder, &v, &e) < 0)
        fail_msg("%s", e.text);
    AUTO(json_freep) json_t *data = json_loads(json, 0, NULL);
    struct evbuffer *out = evbuffer_new();
    assert_non_null(data);
    assert_int_equal(views_render(v, "pages/page", data, out, &e), 0);
    size_t len = evbuffer_get_length(out);
    char *text = calloc(1, len + 1);
    evbuffer_remove(out, text, len);
    evbuffer_free(out);
    views_free(v);
    return text;
}

static void json_becomes_html(void **state)
{
    static const struct {
        const char *page, *json, *html;
    } cases[] = {
        {"hello", "{}", "<hello>"},
        {"{{a}}", "{\"a\":\"b\"}", "<b>"},
        {"{{ a }}", "{\"a\":12345678901234}", "<12345678901234>"},
        {"{{a}}", "{\"a\":1.5}", "<1.5>"},
        {"{{a}}", "{\"a\":true}", "<>"},
        {"{{a}}", "{}", "<>"},
        {"{{a.b}}", "{\"a\":{\"b\":\"c\"}}", "<c>"},
        {"{{#a}}{{b}},{{/a}}", "{\"a\":[{\"b\":1},{\"b\":2}]}", "<1,2,>"},
        {"{{#a}}{{.}},{{/a}}", "{\"a\":[1,2]}", "<1,2,>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":true}", "<x>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":false}", "<y>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":null}", "<y>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":\"\"}", "<y>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":[]}", "<y>"},
        {"{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":0}", "<x>"},
        {"{{! nothing }}", "{}", "<>"},
        {"{{> a}}", "{\"x\":\"1\"}", "<[1]>"},
        {"{{#l}}{{>b}}{{/l}}", "{\"l\":[{\"x\":\"1\"},{\"x\":\"2\"}]}", "<([1])([2])>"},
        {"{{a}}", "{\"a\":\"{{b}}\",\"b\":\"no\"}", "<{{b}}>"},
    };
    (void)state;
    put("partials/a.mustache", "[{{x}}]");
    put("partials/b.mustache", "({{> a}})");
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(cleanup_free) char *html = render(cases[i].page, cases[i].json);
        assert_string_equal(html, cases[i].html);
    }
}

static void everything_is_escaped(void **state)
{
    static const struct {
        const char *json, *html;
    } cases[] = {
        {"{\"a\":\"<script>alert(1)</script>\"}", "<&lt;script&gt;alert(1)&lt;/script&gt;>"},
        {"{\"a\":\"\\\" onclick='x' & \"}", "<&quot; onclick=&apos;x&apos; &amp; >"},
        {"{\"a\":\"</textarea>\"}", "<&lt;/textarea&gt;>"},
        {"{\"a\":\"ä🔥\"}", "<ä🔥>"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(cleanup_free) char *html = render("{{a}}", cases[i].json);
        assert_string_equal(html, cases[i].html);
    }
}

static void a_faulty_template_fails_at_start(void **state)
{
    static const struct {
        const char *page, *sentence;
    } cases[] = {
        {"{{{a}}}", "{{{a}} is not allowed"},
        {"{{&a}}", "{{&a}} is not allowed"},
        {"{{ & a }}", "is not allowed"},
        {"{{=<% %>=}}", "is not allowed"},
        {"{{{content}}}", "is not allowed"},
        {"{{a", "a tag is not closed"},
        {"{{#a}}x", "Unclosed section"},
        {"{{/a}}", "Unopened section"},
        {"{{#a}}x{{/b}}", "section"},
        {"{{> nothing}}", "partial \"nothing\" not found"},
        {"{{> a}}", "contain each other"},
    };
    (void)state;
    put("partials/a.mustache", "{{> b}}");
    put("partials/b.mustache", "{{> a}}");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct views *v;
        struct err e = {""};
        put("pages/page.mustache", cases[i].page);
        int r = views_load(folder, &v, &e);
        if (r != -EINVAL && r != -ENOENT)
            fail_msg("%s: loaded", cases[i].page);
        if (!strstr(e.text, cases[i].sentence) || !strstr(e.text, "page.mustache"))
            fail_msg("%s: %s", cases[i].page, e.text);
    }
}

static void what_is_missing_is_named(void **state)
{
    struct views *v;
    struct err e;
    (void)state;
    put("pages/page.mustache", "x");
    assert_int_equal(views_load(folder, &v, &e), 0);
    assert_true(views_has(v, "pages/page"));
    assert_false(views_has(v, "pages/other"));
    AUTO(json_freep) json_t *data = json_object();
    assert_int_equal(views_render(v, "pages/other", data, NULL, &e), -ENOENT);
    assert_string_equal(e.text, "template pages/other: not found");
    views_free(v);
    drop("layout.mustache");
    assert_int_equal(views_load(folder, &v, &e), -ENOENT);
    assert_non_null(strstr(e.text, "layout.mustache: not found"));
    assert_int_equal(views_load("/nowhere", &v, &e), -ENOENT);
    assert_string_equal(e.text, "folder of templates /nowhere/pages: not found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json_becomes_html),
        TEST(everything_is_escaped),
        TEST(a_faulty_template_fails_at_start),
        TEST(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
