// SPDX-License-Identifier: Apache-2.0
/* The same rows as table, csv and json, and that hostile texts stay harmless in each. */
#include "quota/cli/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner/base/cleanup.h"
#include "tests/unit/test.h"

static const struct column columns[] = {
    {"name", COLUMN_TEXT},     {"jobs", COLUMN_INT}, {"free_now", COLUMN_GPUMS},
    {"at", COLUMN_TIME},       {"run", COLUMN_SPAN}, {"memory", COLUMN_BYTES},
    {"weight", COLUMN_WEIGHT},
};

enum { AT_MS = 1793487600 }; /* seconds: 2026-11-01 00:00 in Berlin */

static char *text;
static size_t text_len;

static struct out begin(enum out_format format)
{
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return (struct out){.file = open_memstream(&text, &text_len), .format = format};
}

static void row(struct out *o, const char *name)
{
    out_text(o, name);
    out_i64(o, -7);
    out_i64(o, 5400000);
    out_i64(o, INT64_C(1000) * AT_MS);
    out_i64(o, 90061000);
    out_i64(o, 1024);
    out_i64(o, 250);
    out_row(o);
}

static void is(struct out *o, const char *wanted)
{
    fclose(o->file);
    assert_string_equal(text, wanted);
    free(text);
    text = NULL;
}

static void a_table_is_aligned_for_people(void **state)
{
    struct out o = begin(OUT_TABLE);
    (void)state;
    assert_int_equal(out_begin(&o, "", columns, COUNT(columns), NULL), 0);
    row(&o, "ü");
    row(&o, "longer");
    out_end(&o);
    is(&o, "NAME    JOBS  FREE NOW GPU-h  AT                           RUN  MEMORY  WEIGHT\n"
           "ü         -7           1.500  2026-11-01 00:00:00  1d 01:01:01    1024   0.250\n"
           "longer    -7           1.500  2026-11-01 00:00:00  1d 01:01:01    1024   0.250\n"
           "2 rows\n");
}

static void csv_says_its_units(void **state)
{
    struct out o = begin(OUT_CSV);
    (void)state;
    o.unit = AMOUNT_SECONDS;
    out_begin(&o, "", columns, COUNT(columns), NULL);
    row(&o, "x");
    out_end(&o);
    is(&o, "name,jobs,free_now_gpu_s,at,run_ms,memory_bytes,weight\r\n"
           "x,-7,5400.000,2026-11-01T00:00:00+01:00,90061000,1024,0.250\r\n");
}

static void json_is_exact(void **state)
{
    struct out o = begin(OUT_JSON);
    (void)state;
    out_begin(&o, "", columns, COUNT(columns), NULL);
    row(&o, "a\"\n");
    out_end(&o);
    is(&o, "[\n{\"name\":\"a\\\"\\n\",\"jobs\":-7,\"free_now_gpums\":5400000,\"at_ms\":"
           "1793487600000,"
           "\"run_ms\":90061000,\"memory_bytes\":1024,\"weight_permille\":250}\n]\n");
}

static void nothing_is_nothing_in_each_format(void **state)
{
    static const char *const wanted[] = {"NAME  AT\n      \n1 row\n", "name,at\r\n,\r\n",
                                         "[\n{\"name\":null,\"at_ms\":null}\n]\n"};
    (void)state;
    for (int format = OUT_TABLE; format <= OUT_JSON; format++) {
        struct out o = begin((enum out_format)format);
        o.picked = "name,at";
        out_begin(&o, "", columns, COUNT(columns), NULL);
        for (size_t i = 0; i < COUNT(columns); i++) {
            if (columns[i].kind == COLUMN_TIME)
                out_i64(&o, 0);
            else
                out_null(&o);
        }
        out_row(&o);
        out_end(&o);
        is(&o, wanted[format]);
    }
}

static void no_rows_are_an_answer(void **state)
{
    static const char *const wanted[] = {"NAME\n0 rows\n", "name\r\n", "[]\n"};
    (void)state;
    for (int format = OUT_TABLE; format <= OUT_JSON; format++) {
        struct out o = begin((enum out_format)format);
        out_begin(&o, "", columns, 1, NULL);
        out_end(&o);
        is(&o, wanted[format]);
    }
}

static void several_tables_make_one_object(void **state)
{
    struct out o = begin(OUT_JSON);
    (void)state;
    out_group_begin(&o);
    for (int i = 0; i < 2; i++) {
        out_begin(&o, i ? "b" : "a", columns, 1, NULL);
        for (int k = 0; k < 2 * i; k++) {
            out_text(&o, "x");
            out_row(&o);
        }
        out_end(&o);
    }
    out_group_end(&o);
    is(&o, "{\"a\":[],\n\"b\":[\n{\"name\":\"x\"},\n{\"name\":\"x\"}\n]}\n");
}

static void a_record_is_printed_line_by_line(void **state)
{
    struct out o = begin(OUT_TABLE);
    (void)state;
    o.is_record = true;
    out_begin(&o, "", columns, 3, NULL);
    out_text(&o, "north");
    out_i64(&o, 3);
    out_i64(&o, 0);
    out_row(&o);
    out_end(&o);
    is(&o, "NAME            north\nJOBS            3\nFREE NOW GPU-h  0.000\n");
}

static void control_bytes_never_reach_a_terminal(void **state)
{
    struct out o = begin(OUT_TABLE);
    (void)state;
    out_begin(&o, "", columns, 1, NULL);
    out_text(&o, "a\x1b]0;x\x07\nb\x7f");
    out_row(&o);
    out_end(&o);
    is(&o, "NAME\na\\x1b]0;x\\x07\\x0ab\\x7f\n1 row\n");
}

static void columns_are_picked_by_name(void **state)
{
    size_t order[OUT_COLUMNS_MAX], count = 0;
    struct err e = {""};
    (void)state;
    assert_int_equal(out_pick(columns, COUNT(columns), "at,name,at", order, &count, &e), 0);
    assert_int_equal(count, 3);
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 0);
    static const char *const bad[] = {"", "nam", "name,", ",name", "name,x", "NAME", "name "};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(out_pick(columns, COUNT(columns), bad[i], order, &count, &e), -EINVAL);
        assert_non_null(strstr(e.text, "there are name,jobs,"));
    }
}

static void a_long_table_is_printed_in_parts(void **state)
{
    struct out o = begin(OUT_TABLE);
    size_t lines = 0;
    (void)state;
    out_begin(&o, "", columns, 1, NULL);
    for (int i = 0; i < 2 * OUT_ROWS_MAX + 1; i++) {
        out_text(&o, "x");
        out_row(&o);
    }
    out_end(&o);
    fclose(o.file);
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 2 * OUT_ROWS_MAX + 3);
    assert_null(strstr(text + 1, "NAME"));
    assert_non_null(strstr(text, "2001 rows\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_aligned_for_people),
        cmocka_unit_test(csv_says_its_units),
        cmocka_unit_test(json_is_exact),
        cmocka_unit_test(nothing_is_nothing_in_each_format),
        cmocka_unit_test(no_rows_are_an_answer),
        cmocka_unit_test(several_tables_make_one_object),
        cmocka_unit_test(a_record_is_printed_line_by_line),
        cmocka_unit_test(control_bytes_never_reach_a_terminal),
        cmocka_unit_test(columns_are_picked_by_name),
        cmocka_unit_test(a_long_table_is_printed_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
