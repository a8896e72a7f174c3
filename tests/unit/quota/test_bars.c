// SPDX-License-Identifier: Apache-2.0
/* Which rows of a table become bars. */
#include "quota/bars.h"

#include <string.h>

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

static void a_second_label_stands_behind_the_first(void **state)
{
    static const struct column of_two[] = {
        {"name", COLUMN_TEXT}, {"project", COLUMN_TEXT}, {"net", COLUMN_GPUMS}};
    static const char *const rows[][3] = {{"Alice", "lattice", "Alice (lattice)"},
                                          {"Alice", "", "Alice"}};
    char text[BAR_TEXT], long_name[BAR_TEXT];
    (void)state;
    AUTO(book_freep) struct book *b = book_new("x");
    struct table *t = book_table(b, "users", "Users", "", of_two, COUNT(of_two));
    t->chart_label = 0;
    t->chart_more = 1;
    t->chart_value = 2;
    for (size_t i = 0; i < COUNT(rows); i++) {
        table_text(t, rows[i][0]);
        table_text(t, rows[i][1]);
        table_number(t, 1);
        struct bar bar = bar_of(t, i);
        assert_string_equal(bar_text(&bar, text), rows[i][2]);
    }
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_ptr_equal(bar_text(&(struct bar){.label = long_name, .more = "p"}, text), long_name);
}

static void digits_stand_in_groups_of_three(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"0", "0"},
        {"999", "999"},
        {"1000", "1,000"},
        {"-100", "-100"},
        {"-1000", "-1,000"},
        {"123456.789", "123,456.789"},
        {"0.0005", "0.0005"},
        {"-9223372036854775808", "-9,223,372,036,854,775,808"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[40];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        table_group_digits(text, sizeof(text));
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_without_chart_or_rows_has_none),
        cmocka_unit_test(the_largest_come_first_and_equals_keep_their_order),
        cmocka_unit_test(eleven_rows_stand_for_themselves_and_twelve_do_not),
        cmocka_unit_test(a_second_label_stands_behind_the_first),
        cmocka_unit_test(digits_stand_in_groups_of_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
