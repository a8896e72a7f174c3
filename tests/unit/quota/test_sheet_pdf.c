// SPDX-License-Identifier: Apache-2.0
/* Documents: whole in memory, the same for the same book, also without the site's fonts; and
 * how texts are broken. What stands on the pages is read by the flow test. */
#include "quota/sheet_pdf.h"

#include <errno.h>

#include "tests/unit/test.h"

static const struct paper_fonts no_fonts = {"/nowhere/a.ttf", "/nowhere/b.ttf"};

static const struct column columns[] = {{"name", COLUMN_TEXT},     {"count", COLUMN_INT},
                                        {"charged", COLUMN_GPUMS}, {"at", COLUMN_TIME},
                                        {"waited", COLUMN_SPAN},   {"memory", COLUMN_BYTES},
                                        {"weight", COLUMN_WEIGHT}};

static struct book *a_book(size_t rows, const char *name)
{
    struct book *b = book_new("GPU-hours of October 2026");
    book_fact(b, "Site", "Compute North");
    struct table *t = book_table(b, "rows", "Rows", "North", columns, COUNT(columns));
    t->chart_label = 0;
    t->chart_value = 2;
    for (size_t i = 0; i < rows; i++) {
        table_text(t, name);
        for (size_t k = 1; k < COUNT(columns); k++)
            table_number(t, (int64_t)(i * k) * 123456789);
    }
    return b;
}

static void assert_document(const struct buf *out)
{
    assert_true(out->len > 500);
    assert_memory_equal(out->data, "%PDF-1.", 7);
    assert_memory_equal(out->data + out->len - 6, "%%EOF\n", 6);
}

static void the_same_book_gives_the_same_bytes(void **state)
{
    static const struct {
        size_t rows;
        const char *name;
    } cases[] = {{0, ""},       {1, ""},
                 {1, "Größe"},  {40, "a name of some words"},
                 {300, "name"}, {1, "\xff\xc3\x01"},
                 {2, "🚀 中文"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(book_freep) struct book *b = a_book(cases[i].rows, cases[i].name);
        AUTO(buf_done) struct buf first = BUF_INIT(8 << 20);
        AUTO(buf_done) struct buf second = BUF_INIT(8 << 20);
        AUTO(buf_done) struct buf latin = BUF_INIT(8 << 20);
        assert_int_equal(sheet_pdf_write(b, &first, NULL), 0);
        assert_int_equal(sheet_pdf_write(b, &second, NULL), 0);
        assert_int_equal(sheet_pdf_write_in(b, &no_fonts, &latin, NULL), 0);
        assert_document(&first);
        assert_document(&latin);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
    }
}

static void a_very_long_name_does_not_break_the_layout(void **state)
{
    (void)state;
    char name[3000];
    memset(name, 'W', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    AUTO(book_freep) struct book *b = a_book(3, name);
    AUTO(buf_done) struct buf out = BUF_INIT(8 << 20);
    assert_int_equal(sheet_pdf_write(b, &out, NULL), 0);
    assert_document(&out);
}

static void a_document_beyond_the_ceiling_is_said(void **state)
{
    (void)state;
    AUTO(book_freep) struct book *b = a_book(10, "x");
    AUTO(buf_done) struct buf out = BUF_INIT(1000);
    struct err e = {""};
    assert_int_equal(sheet_pdf_write(b, &out, &e), -ENOMEM);
    assert_non_null(strstr(e.text, "larger than 1000 bytes"));
}

static void a_font_that_is_none_is_an_error_with_a_sentence(void **state)
{
    (void)state;
    AUTO(book_freep) struct book *b = a_book(1, "x");
    AUTO(buf_done) struct buf out = BUF_INIT(1 << 20);
    struct paper_fonts fonts = {"/etc/passwd", "/etc/passwd"};
    struct err e = {""};
    assert_int_equal(sheet_pdf_write_in(b, &fonts, &out, &e), -EIO);
    assert_non_null(strstr(e.text, "libhpdf's error"));
}

static void a_text_is_broken_where_it_may_be(void **state)
{
    static const struct {
        const char *text;
        double width;
        size_t fits;
    } cases[] = {
        {"", 10, 0},           {"word", 1000, 4},  {"word", 0, 1}, {"two words", 40, 4},
        {"two words", 0.1, 1}, {"one-two", 33, 4}, {"ü", 0, 2},    {"\xff\xff", 0, 1},
    };
    AUTO(paper_freep) struct paper *p = NULL;
    struct paper_style s = {10, false, 0};
    (void)state;
    assert_int_equal(paper_new(&no_fonts, false, "x", &p, NULL), 0);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(paper_fit(p, &s, cases[i].text, cases[i].width), cases[i].fits);
    assert_true(paper_measure(p, &s, "mmm", 3) > paper_measure(p, &s, "iii", 3));
    assert_true(paper_measure(p, &s, "", 0) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_book_gives_the_same_bytes),
        cmocka_unit_test(a_very_long_name_does_not_break_the_layout),
        cmocka_unit_test(a_document_beyond_the_ceiling_is_said),
        cmocka_unit_test(a_font_that_is_none_is_an_error_with_a_sentence),
        cmocka_unit_test(a_text_is_broken_where_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
