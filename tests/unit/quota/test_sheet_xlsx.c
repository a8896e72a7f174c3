// SPDX-License-Identifier: Apache-2.0
/* Names of sheets, and files that are whole or not there; what stands in them is read by the
 * flow test. */
#include "quota/sheet_xlsx.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/buf.h"
#include "tests/unit/test.h"

static const struct column columns[] = {{"name", COLUMN_TEXT}, {"count", COLUMN_INT}};

static void a_sheets_name_is_one_that_excel_takes(void **state)
{
    static const struct {
        const char *name, *group, *is;
    } cases[] = {
        {"projects", "", "projects"},
        {"projects", "", "projects (2)"},
        {"PROJECTS", "", "PROJECTS (3)"},
        {"projects", "North", "projects North"},
        {"a[b]c:d*e?f/g\\h", "", "a-b-c-d-e-f-g-h"},
        {"tab\tline\n", "", "tab-line-"},
        {"'quoted'", "", "quoted"},
        {"'''", "", "table"},
        {"", "", "table (2)"},
        {"\xff\xfe", "", "table (3)"},
        {"History", "", "History (2)"},
        {"about", "", "about (2)"},
        {"Chart data", "", "Chart data (2)"},
        {"projects", "Universität Süd und Größe im Osten", "projects Universität Süd und Gr"},
        {"projects", "Universität Süd und Größe im Westen", "projects Universität Süd un (2)"},
        {"Ärzte", "", "Ärzte"},
        {"Örzte", "",
         "Örzte (2)"}, /* stricter than Excel: any two letters beyond ASCII are one */
        {"🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀", "", "🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀"},
        {"0123456789012345678901234567890'x", "", "0123456789012345678901234567890"},
        {"012345678901234567890123456789'x", "", "012345678901234567890123456789"},
    };
    char taken[COUNT(cases)][SHEET_NAME_BYTES];
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct table t = {.name = (char *)cases[i].name, .group = (char *)cases[i].group};
        sheet_xlsx_name(&t, taken, i, taken[i]);
        assert_string_equal(taken[i], cases[i].is);
    }
}

static void name_file(char *out, size_t size, const char *name)
{
    const char *folder = getenv("TMPDIR");
    snprintf(out, size, "%s/ff-%d-%s", folder ? folder : "/tmp", (int)getpid(), name);
}

static size_t files_beside(const char *path)
{
    char pattern[300];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s*", path);
    size_t n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return n;
}

static struct book *a_book(void)
{
    struct book *b = book_new("A book");
    struct table *t = book_table(b, "rows", "Rows", "", columns, COUNT(columns));
    table_text(t, "=1+1");
    table_number(t, 3);
    return b;
}

static void a_file_is_replaced_whole_and_nothing_is_left_beside_it(void **state)
{
    (void)state;
    char path[200], start[4] = "";
    AUTO(book_freep) struct book *b = a_book();
    struct err e = {""};
    name_file(path, sizeof(path), "whole.xlsx");
    for (int i = 0; i < 2; i++)
        if (sheet_xlsx_write(b, path, &e) < 0)
            fail_msg("%s", e.text);
    AUTO(cleanup_close) int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, start, 4), 4);
    assert_memory_equal(start, "PK\3\4", 4);
    assert_int_equal(files_beside(path), 1);
    unlink(path);
}

static void a_book_without_tables_is_a_workbook_too(void **state)
{
    (void)state;
    char path[200];
    AUTO(book_freep) struct book *b = book_new("=nothing");
    name_file(path, sizeof(path), "empty.xlsx");
    assert_int_equal(sheet_xlsx_write(b, path, NULL), 0);
    unlink(path);
}

static void what_cannot_be_written_is_said_and_leaves_nothing(void **state)
{
    (void)state;
    char path[200];
    AUTO(book_freep) struct book *b = a_book();
    struct err e = {""};
    assert_int_equal(sheet_xlsx_write(b, "/nowhere/at/all.xlsx", &e), -EIO);
    assert_non_null(strstr(e.text, "/nowhere/at/all.xlsx: No such file"));
    name_file(path, sizeof(path), "folder");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(sheet_xlsx_write(b, path, &e), -EIO); /* a folder is in its place */
    assert_non_null(strstr(e.text, path));
    assert_int_equal(files_beside(path), 1);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sheets_name_is_one_that_excel_takes),
        cmocka_unit_test(a_file_is_replaced_whole_and_nothing_is_left_beside_it),
        cmocka_unit_test(a_book_without_tables_is_a_workbook_too),
        cmocka_unit_test(what_cannot_be_written_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
