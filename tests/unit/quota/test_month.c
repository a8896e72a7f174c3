// SPDX-License-Identifier: Apache-2.0
/* The chain's arithmetic and the comparing of two reports line by line. */
#include "quota/month.h"

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static void a_checksum_covers_the_one_before_and_the_text(void **state)
{
    char sum[DIGEST_HEX], other[DIGEST_HEX];
    (void)state;
    month_checksum("", "abc", sum); /* FIPS 180-4's own example */
    assert_string_equal(sum,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    month_checksum("a", "bc", other);
    assert_string_equal(sum, other);
    month_checksum("0", "abc", other);
    assert_string_not_equal(sum, other);
}

static void on_line(bool is_new, const char *line, void *arg)
{
    buf_printf(arg, "%c%s|", is_new ? '+' : '-', line);
}

static void only_lines_that_one_side_has_are_told(void **state)
{
    static const struct {
        const char *was, *is, *told;
    } cases[] = {
        {"", "", ""},
        {"a\nb\n", "a\nb\n", ""},
        {"a\nb\n", "b\na\n", ""},
        {"a\nb", "a\nb\n", ""},
        {"a\nb\n", "a\nc\n", "-b|+c|"},
        {"a\n", "", "-a|"},
        {"", "a\n\n", "+|+a|"},
        {"a\na\n", "a\n", "-a|"},
        {"a\nb\nc\n", "b\nd\n", "-a|-c|+d|"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_done) struct buf told = BUF_INIT(1000);
        size_t differ = month_compare(cases[i].was, cases[i].is, on_line, &told);
        assert_string_equal(buf_text(&told), cases[i].told);
        size_t lines = 0;
        for (const char *p = buf_text(&told); *p; p++)
            lines += *p == '|';
        assert_int_equal(differ, lines);
    }
}

static void a_month_has_its_name(void **state)
{
    char name[MONTH_NAME_LEN];
    (void)state;
    month_name(202601, name);
    assert_string_equal(name, "2026-01");
    month_name(202612, name);
    assert_string_equal(name, "2026-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checksum_covers_the_one_before_and_the_text),
        cmocka_unit_test(only_lines_that_one_side_has_are_told),
        cmocka_unit_test(a_month_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
