// SPDX-License-Identifier: Apache-2.0
/* Tables through out.h, workbooks and documents through the sheets of the library. */
#include "quota/cli/book.h"

#include <errno.h>
#include <string.h>

#include "quota/cli/outfile.h"
#include "quota/sheet_pdf.h"
#include "quota/sheet_xlsx.h"
#include "runner/base/buf.h"

enum { PDF_MAX = 512 << 20 };

int book_check(struct cli *c, struct err *e)
{
    const char *path = cli_value(c, "out");
    bool is_binary = c->out.format == OUT_XLSX || c->out.format == OUT_PDF;
    if (is_binary && !path)
        return err_set(e, -EINVAL, "--format %s is no text: say where to with --out FILE",
                       cli_value(c, "format"));
    if (is_binary && c->out.picked)
        return err_set(e, -EINVAL, "--columns is for table, csv and json");
    return 0;
}

static int print_table(struct out *o, const struct table *t, struct err *e)
{
    o->is_record = !strcmp(t->name, "sums");
    int r = out_begin(o, t->name, t->columns, t->column_count, e);
    for (size_t row = 0; r == 0 && row < t->row_count; row++) {
        for (size_t column = 0; column < t->column_count; column++) {
            const struct table_cell *cell = table_cell(t, row, column);
            if (cell->is_empty)
                out_null(o);
            else if (cell->text)
                out_text(o, cell->text);
            else
                out_i64(o, cell->number);
        }
        out_row(o);
    }
    if (r == 0)
        out_end(o);
    return r;
}

/* The head as a table, for programs. */
static int print_about(struct out *o, const struct book *b, struct err *e)
{
    static const struct column columns[] = {{"name", COLUMN_TEXT}, {"value", COLUMN_TEXT}};
    int r = out_begin(o, "about", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < b->fact_count; i++) {
        out_text(o, b->facts[i].name);
        out_text(o, b->facts[i].value);
        out_row(o);
    }
    if (r == 0)
        out_end(o);
    return r;
}

/* Below the tables, for people. */
static void print_facts(struct out *o, const struct book *b)
{
    fputc('\n', o->file);
    for (size_t i = 0; i < b->fact_count; i++) {
        out_safe(o->file, b->facts[i].name);
        fputs(": ", o->file);
        out_safe(o->file, b->facts[i].value);
        fputc('\n', o->file);
    }
}

static bool is_one_table(const struct out *o, const struct book *b, const char *part)
{
    return part || b->table_count == 1 || o->format == OUT_CSV || o->picked;
}

int book_print(struct out *o, const struct book *b, const char *part, struct err *e)
{
    bool is_one = is_one_table(o, b, part);
    int r = 0;
    if (!is_one)
        out_group_begin(o);
    for (size_t i = 0; r == 0 && i < b->table_count; i++)
        if (!is_one || (part ? !strcmp(part, b->tables[i].name) : i == 0))
            r = print_table(o, &b->tables[i], e);
    if (r == 0 && !is_one && o->format == OUT_JSON)
        r = print_about(o, b, e);
    if (r == 0 && !is_one)
        out_group_end(o);
    if (r == 0 && !part && o->format == OUT_TABLE)
        print_facts(o, b);
    return r;
}

int book_write_xlsx(const struct book *b, const char *path, struct err *e)
{
    return sheet_xlsx_write(b, path, e);
}

int book_write_pdf(const struct book *b, FILE *file, struct err *e)
{
    AUTO(buf_done) struct buf bytes = BUF_INIT(PDF_MAX);
    int r = sheet_pdf_write(b, &bytes, e);
    if (r == 0)
        fwrite(bytes.data, 1, bytes.len, file); /* whether it went well: outfile_finish() */
    return r;
}

int book_write(struct cli *c, const struct book *b, const struct book *paper, const char *part,
               struct err *e)
{
    AUTO(outfile_done) struct outfile f = {0};
    const char *path = cli_value(c, "out");
    if (!path)
        return book_print(&c->out, b, part, e);
    if (c->out.format == OUT_XLSX)
        return book_write_xlsx(b, path, e);
    int r = outfile_begin(&f, path, e);
    if (r < 0)
        return r;
    c->out.file = f.file;
    r = c->out.format == OUT_PDF ? book_write_pdf(paper, f.file, e)
                                 : book_print(&c->out, b, part, e);
    c->out.file = stdout;
    if (r == 0)
        r = outfile_finish(&f, e);
    return r < 0 ? r : outfile_name(&f, e);
}
