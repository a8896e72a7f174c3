// SPDX-License-Identifier: Apache-2.0
/* Which rows of a table become bars. */
#include "quota/bars.h"

#include "tests/unit/test.h"

static const struct column columns[] = {{"project", COLUMN_TEXT}, {"charged", COLUMN_GPUMS}};

static struct table *charted(struct book *b, const int64_t *values, size_t count)
{
    struct table *t = book_table(b, "projects", "Projects", "", columns, COUNT(columns));
    t->chart_label = 0;
    t->chart_value = 1;
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%zu", i);
        table_text(t, name);
        table_number(t, values[i]);
    }
    return t;
}

static void a_table_without_chart_or_rows_has_none(void **state)
{
    (void)state;
    AUTO(book_freep) struct book *b = book_new("x");
    struct bar bars[BARS_MAX];
    struct table *t = charted(b, NULL, 0);
    assert_int_equal(bars_of(t, bars), 0);
    table_text(t, "p");
    table_number(t, 1);
    t->chart_value = -1;
    assert_int_equal(bars_of(t, bars), 0);
}

static void the_largest_come_first_and_equals_keep_their_order(void **state)
{
    (void)state;
    static const int64_t values[] = {3, 9, -2, 9, 0};
    static const char *const order[] = {"p1", "p3", "p0", "p4", "p2"};
    AUTO(book_freep) struct book *b = book_new("x");
    struct bar bars[BARS_MAX];
    struct table *t = charted(b, values, COUNT(values));
    assert_int_equal(bars_of(t, bars), COUNT(order));
    for (size_t i = 0; i < COUNT(order); i++) {
        assert_string_equal(bars[i].label, order[i]);
        assert_int_equal(bars[i].rows, 1);
    }
}

static void eleven_rows_stand_for_themselves_and_twelve_do_not(void **state)
{
    (void)state;
    static const int64_t values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    char text[BAR_TEXT];
    struct bar bars[BARS_MAX];
    AUTO(book_freep) struct book *b = book_new("x");
    assert_int_equal(bars_of(charted(b, values, 11), bars), 11);
    assert_string_equal(bars[10].label, "p0");
    assert_int_equal(bars_of(charted(b, values, 12), bars), 11);
    assert_string_equal(bars[0].label, "p11");
    assert_null(bars[10].label);
    assert_int_equal(bars[10].value, 1 + 2);
    assert_string_equal(bar_text(&bars[10], text), "2 others");
    assert_string_equal(bar_text(&bars[0], text), "p11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_without_chart_or_rows_has_none),
        cmocka_unit_test(the_largest_come_first_and_equals_keep_their_order),
        cmocka_unit_test(eleven_rows_stand_for_themselves_and_twelve_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
