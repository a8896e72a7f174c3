// SPDX-License-Identifier: Apache-2.0
/* A table as CSV: quoting, formulas, kinds of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "quota/sheet_csv.h"
#include "runner/base/cleanup.h"

static void texts_are_quoted_when_they_must_and_never_are_formulas(void **state)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"a,b", "\"a,b\""},
        {"say \"hi\"", "\"say \"\"hi\"\"\""},
        {"two\r\nlines", "\"two\r\nlines\""},
        {"=1+1", "\"'=1+1\""},
        {"+1", "\"'+1\""},
        {"-1", "\"'-1\""},
        {"@x", "\"'@x\""},
        {"\tx", "\"'\tx\""},
        {"\rx", "\"'\rx\""},
        {"\nx", "\"'\nx\""},
        {"＝1+1", "\"'＝1+1\""},
        {"＋1", "\"'＋1\""},
        {"－1", "\"'－1\""},
        {"＠x", "\"'＠x\""},
        {"=a\"b", "\"'=a\"\"b\""},
        {"=\"x\"", "\"'=\"\"x\"\"\""},
        {"@SUM(A1)", "\"'@SUM(A1)\""},
        {"a=1", "a=1"},
        {"Größe 🐝", "Größe 🐝"},
    };
    static const struct column columns[] = {{"name", COLUMN_TEXT}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(book_freep) struct book *b = book_new("t");
        AUTO(buf_done) struct buf out = BUF_INIT(4096), wanted = BUF_INIT(4096);
        struct table *t = book_table(b, "x", "x", "", columns, COUNT(columns));
        table_text(t, cases[i].text);
        sheet_csv_write(t, &out);
        buf_printf(&wanted, "name\r\n%s\r\n", cases[i].written);
        assert_string_equal(buf_text(&out), buf_text(&wanted));
    }
}

static void numbers_are_numbers_with_their_unit_in_the_heading(void **state)
{
    static const struct column columns[] = {
        {"jobs", COLUMN_INT},  {"used", COLUMN_GPUMS}, {"at", COLUMN_TIME},
        {"ran", COLUMN_SPAN},  {"size", COLUMN_BYTES}, {"weight", COLUMN_WEIGHT},
        {"more", COLUMN_TEXT},
    };
    AUTO(book_freep) struct book *b = book_new("t");
    AUTO(buf_done) struct buf out = BUF_INIT(4096), none = BUF_INIT(8);
    struct table *t = book_table(b, "x", "x", "", columns, COUNT(columns));
    (void)state;
    const int64_t first[] = {-3, -5400000, 1767222000000, 90000, 1024, 1500};
    for (size_t i = 0; i < COUNT(first); i++)
        table_number(t, first[i]);
    table_empty(t);
    for (size_t i = 0; i < COUNT(first); i++)
        table_number(t, 0);
    table_text(t, "x");
    sheet_csv_write(t, &out);
    assert_string_equal(buf_text(&out),
                        "jobs,used_gpu_h,at,ran_ms,size_bytes,weight,more\r\n"
                        "-3,-1.500,2026-01-01T00:00:00+01:00,90000,1024,1.500,\r\n"
                        "0,0.000,,0,0,0.000,x\r\n");
    sheet_csv_write(t, &none);
    assert_true(none.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_quoted_when_they_must_and_never_are_formulas),
        cmocka_unit_test(numbers_are_numbers_with_their_unit_in_the_heading),
    };
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
