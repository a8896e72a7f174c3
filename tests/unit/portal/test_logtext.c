// SPDX-License-Identifier: Apache-2.0
/* A job's bytes as text: cases, and that how they are cut into pieces does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/logtext.h"
#include "runner/base/cleanup.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"

static const struct {
    const char *in;
    size_t len; /* 0: of the text */
    const char *out;
} cases[] = {
    {"loss 0.25\n", 0, "loss 0.25\n"},
    {"grün 漢字 🐝\n", 0, "grün 漢字 🐝\n"},
    {"\033[32mok\033[0m\n", 0, "ok\n"},
    {"\033[2K\033[1Gdone", 0, "done"},
    {"\033]0;title\007", 0, "␛]0;title␇"},
    {"a\0b", 3, "a␀b"},
    {"\b\177\v", 0, "␈␡␋"},
    {"\xff\xfe", 0, "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xc0\xaf", 0, "\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xc2\x9b"
     "31m",
     0, "<U+009B>31m"},
    {"\xe2\x80\xae"
     "exe.txt",
     0, "<U+202E>exe.txt"},
    {"10%\r20%\r\n", 0, "10%\r20%\r\n"},
    {"cut \xe6\xbc", 0, "cut \xef\xbf\xbd\xef\xbf\xbd"},
    {"cut \033[3", 0, "cut ␛[3"},
    {"<script>", 0, "<script>"},
};

static size_t length(size_t i)
{
    return cases[i].len ? cases[i].len : strlen(cases[i].in);
}

static void hostile_bytes_become_harmless_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf out = BUF_INIT(4096);
        assert_int_equal(logtext_clean(cases[i].in, length(i), true, &out), length(i));
        assert_string_equal(buf_text(&out), cases[i].out);
    }
}

/* What is kept back is given again with the next piece. */
static void the_text_does_not_depend_on_how_it_was_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t cut = 0; cut <= length(i); cut++) {
            AUTO(buf_done) struct buf out = BUF_INIT(4096);
            size_t used = logtext_clean(cases[i].in, cut, false, &out);
            assert_true(used <= cut);
            logtext_clean(cases[i].in + used, length(i) - used, true, &out);
            assert_string_equal(buf_text(&out), cases[i].out);
        }
}

static void random_bytes_give_utf8_without_control_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        char raw[256];
        AUTO(buf_done) struct buf out = BUF_INIT(64 * 1024);
        random_bytes(raw, sizeof(raw));
        logtext_clean(raw, sizeof(raw), true, &out);
        assert_true(parse_is_utf8(buf_text(&out), out.len));
        for (size_t i = 0; i < out.len; i++) {
            unsigned char c = (unsigned char)out.data[i];
            assert_true(c >= 0x20 || c == '\n' || c == '\t' || c == '\r');
            assert_int_not_equal(c, 0x7f);
        }
    }
}

static void a_progress_bar_leaves_its_last_state(void **state)
{
    static const struct {
        const char *in, *out;
    } lines[] = {{"10%\r50%\r100%\ndone\n", "100%\ndone\n"},
                 {"dos\r\nlines\r\n", "dos\nlines\n"},
                 {"10%\r50%", "50%"},
                 {"50%\r", "50%"},
                 {"\n\n", "\n\n"},
                 {"", ""}};
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        AUTO(buf_done) struct buf out = BUF_INIT(4096);
        logtext_lines(lines[i].in, strlen(lines[i].in), &out);
        assert_string_equal(buf_text(&out), lines[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_bytes_become_harmless_text),
        cmocka_unit_test(the_text_does_not_depend_on_how_it_was_cut),
        cmocka_unit_test(random_bytes_give_utf8_without_control_bytes),
        cmocka_unit_test(a_progress_bar_leaves_its_last_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
