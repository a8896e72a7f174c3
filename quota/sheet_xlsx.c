// SPDX-License-Identifier: Apache-2.0
/* Fills a libxlsxwriter workbook from a book. The library keeps rows in memory until the file
 * is closed; the first error of any call is kept and ends in one sentence. */
#include "quota/sheet_xlsx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <xlsxwriter.h>

#include "quota/bars.h"
#include "runner/base/buf.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"

enum {
    WIDTH_MIN = 9,
    WIDTH_MAX = 60,
    FILTER_ARROW = 5,
    MS_OF_HOUR = 3600000,
    TEXT_MAX = 32767, /* of one cell */
    FACT_WIDTH = 78,  /* characters of a line, in the widest of usual fonts */
    ROW_POINTS = 15,  /* the library's, as are those of the row and the chart in pixels */
    ROW_PX = 20,
    CHART_HEIGHT_PX = 288,
    CHART_FRAME_PX = 120, /* title and axis */
    BAR_PX = 26
};

static const char about_name[] = "About", data_name[] = "Chart data";

struct sheets {
    lxw_workbook *workbook;
    lxw_format *title, *heading, *heading_right, *fact, *fact_value, *text, *link;
    lxw_format *of_kind[COLUMN_WEIGHT + 1];
    char (*names)[SHEET_NAME_BYTES]; /* of all sheets; the first is About's */
    size_t name_count;
    lxw_worksheet *data;           /* of the charts; NULL while there is none */
    lxw_row_t data_row, chart_row; /* the next ones of data's sheet, and of About */
    lxw_error error;               /* the first */
};

static void keep(struct sheets *s, lxw_error error)
{
    if (s->error == LXW_NO_ERROR)
        s->error = error;
}

/* ---- names */

static size_t char_bytes(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Excel counts UTF-16 units: a character beyond the first plane is two. */
static size_t cut_at(const char *text, size_t max_units)
{
    size_t at = 0, units = 0;
    while (text[at]) {
        size_t bytes = char_bytes((unsigned char)text[at]);
        units += bytes == 4 ? 2 : 1;
        if (units > max_units)
            break;
        at += bytes;
    }
    return at;
}

/* Letters' case does not count, and no letter outside ASCII is told from another: stricter than
 * Excel is, whose rules for them are long. */
static bool is_like(const char *a, const char *b)
{
    while (*a && *b) {
        bool is_other = (unsigned char)*a >= 0x80 && (unsigned char)*b >= 0x80;
        if (!is_other && strncasecmp(a, b, 1))
            return false;
        a += char_bytes((unsigned char)*a);
        b += char_bytes((unsigned char)*b);
    }
    return *a == *b;
}

static bool is_taken(const char *name, char (*taken)[SHEET_NAME_BYTES], size_t count)
{
    if (is_like(name, "History") || is_like(name, about_name) || is_like(name, data_name))
        return true; /* the first is Excel's own */
    for (size_t i = 0; i < count; i++)
        if (is_like(name, taken[i]))
            return true;
    return false;
}

static void put_clean(struct buf *b, const char *text)
{
    for (const char *p = text; *p; p++)
        buf_put_char(b, (unsigned char)*p < 0x20 || strchr("[]:*?/\\\x7f", *p) ? '-' : *p);
}

void sheet_xlsx_name(const struct table *t, char (*taken)[SHEET_NAME_BYTES], size_t count,
                     char out[SHEET_NAME_BYTES])
{
    AUTO(buf_done) struct buf b = BUF_INIT(4096);
    char tail[16] = "";
    put_clean(&b, t->name);
    if (*t->group) {
        buf_put(&b, " ");
        put_clean(&b, t->group);
    }
    const char *whole = buf_text(&b);
    whole += strspn(whole, "'");
    if (!*whole || !parse_is_utf8(whole, strlen(whole)))
        whole = "table";
    for (int i = 2;; i++) {
        size_t n = cut_at(whole, SHEET_NAME_MAX - strlen(tail));
        while (!*tail && n > 1 && whole[n - 1] == '\'')
            n--;
        snprintf(out, SHEET_NAME_BYTES, "%.*s%s", (int)n, whole, tail);
        if (!is_taken(out, taken, count))
            return;
        snprintf(tail, sizeof(tail), " (%d)", i);
    }
}

/* ---- formats */

static lxw_format *new_format(struct sheets *s, const char *numbers)
{
    lxw_format *f = workbook_add_format(s->workbook);
    format_set_align(f, LXW_ALIGN_VERTICAL_TOP);
    if (numbers)
        format_set_num_format(f, numbers);
    return f;
}

static void make_formats(struct sheets *s)
{
    static const char *const numbers[] = {
        [COLUMN_INT] = "#,##0",
        [COLUMN_GPUMS] = "#,##0.0000",
        [COLUMN_TIME] = "yyyy-mm-dd hh:mm",
        [COLUMN_SPAN] = "[h]:mm:ss",
        [COLUMN_BYTES] = "#,##0",
        [COLUMN_SHARE] = "0.0%",
        [COLUMN_WEIGHT] = "0.000",
    };
    for (size_t i = 0; i < COUNT(numbers); i++)
        s->of_kind[i] = new_format(s, numbers[i]);
    s->text = s->of_kind[COLUMN_TEXT];
    s->title = new_format(s, NULL);
    format_set_bold(s->title);
    format_set_font_size(s->title, 16);
    s->fact = new_format(s, NULL);
    format_set_font_color(s->fact, 0x5b6770);
    s->fact_value = new_format(s, NULL);
    format_set_text_wrap(s->fact_value);
    s->link = new_format(s, NULL);
    format_set_font_color(s->link, 0x1f5f99);
    format_set_underline(s->link, LXW_UNDERLINE_SINGLE);
    s->heading = new_format(s, NULL);
    s->heading_right = new_format(s, NULL);
    lxw_format *const headings[] = {s->heading, s->heading_right};
    for (size_t i = 0; i < COUNT(headings); i++) {
        format_set_bold(headings[i]);
        format_set_bg_color(headings[i], 0xe3ebf2);
        format_set_bottom(headings[i], LXW_BORDER_THIN);
        format_set_text_wrap(headings[i]);
    }
    format_set_align(s->heading_right, LXW_ALIGN_RIGHT);
}

/* ---- cells */

/* A text as the file can hold it: well-formed, and cut where a cell ends. */
static char *cell_text(const char *text)
{
    if (!parse_is_utf8(text, strlen(text)))
        return xdup("(not UTF-8)");
    char *copy = xdup(text);
    copy[cut_at(copy, TEXT_MAX)] = '\0';
    return copy;
}

static void put_text(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
                     const char *text, lxw_format *format)
{
    AUTO(cleanup_free) char *copy = cell_text(text);
    keep(s, worksheet_write_string(sheet, row, column, copy, format));
}

static void put_number(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
                       double number, lxw_format *format)
{
    keep(s, worksheet_write_number(sheet, row, column, number, format));
}

static void put_time(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
                     int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    if (!at_ms || !localtime_r(&seconds, &local))
        return;
    lxw_datetime at = {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
                       local.tm_hour,        local.tm_min,     local.tm_sec};
    keep(s, worksheet_write_datetime(sheet, row, column, &at, s->of_kind[COLUMN_TIME]));
}

static double number_of(enum column_kind kind, int64_t n)
{
    switch (kind) {
    case COLUMN_GPUMS:
        return (double)n / MS_OF_HOUR;
    case COLUMN_SPAN:
        return (double)n / (24.0 * MS_OF_HOUR); /* Excel's unit is the day */
    case COLUMN_SHARE:
    case COLUMN_WEIGHT:
        return (double)n / 1000;
    default:
        return (double)n;
    }
}

static void put_cell(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column,
                     enum column_kind kind, const struct table_cell *cell)
{
    if (cell->is_empty)
        return;
    if (kind == COLUMN_TEXT)
        put_text(s, sheet, row, column, cell->text ? cell->text : "", s->text);
    else if (kind == COLUMN_TIME)
        put_time(s, sheet, row, column, cell->number);
    else
        put_number(s, sheet, row, column, number_of(kind, cell->number), s->of_kind[kind]);
}

/* ---- the heading, and how wide its columns are */

static const char *unit_of(enum column_kind kind)
{
    switch (kind) {
    case COLUMN_GPUMS:
        return " (GPU-h)";
    case COLUMN_SPAN:
        return " (h:mm:ss)";
    case COLUMN_BYTES:
        return " (bytes)";
    default:
        return "";
    }
}

static void heading_text(const struct column *c, char out[80])
{
    size_t n = 0;
    for (; c->name[n] && n < 60; n++)
        out[n] = c->name[n] == '_' ? ' ' : c->name[n];
    snprintf(out + n, 80 - n, "%s", unit_of(c->kind));
}

static size_t width_of(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

static size_t cell_width(const struct table_cell *cell, enum column_kind kind)
{
    char text[64];
    switch (kind) {
    case COLUMN_TEXT:
        return cell->text ? width_of(cell->text) : 0;
    case COLUMN_TIME:
        return sizeof("2026-10-01 00:00");
    case COLUMN_GPUMS:
        return (size_t)snprintf(text, sizeof(text), "%.4f", number_of(kind, cell->number)) + 3;
    default:
        return (size_t)snprintf(text, sizeof(text), "%lld", (long long)cell->number) + 3;
    }
}

static double column_width(const struct table *t, size_t column, const char *heading)
{
    size_t widest = width_of(heading) + FILTER_ARROW;
    for (size_t row = 0; row < t->row_count; row++) {
        size_t n = cell_width(table_cell(t, row, column), t->columns[column].kind);
        widest = n > widest ? n : widest;
    }
    widest = widest < WIDTH_MIN ? WIDTH_MIN : widest;
    return widest > WIDTH_MAX ? WIDTH_MAX : (double)widest;
}

/* As it is printed, on A4: a table across, as many pages long as it takes; else one page. */
static void set_page(lxw_worksheet *sheet, bool is_table)
{
    if (is_table)
        worksheet_set_landscape(sheet);
    worksheet_set_paper(sheet, 9);
    worksheet_fit_to_pages(sheet, 1, is_table ? 0 : 1);
}

static void put_heading(struct sheets *s, lxw_worksheet *sheet, const struct table *t)
{
    for (size_t i = 0; i < t->column_count; i++) {
        char text[80];
        lxw_col_t at = (lxw_col_t)i;
        bool is_text = t->columns[i].kind == COLUMN_TEXT;
        heading_text(&t->columns[i], text);
        put_text(s, sheet, 0, at, text, is_text ? s->heading : s->heading_right);
        keep(s, worksheet_set_column(sheet, at, at, column_width(t, i, text) + 1, NULL));
    }
    worksheet_freeze_panes(sheet, 1, 0);
    keep(s, worksheet_autofilter(sheet, 0, 0, (lxw_row_t)(t->row_count ? t->row_count : 1),
                                 (lxw_col_t)(t->column_count - 1)));
    worksheet_repeat_rows(sheet, 0, 0);
    set_page(sheet, true);
}

/* ---- charts */

static void begin_data(struct sheets *s)
{
    if (s->data)
        return;
    s->data = workbook_add_worksheet(s->workbook, data_name);
    worksheet_set_column(s->data, 0, 0, 40, NULL);
    worksheet_set_column(s->data, 1, 1, 18, NULL);
}

/* Writes the bars and returns the row of the first. */
static lxw_row_t put_data(struct sheets *s, const struct table *t, const struct bar *bars,
                          size_t count)
{
    enum column_kind kind = t->columns[t->chart_value].kind;
    char heading[80], label[BAR_TEXT];
    heading_text(&t->columns[t->chart_value], heading);
    put_text(s, s->data, s->data_row, 0, t->title, s->heading);
    put_text(s, s->data, s->data_row, 1, heading, s->heading_right);
    lxw_row_t first = ++s->data_row;
    for (size_t i = 0; i < count; i++, s->data_row++) {
        put_text(s, s->data, s->data_row, 0, bar_text(&bars[i], label), s->text);
        put_number(s, s->data, s->data_row, 1, number_of(kind, bars[i].value),
                   s->of_kind[kind]);
    }
    s->data_row++;
    return first;
}

/* Below what the sheet has; as high as its bars need. */
static void place_chart(struct sheets *s, lxw_worksheet *sheet, lxw_chart *chart, size_t bars)
{
    double height = CHART_FRAME_PX + BAR_PX * (double)bars;
    lxw_chart_options place = {.x_scale = 1.65, .y_scale = height / CHART_HEIGHT_PX};
    keep(s, worksheet_insert_chart_opt(sheet, s->chart_row, 0, chart, &place));
    s->chart_row += (lxw_row_t)(height / ROW_PX) + 2;
}

static void put_chart(struct sheets *s, lxw_worksheet *sheet, const struct table *t)
{
    struct bar bars[BARS_MAX];
    size_t count = bars_of(t, bars);
    char heading[80];
    if (!count)
        return;
    lxw_row_t first = put_data(s, t, bars, count), last = first + (lxw_row_t)count - 1;
    lxw_chart *chart = workbook_add_chart(s->workbook, LXW_CHART_BAR);
    lxw_chart_series *series = chart_add_series(chart, NULL, NULL);
    chart_series_set_categories(series, data_name, first, 0, last, 0);
    chart_series_set_values(series, data_name, first, 1, last, 1);
    heading_text(&t->columns[t->chart_value], heading);
    chart_series_set_name(series, heading);
    lxw_chart_fill fill = {.color = 0x2f6f9f};
    chart_series_set_fill(series, &fill);
    chart_series_set_labels(series);
    chart_series_set_labels_num_format(series, "#,##0.0");
    /* A title that begins with '=' would be taken for a formula. */
    AUTO(cleanup_free) char *title = cell_text(t->title);
    chart_title_set_name(chart, *title == '=' ? "chart" : title);
    chart_axis_set_reverse(chart->y_axis);      /* the largest on top … */
    chart_axis_set_crossing_max(chart->y_axis); /* … and the numbers below all the same */
    chart_axis_set_name(chart->x_axis, heading);
    chart_axis_set_num_format(chart->x_axis, "#,##0");
    chart_set_series_gap(chart, 40);
    chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
    place_chart(s, sheet, chart, count);
}

/* ---- sheets */

/* One figure a line, with its name. Long texts run over the empty cells to their right. */
static void put_record(struct sheets *s, lxw_worksheet *sheet, const struct table *t)
{
    put_text(s, sheet, 0, 0, "name", s->heading);
    put_text(s, sheet, 0, 1, "value", s->heading_right);
    keep(s, worksheet_set_column(sheet, 0, 0, 32, NULL));
    keep(s, worksheet_set_column(sheet, 1, 1, 20, NULL));
    worksheet_freeze_panes(sheet, 1, 0);
    set_page(sheet, false);
    for (size_t i = 0; i < t->column_count; i++) {
        char name[80];
        heading_text(&t->columns[i], name);
        put_text(s, sheet, (lxw_row_t)i + 1, 0, name, s->fact);
        put_cell(s, sheet, (lxw_row_t)i + 1, 1, t->columns[i].kind, table_cell(t, 0, i));
    }
}

static void put_table(struct sheets *s, lxw_worksheet *sheet, const struct table *t)
{
    if (t->is_record && t->row_count == 1) {
        put_record(s, sheet, t);
        return;
    }
    put_heading(s, sheet, t);
    for (size_t row = 0; row < t->row_count && s->error == LXW_NO_ERROR; row++)
        for (size_t i = 0; i < t->column_count; i++)
            put_cell(s, sheet, (lxw_row_t)row + 1, (lxw_col_t)i, t->columns[i].kind,
                     table_cell(t, row, i));
}

/* A link to a sheet of the workbook; quotes in its name are doubled. */
static void put_link(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row, const char *name)
{
    AUTO(buf_done) struct buf url = BUF_INIT(512);
    buf_put(&url, "internal:'");
    for (const char *p = name; *p; p++)
        buf_printf(&url, *p == '\'' ? "'%c" : "%c", *p);
    buf_put(&url, "'!A1");
    keep(s, worksheet_write_url_opt(sheet, row, 0, buf_text(&url), s->link, name, NULL));
}

/* Over as many lines as it needs: not every program makes a row higher by itself. */
static void put_fact(struct sheets *s, lxw_worksheet *sheet, lxw_row_t row,
                     const struct book_fact *f)
{
    size_t lines = width_of(f->value) / FACT_WIDTH + 1;
    put_text(s, sheet, row, 0, f->name, s->fact);
    put_text(s, sheet, row, 1, f->value, s->fact_value);
    if (lines > 1)
        worksheet_set_row(sheet, row, ROW_POINTS * (double)lines, NULL);
}

static void put_about(struct sheets *s, lxw_worksheet *sheet, const struct book *b)
{
    lxw_row_t row = 0;
    put_text(s, sheet, row, 0, b->title, s->title);
    worksheet_set_row(sheet, 0, 26, NULL);
    worksheet_set_column(sheet, 0, 0, 32, NULL);
    worksheet_set_column(sheet, 1, 1, 90, NULL);
    set_page(sheet, false);
    row += 2;
    for (size_t i = 0; i < b->fact_count; i++)
        put_fact(s, sheet, row++, &b->facts[i]);
    row++;
    put_text(s, sheet, row, 0, "sheet", s->heading);
    put_text(s, sheet, row++, 1, "contents", s->heading);
    for (size_t i = 0; i < b->table_count; i++, row++) {
        const struct table *t = &b->tables[i];
        put_link(s, sheet, row, s->names[i + 1]);
        put_text(s, sheet, row, 1, t->title, s->text);
    }
    s->chart_row = row + 1;
}

static void fill(struct sheets *s, const struct book *b)
{
    AUTO(cleanup_free) lxw_worksheet **sheets = xnew_array(lxw_worksheet *, b->table_count + 1);
    make_formats(s);
    sheets[0] = workbook_add_worksheet(s->workbook, s->names[0]);
    for (size_t i = 0; i < b->table_count; i++) {
        sheet_xlsx_name(&b->tables[i], s->names, s->name_count, s->names[i + 1]);
        s->name_count++;
        sheets[i + 1] = workbook_add_worksheet(s->workbook, s->names[i + 1]);
        if (!sheets[i + 1]) {
            keep(s, LXW_ERROR_PARAMETER_VALIDATION);
            return;
        }
    }
    put_about(s, sheets[0], b);
    for (size_t i = 0; i < b->table_count; i++)
        put_table(s, sheets[i + 1], &b->tables[i]);
    for (size_t i = 0; i < b->table_count; i++) {
        if (b->tables[i].chart_value < 0 || !b->tables[i].row_count)
            continue;
        begin_data(s); /* the last sheet */
        put_chart(s, sheets[0], &b->tables[i]);
    }
}

/* ---- the file */

/* The library's temporary files, as large as the workbook is, go where it goes. */
static lxw_workbook *new_workbook(const char *beside)
{
    AUTO(cleanup_free) char *folder = xdup(beside);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0'; /* of "/file" the root is left */
    lxw_workbook_options options = {.tmpdir = slash ? folder : "."};
    return workbook_new_opt(beside, &options);
}

static int write_to(const struct book *b, const char *beside, const char *path, struct err *e)
{
    struct sheets s = {.workbook = new_workbook(beside), .name_count = 1};
    if (!s.workbook)
        return err_set(e, -EIO, "%s: the spreadsheet library could not start", path);
    s.names = xalloc(b->table_count + 1, sizeof(*s.names));
    snprintf(s.names[0], sizeof(s.names[0]), "%s", about_name);
    AUTO(cleanup_free) char *title = cell_text(b->title);
    lxw_doc_properties properties = {.title = title};
    keep(&s, workbook_set_properties(s.workbook, &properties));
    fill(&s, b);
    keep(&s, workbook_close(s.workbook)); /* frees it whatever happened */
    free(s.names);
    if (s.error == LXW_ERROR_WORKSHEET_INDEX_OUT_OF_RANGE)
        return err_set(e, -E2BIG, "%s: a table has more rows than a sheet; write it as csv",
                       path);
    if (s.error != LXW_NO_ERROR)
        return err_set(e, -EIO, "%s: the spreadsheet could not be written: %s", path,
                       lxw_strerror(s.error));
    return 0;
}

static int sync_file(const char *path, struct err *e)
{
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_set(e, -EIO, "%s: %s", path, strerror(errno));
    return 0;
}

int sheet_xlsx_write(const struct book *b, const char *path, struct err *e)
{
    AUTO(buf_done) struct buf beside = BUF_INIT(4096);
    char random[17];
    random_hex(random, 8);
    buf_printf(&beside, "%s.%s.tmp", path, random);
    if (beside.failed)
        return err_set(e, -ENAMETOOLONG, "%.200s…: the path is too long", path);
    AUTO(cleanup_close)
    int fd = open(buf_text(&beside), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(e, -EIO, "%s: %s", path, strerror(errno));
    int r = write_to(b, buf_text(&beside), path, e);
    if (r == 0)
        r = sync_file(buf_text(&beside), e);
    if (r == 0 && rename(buf_text(&beside), path) < 0)
        r = err_set(e, -EIO, "%s: %s", path, strerror(errno));
    if (r < 0)
        unlink(buf_text(&beside));
    return r;
}
