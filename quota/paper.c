// SPDX-License-Identifier: Apache-2.0
/* libhpdf reports errors to a handler and returns; the handler keeps the first, and nothing is
 * drawn after it. Widths of ASCII are measured once. */
#include "quota/paper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hpdf.h>

#include "runner/base/xnew.h"

enum { ASCII = 128, PAGES_MAX = 20000, EM = 1000, CHUNK = 65536 };

static const double a4_short = 595.28, a4_long = 841.89;

struct paper {
    HPDF_Doc pdf;
    HPDF_Font fonts[2]; /* regular, bold */
    HPDF_Page *pages;
    HPDF_Page page; /* the one being written on */
    int count;
    bool is_wide, is_unicode;
    unsigned widths[2][ASCII]; /* in thousandths of the size; 0: not measured yet */
    HPDF_STATUS error, detail;
};

static void on_error(HPDF_STATUS error, HPDF_STATUS detail, void *arg)
{
    struct paper *p = arg;
    if (p->error)
        return;
    p->error = error;
    p->detail = detail;
}

static int fail(const struct paper *p, struct err *e)
{
    return err_set(e, -EIO, "the document could not be made: libhpdf's error 0x%04lx (%lu)",
                   (unsigned long)p->error, (unsigned long)p->detail);
}

/* ---- texts */

/* The next character of a text that ends at `end`; what is no UTF-8 gives '?' for one byte. */
static uint32_t next_char(const char **text, const char *end)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)*text;
    size_t bytes = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t c = *p;
    ++*text;
    if (bytes == 1)
        return c < 0x20 || c == 0x7f ? '?' : c;
    if (bytes == 0 || c > 0xf4 || (size_t)((const unsigned char *)end - p) < bytes)
        return '?';
    c &= 0x3fU >> (bytes - 1);
    for (size_t i = 1; i < bytes; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return '?';
        c = c << 6 | (p[i] & 0x3fU);
    }
    if (c < least[bytes] || (c >= 0xd800 && c <= 0xdfff))
        return '?';
    *text += bytes - 1;
    return c;
}

/* What of Windows' code page 1252 is not Latin 1 and does occur. */
static unsigned char winansi_of(uint32_t c)
{
    static const struct {
        uint32_t c;
        unsigned char code;
    } others[] = {{0x20ac, 0x80}, {0x2026, 0x85}, {0x2018, 0x91}, {0x2019, 0x92},
                  {0x201c, 0x93}, {0x201d, 0x94}, {0x2022, 0x95}, {0x2013, 0x96},
                  {0x2014, 0x97}, {0x0160, 0x8a}, {0x0161, 0x9a}, {0x017d, 0x8e},
                  {0x017e, 0x9e}, {0x0152, 0x8c}, {0x0153, 0x9c}, {0x201e, 0x84}};
    if (c < 0x80 || (c >= 0xa0 && c <= 0xff))
        return (unsigned char)c;
    for (size_t i = 0; i < COUNT(others); i++)
        if (others[i].c == c)
            return others[i].code;
    return '?';
}

/* The character as the document has it: libhpdf's UTF-8 knows the first plane alone. */
static uint32_t shown(const struct paper *p, uint32_t c)
{
    if (p->is_unicode)
        return c > 0xffff || (c >= 0x80 && c < 0xa0) ? '?' : c;
    return winansi_of(c) == '?' ? '?' : c;
}

static void put_char(const struct paper *p, struct buf *b, uint32_t c)
{
    if (!p->is_unicode) {
        buf_put_char(b, (char)winansi_of(c));
    } else if (c < 0x80) {
        buf_put_char(b, (char)c);
    } else if (c < 0x800) {
        buf_put_char(b, (char)(0xc0 | c >> 6));
        buf_put_char(b, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_put_char(b, (char)(0xe0 | c >> 12));
        buf_put_char(b, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_put_char(b, (char)(0x80 | (c & 0x3f)));
    }
}

static unsigned char_width(struct paper *p, bool is_bold, uint32_t c)
{
    unsigned *known = c < ASCII ? &p->widths[is_bold][c] : NULL;
    if (known && *known)
        return *known;
    HPDF_INT width = HPDF_Font_GetUnicodeWidth(p->fonts[is_bold], (HPDF_UNICODE)c);
    unsigned result = width > 0 ? (unsigned)width : EM / 2;
    if (known)
        *known = result;
    return result;
}

double paper_measure(struct paper *p, const struct paper_style *style, const char *text,
                     size_t len)
{
    const char *end = text + len;
    double sum = 0;
    while (text < end)
        sum += char_width(p, style->is_bold, shown(p, next_char(&text, end)));
    return sum * style->size / EM;
}

size_t paper_fit(struct paper *p, const struct paper_style *style, const char *text,
                 double width)
{
    const char *at = text, *end = text + strlen(text), *seam = NULL;
    double room = width * EM / style->size;
    while (at < end) {
        const char *next = at;
        uint32_t c = shown(p, next_char(&next, end));
        room -= char_width(p, style->is_bold, c);
        if (room < 0 && at > text)
            return (size_t)((seam ? seam : at) - text);
        at = next;
        if (c == ' ' || c == '-' || c == '@')
            seam = at;
    }
    return (size_t)(end - text);
}

void paper_text(struct paper *p, const struct paper_style *style, double x, double y,
                const char *text, size_t len)
{
    AUTO(buf_done) struct buf b = BUF_INIT(65536);
    const char *end = text + len;
    while (text < end)
        put_char(p, &b, shown(p, next_char(&text, end)));
    if (p->error || !b.len)
        return;
    HPDF_Page_SetRGBFill(p->page, (float)(style->rgb >> 16 & 0xff) / 255,
                         (float)(style->rgb >> 8 & 0xff) / 255,
                         (float)(style->rgb & 0xff) / 255);
    HPDF_Page_SetFontAndSize(p->page, p->fonts[style->is_bold], (float)style->size);
    HPDF_Page_BeginText(p->page);
    HPDF_Page_TextOut(p->page, (float)x, (float)(paper_height(p) - y), buf_text(&b));
    HPDF_Page_EndText(p->page);
}

void paper_text_right(struct paper *p, const struct paper_style *style, double x, double y,
                      const char *text)
{
    size_t len = strlen(text);
    paper_text(p, style, x - paper_measure(p, style, text, len), y, text, len);
}

void paper_text_short(struct paper *p, const struct paper_style *style, double x, double y,
                      const char *text, double width)
{
    static const char dots[] = "…";
    size_t len = strlen(text);
    if (paper_measure(p, style, text, len) <= width) {
        paper_text(p, style, x, y, text, len);
        return;
    }
    double room = width - paper_measure(p, style, dots, sizeof(dots) - 1);
    const char *at = text;
    for (const char *next = text; next < text + len; at = next) {
        next_char(&next, text + len);
        if (paper_measure(p, style, text, (size_t)(next - text)) > room)
            break;
    }
    paper_text(p, style, x, y, text, (size_t)(at - text));
    x += paper_measure(p, style, text, (size_t)(at - text));
    paper_text(p, style, x, y, dots, sizeof(dots) - 1);
}

/* ---- lines and areas */

void paper_area(struct paper *p, uint32_t rgb, double x, double y, double width, double height)
{
    if (p->error || width <= 0)
        return;
    HPDF_Page_SetRGBFill(p->page, (float)(rgb >> 16 & 0xff) / 255,
                         (float)(rgb >> 8 & 0xff) / 255, (float)(rgb & 0xff) / 255);
    HPDF_Page_Rectangle(p->page, (float)x, (float)(paper_height(p) - y - height), (float)width,
                        (float)height);
    HPDF_Page_Fill(p->page);
}

void paper_rule(struct paper *p, uint32_t rgb, double x, double y, double until_x)
{
    paper_area(p, rgb, x, y - 0.25, until_x - x, 0.5);
}

/* ---- pages */

double paper_width(const struct paper *p)
{
    return p->is_wide ? a4_long : a4_short;
}

double paper_height(const struct paper *p)
{
    return p->is_wide ? a4_short : a4_long;
}

int paper_page(struct paper *p)
{
    HPDF_Page page = p->error || p->count == PAGES_MAX ? NULL : HPDF_AddPage(p->pdf);
    if (!page) {
        if (!p->error)
            p->error = HPDF_FAILD_TO_ALLOC_MEM;
        return p->count;
    }
    HPDF_Page_SetSize(page, HPDF_PAGE_SIZE_A4,
                      p->is_wide ? HPDF_PAGE_LANDSCAPE : HPDF_PAGE_PORTRAIT);
    p->pages = xgrow(p->pages, (size_t)p->count + 1, sizeof(HPDF_Page));
    p->pages[p->count++] = p->page = page;
    return p->count;
}

void paper_turn(struct paper *p, int page)
{
    if (page >= 1 && page <= p->count)
        p->page = p->pages[page - 1];
}

int paper_pages(const struct paper *p)
{
    return p->count;
}

/* ---- the document */

static void load_fonts(struct paper *p, const struct paper_fonts *fonts)
{
    const char *const files[] = {fonts->regular, fonts->bold};
    static const char *const latin[] = {"Helvetica", "Helvetica-Bold"};
    p->is_unicode = !access(files[0], R_OK) && !access(files[1], R_OK);
    if (p->is_unicode) {
        HPDF_UseUTFEncodings(p->pdf);
        HPDF_SetCurrentEncoder(p->pdf, "UTF-8");
    }
    for (int i = 0; i < 2 && !p->error; i++) {
        const char *name =
            p->is_unicode ? HPDF_LoadTTFontFromFile(p->pdf, files[i], HPDF_TRUE) : latin[i];
        if (name)
            p->fonts[i] =
                HPDF_GetFont(p->pdf, name, p->is_unicode ? "UTF-8" : "WinAnsiEncoding");
    }
}

int paper_new(const struct paper_fonts *fonts, bool is_wide, const char *title,
              struct paper **out, struct err *e)
{
    AUTO(paper_freep) struct paper *p = xnew(struct paper);
    AUTO(buf_done) struct buf b = BUF_INIT(4096);
    p->is_wide = is_wide;
    p->pdf = HPDF_New(on_error, p);
    if (!p->pdf)
        return fail(p, e);
    HPDF_SetCompressionMode(p->pdf, HPDF_COMP_ALL);
    load_fonts(p, fonts);
    for (const char *at = title, *end = title + strlen(title); at < end;)
        put_char(p, &b, shown(p, next_char(&at, end)));
    HPDF_SetInfoAttr(p->pdf, HPDF_INFO_TITLE, buf_text(&b));
    if (p->error || !p->fonts[0] || !p->fonts[1])
        return fail(p, e);
    *out = TAKE(p);
    return 0;
}

void paper_free(struct paper *p)
{
    if (!p)
        return;
    if (p->pdf)
        HPDF_Free(p->pdf);
    free(p->pages);
    free(p);
}

int paper_finish(struct paper *p, struct buf *out, struct err *e)
{
    unsigned char chunk[CHUNK];
    if (!p->error)
        HPDF_SaveToStream(p->pdf);
    if (p->error)
        return fail(p, e);
    HPDF_UINT32 left = HPDF_GetStreamSize(p->pdf);
    while (left > 0 && !out->failed) {
        HPDF_UINT32 size = left < CHUNK ? left : CHUNK;
        HPDF_STATUS r = HPDF_ReadFromStream(p->pdf, chunk, &size);
        if ((r != HPDF_OK && r != HPDF_STREAM_EOF) || size == 0)
            return fail(p, e);
        buf_put_bytes(out, chunk, size);
        left -= size;
    }
    if (out->failed)
        return err_set(e, -ENOMEM, "the document is larger than %zu bytes", out->max);
    return 0;
}
