// SPDX-License-Identifier: Apache-2.0
/* Writes a book of one of several kinds as a workbook and as documents, for the flow test that
 * opens them: sheet_probe KIND FOLDER makes KIND.xlsx, KIND.pdf and KIND.latin.pdf there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/sheet_pdf.h"
#include "quota/sheet_xlsx.h"

enum { HOUR = 3600000, PATH = 400 };

static const int64_t november_ms = 1793487600000; /* 2026-11-01 00:00 in Berlin */

static const struct column project_columns[] = {{"project", COLUMN_TEXT},
                                                {"title", COLUMN_TEXT},
                                                {"jobs", COLUMN_INT},
                                                {"charged", COLUMN_GPUMS},
                                                {"refunded", COLUMN_GPUMS}};

static const struct column kind_columns[] = {
    {"text", COLUMN_TEXT},     {"count", COLUMN_INT},   {"net", COLUMN_GPUMS},
    {"ended_at", COLUMN_TIME}, {"waited", COLUMN_SPAN}, {"memory", COLUMN_BYTES},
    {"weight", COLUMN_WEIGHT}, {"idle", COLUMN_SHARE}};

static const struct column wide_columns[] = {
    {"project", COLUMN_TEXT},  {"allocation", COLUMN_INT}, {"from", COLUMN_TIME},
    {"until", COLUMN_TIME},    {"opening", COLUMN_GPUMS},  {"granted", COLUMN_GPUMS},
    {"expired", COLUMN_GPUMS}, {"charged", COLUMN_GPUMS},  {"refunded", COLUMN_GPUMS},
    {"free", COLUMN_GPUMS},    {"held", COLUMN_GPUMS},     {"used", COLUMN_GPUMS}};

static void put_projects(struct book *b, const char *group, int count)
{
    static const char *const titles[] = {
        "Lattice QCD", "Strömungslöser für Flüsse (Łódź, Ελληνικά)",
        "a title that is so long that nobody would ever read it to its end, but all of it must "
        "be there nevertheless"};
    struct table *t = book_table(b, "projects", "GPU-hours by project", group, project_columns,
                                 COUNT(project_columns));
    t->chart_label = 0;
    t->chart_value = 3;
    for (int i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "project-%03d", i);
        table_text(t, name);
        table_text(t, titles[i % COUNT(titles)]);
        table_number(t, 1000 + i);
        table_number(t, (int64_t)(count - i) * HOUR * 100 + HOUR / 2);
        table_number(t, i * (HOUR / 4));
    }
}

static void put_kinds(struct book *b, const char *name, size_t rows)
{
    static const char *const texts[] = {"=1+1",       "@cmd|' /C calc'!A0", "+49", "-1",
                                        "<b>&amp;\"", "\xff not UTF-8",     "",    "007"};
    static const int64_t numbers[] = {
        -1234567, -5000 * (int64_t)HOUR, november_ms, 93784000, 68719476736, 1500, 375};
    struct table *t = book_table(b, name, "All kinds", "", kind_columns, COUNT(kind_columns));
    t->is_record = rows == 1;
    for (size_t i = 0; i < rows && i < COUNT(texts); i++) {
        table_text(t, texts[i]);
        for (size_t k = 0; k < COUNT(numbers); k++) {
            if (i == 1)
                table_empty(t);
            else
                table_number(t, i ? 0 : numbers[k]);
        }
    }
}

static void put_wide(struct book *b, int count)
{
    struct table *t =
        book_table(b, "allocations", "Allocations", "North", wide_columns, COUNT(wide_columns));
    for (int i = 0; i < count; i++) {
        table_text(t, "lattice");
        table_number(t, i + 1);
        table_number(t, november_ms);
        table_number(t, november_ms * 2);
        for (int64_t k = 1; k <= 8; k++)
            table_number(t, k * HOUR * 123456);
    }
}

static struct book *book_of(const char *kind)
{
    struct book *b = book_new("GPU-hours of October 2026");
    book_fact(b, "Site", "Compute Süd");
    book_fact(b, "Month", "2026-10");
    book_fact(b, "Checksum",
              "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    if (!strcmp(kind, "tenants")) {
        put_projects(b, "University of the North", 7);
        put_projects(b, "Universität Süd", 14);
    } else if (!strcmp(kind, "many")) {
        put_projects(b, "", 200);
    } else if (!strcmp(kind, "none")) {
        put_projects(b, "", 0);
    } else if (!strcmp(kind, "kinds")) {
        put_kinds(b, "all kinds: [x]", 8);
    } else if (!strcmp(kind, "record")) {
        put_kinds(b, "sums", 1);
    } else if (!strcmp(kind, "wide")) {
        put_wide(b, 3);
    }
    return b;
}

static int write_pdf(const struct book *b, const char *path, bool is_latin, struct err *e)
{
    static const struct paper_fonts none = {"/nowhere/a.ttf", "/nowhere/b.ttf"};
    AUTO(buf_done) struct buf out = BUF_INIT(64 << 20);
    int r = is_latin ? sheet_pdf_write_in(b, &none, &out, e) : sheet_pdf_write(b, &out, e);
    FILE *file = r == 0 ? fopen(path, "w") : NULL;
    if (!file || fwrite(out.data, 1, out.len, file) != out.len || fclose(file))
        return r ? r : -1;
    return 0;
}

int main(int argc, char **argv)
{
    char xlsx[PATH], pdf[PATH], latin[PATH];
    struct err e = {""};
    if (argc != 3)
        return 2;
    AUTO(book_freep) struct book *b = book_of(argv[1]);
    snprintf(xlsx, PATH, "%s/%s.xlsx", argv[2], argv[1]);
    snprintf(pdf, PATH, "%s/%s.pdf", argv[2], argv[1]);
    snprintf(latin, PATH, "%s/%s.latin.pdf", argv[2], argv[1]);
    if (sheet_xlsx_write(b, xlsx, &e) < 0 || write_pdf(b, pdf, false, &e) < 0 ||
        write_pdf(b, latin, true, &e) < 0) {
        fprintf(stderr, "sheet_probe: %s\n", e.text);
        return 1;
    }
    return 0;
}
