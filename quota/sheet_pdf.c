// SPDX-License-Identifier: Apache-2.0
/* Lays a book out from top to bottom: y is where the next thing begins, and what does not fit
 * above the foot begins a page. Columns are as wide as their cells; if that is too wide, texts
 * are broken into lines first, and then everything is set smaller. */
#include "quota/sheet_pdf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "quota/amount.h"
#include "quota/bars.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { LINES_MAX = 4, CELL_TEXT = 64, CHECKSUM_DIGITS = 16 };

static const uint32_t ink = 0x1d2733, grey = 0x66727c, accent = 0x1f4e79, zebra = 0xf2f5f8,
                      line = 0xb9c4cd, bar_rgb = 0x2f6f9f, others_rgb = 0xa9b4bd;

/* In points. */
static const double margin = 42, foot = 46, gap = 8, body_size = 8.5, least_size = 5.5,
                    leading = 1.3, pad = 3, text_least = 70, bar_step = 14, bar_height = 9,
                    chart_size = 8, value_gap = 4;

struct layout {
    struct paper *paper;
    const struct book *book;
    const char *group; /* of the page being filled */
    double y, left, right, bottom;
};

/* A table's columns on paper. */
struct grid {
    const struct table *table;
    double *widths, size;
};

static struct paper_style style(double size, bool is_bold, uint32_t rgb)
{
    return (struct paper_style){size, is_bold, rgb};
}

/* ---- cells */

static bool is_right(enum column_kind kind)
{
    return kind != COLUMN_TEXT && kind != COLUMN_TIME;
}

static void bytes_text(int64_t n, char out[CELL_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < COUNT(units); unit++)
        value /= 1024;
    snprintf(out, CELL_TEXT, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void number_text(enum column_kind kind, int64_t n, char out[CELL_TEXT])
{
    *out = '\0';
    switch (kind) {
    case COLUMN_GPUMS:
        amount_text(n, AMOUNT_HOURS, out);
        table_group_digits(out, CELL_TEXT);
        break;
    case COLUMN_TIME:
        if (n)
            now_text(n, out);
        out[n ? strlen("2026-11-23 20:15") : 0] = '\0';
        break;
    case COLUMN_SPAN:
        parse_duration_text(n, out);
        break;
    case COLUMN_BYTES:
        bytes_text(n, out);
        break;
    case COLUMN_SHARE:
        snprintf(out, CELL_TEXT, "%lld.%lld %%", (long long)n / 10, (long long)n % 10);
        break;
    case COLUMN_WEIGHT:
        snprintf(out, CELL_TEXT, "%lld.%03lld", (long long)n / 1000, (long long)n % 1000);
        break;
    default:
        snprintf(out, CELL_TEXT, "%lld", (long long)n);
        table_group_digits(out, CELL_TEXT);
    }
}

static const char *cell_text(const struct table *t, size_t row, size_t column,
                             char room[CELL_TEXT])
{
    const struct table_cell *cell = table_cell(t, row, column);
    enum column_kind kind = t->columns[column].kind;
    if (cell->is_empty)
        return "";
    if (kind == COLUMN_TEXT)
        return cell->text ? cell->text : "";
    number_text(kind, cell->number, room);
    return room;
}

static const char *unit_of(enum column_kind kind)
{
    return kind == COLUMN_GPUMS ? "GPU-h" : "";
}

static void heading_text(const struct column *c, char out[CELL_TEXT])
{
    snprintf(out, CELL_TEXT, "%s", c->name);
    for (char *p = out; *p; p++)
        *p = *p == '_' ? ' ' : *p;
}

/* ---- columns */

static double max_of(double a, double b)
{
    return a > b ? a : b;
}

static double measure(struct layout *l, double size, bool is_bold, const char *text)
{
    struct paper_style s = style(size, is_bold, ink);
    return paper_measure(l->paper, &s, text, strlen(text));
}

static double natural_width(struct layout *l, const struct table *t, size_t column)
{
    char text[CELL_TEXT];
    heading_text(&t->columns[column], text);
    double widest = measure(l, body_size, true, text);
    widest = max_of(widest, measure(l, body_size, true, unit_of(t->columns[column].kind)));
    for (size_t row = 0; row < t->row_count; row++)
        widest = max_of(widest, measure(l, body_size, false, cell_text(t, row, column, text)));
    return widest + 0.1; /* what rounding may lose */
}

static double sum_of(const struct grid *g)
{
    double sum = gap * (double)(g->table->column_count - 1);
    for (size_t i = 0; i < g->table->column_count; i++)
        sum += g->widths[i];
    return sum;
}

/* Takes what is too much from the texts, the widest first, none below text_least. */
static void narrow_texts(struct grid *g, double room)
{
    for (double excess = sum_of(g) - room; excess > 0; excess = sum_of(g) - room) {
        double widest = text_least, second = text_least;
        size_t at = g->table->column_count;
        for (size_t i = 0; i < g->table->column_count; i++) {
            if (g->table->columns[i].kind != COLUMN_TEXT)
                continue;
            if (g->widths[i] > widest) {
                second = widest;
                widest = g->widths[i];
                at = i;
            } else {
                second = max_of(second, g->widths[i]);
            }
        }
        if (at == g->table->column_count)
            return;
        g->widths[at] =
            max_of(second > text_least + 1 ? second - 1 : text_least, widest - excess);
    }
}

/* Sets everything smaller by one factor; below least_size texts would not be read any more, and
 * what is still too wide is cut. */
static void shrink(struct grid *g, double room)
{
    double gaps = gap * (double)(g->table->column_count - 1);
    double factor = (room - gaps) / (sum_of(g) - gaps);
    if (factor >= 1)
        return;
    for (size_t i = 0; i < g->table->column_count; i++)
        g->widths[i] *= factor;
    g->size = max_of(body_size * factor, least_size);
}

/* What is left goes to the texts, or to the last column. */
static void spread(struct grid *g, double rest)
{
    size_t texts = 0, last = g->table->column_count - 1;
    for (size_t i = 0; i <= last; i++)
        texts += g->table->columns[i].kind == COLUMN_TEXT;
    for (size_t i = 0; rest > 0 && i <= last; i++) {
        if (g->table->columns[i].kind == COLUMN_TEXT)
            g->widths[i] += rest / (double)texts;
        else if (!texts && i == last)
            g->widths[i] += rest;
    }
}

static void grid_init(struct layout *l, const struct table *t, double room, struct grid *g)
{
    *g = (struct grid){t, xnew_array(double, t->column_count), body_size};
    for (size_t i = 0; i < t->column_count; i++)
        g->widths[i] = natural_width(l, t, i);
    narrow_texts(g, room);
    shrink(g, room);
    spread(g, room - sum_of(g));
}

static void grid_done(struct grid *g)
{
    free(g->widths);
}

/* Whether a table has to be set smaller on an upright page. */
static bool wants_wide(struct layout *l, const struct table *t)
{
    AUTO(grid_done) struct grid g;
    grid_init(l, t, l->right - l->left, &g);
    return g.size < body_size;
}

/* ---- pages */

static void put(struct layout *l, double x, double y, const struct paper_style *s,
                const char *text)
{
    paper_text(l->paper, s, x, y, text, strlen(text));
}

static void begin_page(struct layout *l)
{
    struct paper_style s = style(7.5, false, grey);
    double half = (l->right - l->left) / 2;
    int page = paper_page(l->paper);
    l->y = margin;
    if (page == 1)
        return;
    paper_text_short(l->paper, &s, l->left, l->y, l->book->title, half - gap);
    if (measure(l, s.size, false, l->group) < half)
        paper_text_right(l->paper, &s, l->right, l->y, l->group);
    l->y += 6;
    paper_rule(l->paper, line, l->left, l->y, l->right);
    l->y += 20;
}

/* Begins a page unless so much is left of this one; whether it did. */
static bool need(struct layout *l, double height)
{
    if (l->y + height <= l->bottom)
        return false;
    begin_page(l);
    return true;
}

static const char *fact_of(const struct book *b, const char *name)
{
    for (size_t i = 0; i < b->fact_count; i++)
        if (!strcasecmp(b->facts[i].name, name))
            return b->facts[i].value;
    return "";
}

static void put_foot(struct layout *l, int page)
{
    AUTO(buf_done) struct buf text = BUF_INIT(4096);
    struct paper_style s = style(7.5, false, grey);
    char number[40];
    double y = paper_height(l->paper) - foot + 22;
    const char *site = fact_of(l->book, "Site"), *month = fact_of(l->book, "Month"),
               *checksum = fact_of(l->book, "Checksum");
    month = *month ? month : fact_of(l->book, "Interval");
    buf_printf(&text, "%s%s%s", site, *site && *month ? " · " : "", month);
    if (*checksum)
        buf_printf(&text, "%schecksum %.*s", text.len ? " · " : "", CHECKSUM_DIGITS, checksum);
    snprintf(number, sizeof(number), "page %d of %d", page, paper_pages(l->paper));
    paper_turn(l->paper, page);
    paper_rule(l->paper, line, l->left, y - 11, l->right);
    paper_text_short(l->paper, &s, l->left, y, buf_text(&text), l->right - l->left - 80);
    paper_text_right(l->paper, &s, l->right, y, number);
}

/* ---- texts over several lines */

/* Breaks a text to the width and puts at most LINES_MAX lines of it, the last one shortened;
 * returns how many. With is_dry_run it only counts. */
static int put_lines(struct layout *l, const struct paper_style *s, double x, double y,
                     const char *text, double width, bool is_dry_run)
{
    int lines = 0;
    while (*text && lines < LINES_MAX) {
        size_t n = paper_fit(l->paper, s, text, width);
        double at = y + lines * s->size * leading;
        bool is_last = ++lines == LINES_MAX;
        if (!is_dry_run && is_last)
            paper_text_short(l->paper, s, x, at, text, width);
        else if (!is_dry_run)
            paper_text(l->paper, s, x, at, text, n);
        text += n;
    }
    return lines;
}

/* ---- the table */

static void put_heading(struct layout *l, const struct grid *g)
{
    struct paper_style name = style(g->size, true, accent), unit = style(g->size, false, grey);
    double x = l->left, y = l->y + g->size;
    for (size_t i = 0; i < g->table->column_count; i++) {
        char text[CELL_TEXT];
        heading_text(&g->table->columns[i], text);
        const char *u = unit_of(g->table->columns[i].kind);
        if (is_right(g->table->columns[i].kind)) {
            paper_text_right(l->paper, &name, x + g->widths[i], y, text);
            paper_text_right(l->paper, &unit, x + g->widths[i], y + g->size * leading, u);
        } else {
            paper_text_short(l->paper, &name, x, y, text, g->widths[i]);
        }
        x += g->widths[i] + gap;
    }
    l->y += g->size * (1 + leading) + pad + 2;
    paper_rule(l->paper, accent, l->left - pad, l->y, l->right + pad);
    l->y += 1;
}

static int row_lines(struct layout *l, const struct grid *g, size_t row)
{
    struct paper_style s = style(g->size, false, ink);
    char room[CELL_TEXT];
    int lines = 1;
    for (size_t i = 0; i < g->table->column_count; i++) {
        if (g->table->columns[i].kind != COLUMN_TEXT)
            continue;
        const char *text = cell_text(g->table, row, i, room);
        int n = put_lines(l, &s, 0, 0, text, g->widths[i], true);
        lines = n > lines ? n : lines;
    }
    return lines;
}

static void put_row(struct layout *l, const struct grid *g, size_t row)
{
    struct paper_style s = style(g->size, false, ink);
    double height = g->size * leading * row_lines(l, g, row) + pad + 1;
    double x = l->left;
    if (need(l, height))
        put_heading(l, g);
    double y = l->y + pad / 2 + g->size;
    if (row % 2)
        paper_area(l->paper, zebra, l->left - pad, l->y, l->right - l->left + 2 * pad, height);
    for (size_t i = 0; i < g->table->column_count; i++) {
        char room[CELL_TEXT];
        const char *text = cell_text(g->table, row, i, room);
        if (is_right(g->table->columns[i].kind))
            paper_text_right(l->paper, &s, x + g->widths[i], y, text);
        else
            put_lines(l, &s, x, y, text, g->widths[i], false);
        x += g->widths[i] + gap;
    }
    l->y += height;
}

static void put_table(struct layout *l, const struct table *t)
{
    AUTO(grid_done) struct grid g;
    grid_init(l, t, l->right - l->left, &g);
    put_heading(l, &g);
    for (size_t row = 0; row < t->row_count; row++)
        put_row(l, &g, row);
    if (!t->row_count) {
        struct paper_style s = style(body_size, false, grey);
        l->y += body_size + pad;
        put(l, l->left, l->y, &s, "nothing in this report");
        l->y += pad;
    }
    paper_rule(l->paper, line, l->left - pad, l->y, l->right + pad);
    l->y += 26;
}

/* ---- the chart */

/* The others may be more than any bar: then their number stands without one. */
static void put_bar(struct layout *l, const struct bar *bar, enum column_kind kind,
                    double label_width, double scale)
{
    bool is_others = !bar->label;
    struct paper_style s = style(chart_size, false, is_others ? grey : ink);
    char label[BAR_TEXT], value[CELL_TEXT];
    double x = l->left + label_width + gap, y = l->y + bar_height - 1.5;
    double length = bar->value > 0 ? (double)bar->value * scale : 0;
    paper_text_short(l->paper, &s, l->left, y, bar_text(bar, label), label_width);
    number_text(kind, bar->value, value);
    if (x + length + value_gap + measure(l, s.size, false, value) > l->right + 1)
        length = 0;
    paper_area(l->paper, is_others ? others_rgb : bar_rgb, x, l->y, length, bar_height);
    put(l, x + (length > 0 ? length + value_gap : 0), y, &s, value);
    l->y += bar_step;
}

static void put_chart(struct layout *l, const struct bar *bars, size_t count,
                      enum column_kind kind)
{
    double labels = 0, values = 0, room = l->right - l->left;
    int64_t most = 1;
    for (size_t i = 0; i < count; i++) {
        char label[BAR_TEXT], value[CELL_TEXT];
        number_text(kind, bars[i].value, value);
        labels = max_of(labels, measure(l, chart_size, false, bar_text(&bars[i], label)));
        values = max_of(values, measure(l, chart_size, false, value));
        if (bars[i].label && bars[i].value > most)
            most = bars[i].value;
    }
    labels = labels > room * 0.35 ? room * 0.35 : labels + 1;
    double scale = (room - labels - gap - value_gap - values) / (double)most;
    for (size_t i = 0; i < count; i++)
        put_bar(l, &bars[i], kind, labels, scale);
    l->y += 12;
}

/* ---- the book */

static void put_part(struct layout *l, const struct table *t)
{
    struct paper_style s = style(11, true, accent);
    struct bar bars[BARS_MAX];
    size_t count = bars_of(t, bars);
    need(l, 22 + (double)count * bar_step + 60);
    l->y += s.size;
    paper_text_short(l->paper, &s, l->left, l->y, t->title, l->right - l->left);
    l->y += 12;
    if (count)
        put_chart(l, bars, count, t->columns[t->chart_value].kind);
    put_table(l, t);
}

static void put_group(struct layout *l, const char *group)
{
    struct paper_style s = style(15, true, ink);
    if (!*group)
        return;
    l->y += s.size;
    l->y += s.size * leading *
            (put_lines(l, &s, l->left, l->y, group, l->right - l->left, false) - 1);
    l->y += 16;
}

static void put_title(struct layout *l)
{
    struct paper_style title = style(19, true, accent), name = style(8.5, false, grey),
                       value = style(8.5, false, ink);
    double names = 0;
    l->y += 14;
    int lines = put_lines(l, &title, l->left, l->y, l->book->title, l->right - l->left, false);
    l->y += title.size * leading * (lines - 1) + 22;
    for (size_t i = 0; i < l->book->fact_count; i++)
        names = max_of(names, measure(l, name.size, false, l->book->facts[i].name));
    for (size_t i = 0; i < l->book->fact_count; i++) {
        const struct book_fact *f = &l->book->facts[i];
        double x = l->left + names + 14;
        put(l, l->left, l->y, &name, f->name);
        lines = put_lines(l, &value, x, l->y, f->value, l->right - x, false);
        l->y += value.size * leading * (lines ? lines : 1) + 1.5;
    }
    l->y += 4;
    paper_rule(l->paper, accent, l->left, l->y, l->right);
    l->y += 22;
}

static void put_book(struct layout *l)
{
    const struct book *b = l->book;
    l->group = b->table_count ? b->tables[0].group : "";
    begin_page(l);
    put_title(l);
    put_group(l, l->group);
    for (size_t i = 0; i < b->table_count; i++) {
        if (strcmp(b->tables[i].group, l->group)) {
            l->group = b->tables[i].group;
            begin_page(l);
            put_group(l, l->group);
        }
        put_part(l, &b->tables[i]);
    }
    for (int page = 1; page <= paper_pages(l->paper); page++)
        put_foot(l, page);
}

static int layout_init(struct layout *l, const struct book *b, const struct paper_fonts *fonts,
                       bool is_wide, struct err *e)
{
    *l = (struct layout){.book = b, .group = "", .left = margin};
    int r = paper_new(fonts, is_wide, b->title, &l->paper, e);
    if (r < 0)
        return r;
    l->right = paper_width(l->paper) - margin;
    l->bottom = paper_height(l->paper) - foot - 8;
    return 0;
}

static void layout_done(struct layout *l)
{
    paper_free(l->paper);
}

int sheet_pdf_write_in(const struct book *b, const struct paper_fonts *fonts, struct buf *out,
                       struct err *e)
{
    AUTO(layout_done) struct layout upright = {0};
    AUTO(layout_done) struct layout wide = {0};
    bool is_wide = false;
    int r = layout_init(&upright, b, fonts, false, e);
    for (size_t i = 0; r == 0 && i < b->table_count && !is_wide; i++)
        is_wide = wants_wide(&upright, &b->tables[i]);
    if (r == 0 && is_wide)
        r = layout_init(&wide, b, fonts, true, e);
    if (r < 0)
        return r;
    struct layout *l = is_wide ? &wide : &upright;
    put_book(l);
    return paper_finish(l->paper, out, e);
}

int sheet_pdf_write(const struct book *b, struct buf *out, struct err *e)
{
    static const struct paper_fonts fonts = {FIREFLY_FONTS "/DejaVuSans.ttf",
                                             FIREFLY_FONTS "/DejaVuSans-Bold.ttf"};
    return sheet_pdf_write_in(b, &fonts, out, e);
}
