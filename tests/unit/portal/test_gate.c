// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "portal/gate.h"
#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/random.h"

static const struct {
    int status; /* 0: passes */
    const char *name, *bytes;
    size_t len;
} cases[] = {
#define REFUSE(status_, name_, bytes_) {status_, name_, bytes_, sizeof(bytes_) - 1},
#define PASS(status_, name_, bytes_) {0, name_, bytes_, sizeof(bytes_) - 1},
#include "tests/unit/portal/gate_cases.def"
};

static const char *const hosts[] = {"localhost", "127.0.0.1", "portal.example", "[::1]", NULL};
static const struct gate_limits limits = {
    .head_max = 8192, .fields_max = 64, .body_max = 1024 * 1024, .hosts = hosts};

/* Feeds the bytes in two parts, from exact copies, so that a read past either is seen. */
static enum gate_verdict feed_split(struct gate *g, const char *bytes, size_t len, size_t first)
{
    char *part = malloc(first ? first : 1), *whole = malloc(len ? len : 1);
    memcpy(part, bytes, first);
    memcpy(whole, bytes, len);
    *g = (struct gate){0};
    enum gate_verdict v = gate_feed(g, &limits, part, first);
    if (v == GATE_MORE)
        v = gate_feed(g, &limits, whole, len);
    free(part);
    free(whole);
    return v;
}

static void every_case_gets_its_verdict(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gate g;
        enum gate_verdict v = feed_split(&g, cases[i].bytes, cases[i].len, cases[i].len);
        enum gate_verdict expected = cases[i].status ? GATE_REFUSE : GATE_PASS;
        if (v == expected && g.status == cases[i].status && (v == GATE_PASS || g.reason))
            continue;
        print_error("%s: verdict %d, status %d (%s)\n", cases[i].name, v, g.status,
                    g.reason ? g.reason : "");
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void the_verdict_is_the_same_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t at = 0; at <= cases[i].len; at++) {
            struct gate g;
            feed_split(&g, cases[i].bytes, cases[i].len, at);
            if (g.status != cases[i].status)
                fail_msg("%s, split at %zu: status %d", cases[i].name, at, g.status);
        }
    }
}

static void the_verdict_is_the_same_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gate g = {0};
        enum gate_verdict v = GATE_MORE;
        for (size_t n = 1; n <= cases[i].len && v == GATE_MORE; n++)
            v = gate_feed(&g, &limits, cases[i].bytes, n);
        if (g.status != cases[i].status)
            fail_msg("%s: status %d", cases[i].name, g.status);
    }
}

static int status_of(const struct buf *b)
{
    struct gate g = {0};
    assert_false(b->failed);
    enum gate_verdict v = gate_feed(&g, &limits, b->data, b->len);
    return v == GATE_PASS ? 200 : v == GATE_MORE ? 100 : g.status;
}

static void put_fill(struct buf *b, size_t len)
{
    while (b->len < len)
        buf_put_char(b, 'a');
}

static void a_head_may_have_exactly_head_max_bytes(void **state)
{
    static const struct {
        size_t bytes;
        int status;
    } sizes[] = {{8191, 200}, {8192, 200}, {8193, 431}, {9000, 431}, {1 << 20, 431}};
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        AUTO(buf_done) struct buf b = BUF_INIT(2 << 20);
        buf_put(&b, "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=");
        put_fill(&b, sizes[i].bytes - 4);
        buf_put(&b, "\r\n\r\n");
        assert_int_equal(status_of(&b), sizes[i].status);
    }
}

static void a_request_line_that_never_ends_is_too_long(void **state)
{
    AUTO(buf_done) struct buf b = BUF_INIT(1 << 20);
    (void)state;
    buf_put(&b, "GET /");
    put_fill(&b, 8192);
    assert_int_equal(status_of(&b), 100);
    buf_put_char(&b, 'a');
    assert_int_equal(status_of(&b), 414);
}

static void sixty_four_fields_pass_and_one_more_does_not(void **state)
{
    (void)state;
    for (int fields = 63; fields <= 65; fields++) {
        AUTO(buf_done) struct buf b = BUF_INIT(1 << 20);
        buf_put(&b, "GET / HTTP/1.1\r\nHost: localhost\r\n");
        for (int i = 1; i < fields; i++)
            buf_printf(&b, "X%d: y\r\n", i);
        buf_put(&b, "\r\n");
        assert_int_equal(status_of(&b), fields <= 64 ? 200 : 431);
    }
}

static void what_passes_is_described(void **state)
{
    static const char request[] =
        "\r\nPOST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        "Connection: keep-alive, close\r\n\r\n12345GET /";
    struct gate g = {0};
    (void)state;
    assert_int_equal(gate_feed(&g, &limits, request, sizeof(request) - 1), GATE_PASS);
    assert_int_equal(g.method, GATE_POST);
    assert_int_equal(g.body_bytes, 5);
    assert_int_equal(g.fields, 3);
    assert_int_equal(g.head_start, 2);
    assert_memory_equal(request + g.head_end, "12345", 5);
    assert_false(g.is_persistent);
    assert_true(gate_agrees(&g, GATE_POST, 3, 5));
    assert_false(gate_agrees(&g, GATE_GET, 3, 5));
    assert_false(gate_agrees(&g, GATE_POST, 2, 5));
    assert_false(gate_agrees(&g, GATE_POST, 3, 6));
}

static void http_1_0_is_never_kept(void **state)
{
    static const char request[] =
        "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    struct gate g = {0};
    (void)state;
    assert_int_equal(gate_feed(&g, &limits, request, sizeof(request) - 1), GATE_PASS);
    assert_false(g.is_persistent);
}

/* Any byte of a good request changed to any other: no crash, and never a pass with a control
 * byte. */
static void a_changed_byte_never_passes_as_a_control(void **state)
{
    static const char good[] =
        "POST /api/echo?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nA: b\r\n\r\n";
    (void)state;
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        for (int c = 0; c < 256; c++) {
            char changed[sizeof(good)];
            struct gate g = {0};
            memcpy(changed, good, sizeof(good));
            changed[at] = (char)c;
            enum gate_verdict v = gate_feed(&g, &limits, changed, sizeof(good) - 1);
            bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
            if (is_control && changed[at] != good[at])
                assert_int_not_equal(v, GATE_PASS);
            assert_true((v == GATE_REFUSE) == (g.status >= 400));
        }
    }
}

static void random_bytes_do_no_harm(void **state)
{
    static const char alphabet[] =
        "GET POST/ HTTP/1.1\r\n\r\nHost: localhost\r\nContent-Length:%0123\t\000";
    (void)state;
    for (int round = 0; round < 20000; round++) {
        unsigned char noise[64];
        char text[64];
        struct gate g;
        random_bytes(noise, sizeof(noise));
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = alphabet[noise[i] % (sizeof(alphabet) - 1)];
        size_t len = noise[0] % sizeof(text);
        enum gate_verdict whole = feed_split(&g, text, len, len);
        assert_int_equal(whole, feed_split(&g, text, len, len ? noise[1] % len : 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gets_its_verdict),
        cmocka_unit_test(the_verdict_is_the_same_at_every_split),
        cmocka_unit_test(the_verdict_is_the_same_byte_by_byte),
        cmocka_unit_test(a_head_may_have_exactly_head_max_bytes),
        cmocka_unit_test(a_request_line_that_never_ends_is_too_long),
        cmocka_unit_test(sixty_four_fields_pass_and_one_more_does_not),
        cmocka_unit_test(what_passes_is_described),
        cmocka_unit_test(http_1_0_is_never_kept),
        cmocka_unit_test(a_changed_byte_never_passes_as_a_control),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
