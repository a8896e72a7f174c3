// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "portal/pairs.h"
#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/random.h"

AUTO_FREE(arena_free, struct arena)

static int parse(struct arena *a, const char *text, struct pairs *out)
{
    char *exact = malloc(strlen(text) + 1); /* so that a read past the end is seen */
    struct err e;
    memcpy(exact, text, strlen(text) + 1);
    int r = pairs_parse(a, exact, strlen(text), out, &e);
    free(exact);
    return r;
}

static void well_formed_texts_are_decoded(void **state)
{
    static const struct {
        const char *text, *name, *value;
        size_t count;
    } cases[] = {
        {"", "a", NULL, 0},
        {"a", "a", "", 1},
        {"a=", "a", "", 1},
        {"a=b", "a", "b", 1},
        {"a=b=c", "a", "b=c", 1},
        {"a=b&c=d", "c", "d", 2},
        {"a=b&", "a", "b", 1},
        {"&&a=b&&c=d&&", "c", "d", 2},
        {"a=x+y%20z", "a", "x y z", 1},
        {"a=%2B%26%3D%25", "a", "+&=%", 1},
        {"%61%5b%5D=b", "a[]", "b", 1},
        {"a=%C3%A4%e2%82%ac%F0%9F%94%A5", "a", "ä€🔥", 1},
        {"a=one%0D%0Atwo", "a", "one\r\ntwo", 1},
        {"a=<script>", "a", "<script>", 1},
        {"A=1&a=2", "a", "2", 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(arena_freep) struct arena *a = arena_new(1 << 20);
        struct pairs p;
        assert_int_equal(parse(a, cases[i].text, &p), 0);
        assert_int_equal(p.count, cases[i].count);
        const char *value = pairs_find(&p, cases[i].name);
        if (cases[i].value)
            assert_string_equal(value, cases[i].value);
        else
            assert_null(value);
    }
}

static void ill_formed_texts_are_refused(void **state)
{
    static const char *const cases[] = {
        "=b",        "=",        "a=1&=2",  "a=1&a=2",     "a=1&%61=2",
        "a&a",       "a=%",      "a=%4",    "a=%zz",       "a=%4g",
        "%=a",       "a=%00",    "%00=a",   "a=x%00y",     "a=%ff",
        "a=%c3",     "a=%c0%af", "a=\xff",  "a=%ed%a0%80", "a=%f5%80%80%80",
        "a=%C3+%A4", "a=%u0041", "a=b&c=%",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(arena_freep) struct arena *a = arena_new(1 << 20);
        struct pairs p;
        if (parse(a, cases[i], &p) != -EINVAL)
            fail_msg("%s was not refused", cases[i]);
    }
}

static void a_NUL_byte_in_the_text_is_refused(void **state)
{
    AUTO(arena_freep) struct arena *a = arena_new(1 << 20);
    struct pairs p;
    (void)state;
    assert_int_equal(pairs_parse(a, "a=b\0c", 5, &p, NULL), -EINVAL);
}

static void at_most_256_values_are_taken(void **state)
{
    (void)state;
    for (int count = 255; count <= 257; count++) {
        AUTO(arena_freep) struct arena *a = arena_new(1 << 20);
        AUTO(buf_done) struct buf b = BUF_INIT(1 << 16);
        struct pairs p;
        for (int i = 0; i < count; i++)
            buf_printf(&b, "%sn%d=x", i ? "&" : "", i);
        assert_int_equal(parse(a, buf_text(&b), &p), count <= PAIRS_MAX ? 0 : -E2BIG);
    }
}

static void a_full_arena_is_a_failure_and_no_crash(void **state)
{
    AUTO(arena_freep) struct arena *a = arena_new(4096);
    AUTO(buf_done) struct buf b = BUF_INIT(1 << 16);
    struct pairs p;
    (void)state;
    buf_put(&b, "a=");
    for (int i = 0; i < 8000; i++)
        buf_put_char(&b, 'b');
    assert_true(parse(a, buf_text(&b), &p) < 0);
}

static void random_texts_do_no_harm(void **state)
{
    static const char alphabet[] = "ab=&%+0cC3A4f\xc3\xa4";
    (void)state;
    for (int round = 0; round < 20000; round++) {
        AUTO(arena_freep) struct arena *a = arena_new(1 << 16);
        unsigned char noise[32];
        char text[33] = "";
        struct pairs p = {0};
        random_bytes(noise, sizeof(noise));
        for (size_t i = 0; i < noise[0] % sizeof(noise); i++)
            text[i] = alphabet[noise[i] % (sizeof(alphabet) - 1)];
        if (parse(a, text, &p) < 0)
            continue;
        for (size_t i = 0; i < p.count; i++)
            assert_ptr_equal(pairs_find(&p, p.items[i].name), p.items[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_texts_are_decoded),
        cmocka_unit_test(ill_formed_texts_are_refused),
        cmocka_unit_test(a_NUL_byte_in_the_text_is_refused),
        cmocka_unit_test(at_most_256_values_are_taken),
        cmocka_unit_test(a_full_arena_is_a_failure_and_no_crash),
        cmocka_unit_test(random_texts_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
