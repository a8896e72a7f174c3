// SPDX-License-Identifier: Apache-2.0
/* Reads the month, tenant by tenant, and hands a document and a table of it to post_mail.c. */
#include "quota/cli/report_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/cli/book.h"
#include "quota/cli/post_mail.h"
#include "quota/month.h"
#include "quota/report_book.h"
#include "quota/sheet_pdf.h"
#include "runner/base/xnew.h"

enum { PDF_MAX = 32 << 20, TEXT_MAX = 4096, KEY_MAX = 360, SUBJECT_MAX = 120 };

const struct command_option report_send_options[REPORT_SEND_OPTIONS] = {
    {"tenant", "TENANT", "only this one's contact", false},
    {"dry-run", NULL, "show what would be sent, and send nothing", false},
    {"again", "ADDRESS", "send once more what may not have arrived there", false},
};

struct recipient {
    char *tenant, *title, *address;
};

struct sending {
    struct cli *c;
    struct smtp_conf conf;
    int month;
    char month_text[REPORT_SPAN_TEXT];
    struct recipient *recipients;
    size_t count;
};

static void sending_done(struct sending *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->recipients[i].tenant);
        free(s->recipients[i].title);
        free(s->recipients[i].address);
    }
    free(s->recipients);
}

/* The month that was typed, or the last that is over; it must be closed. */
static int read_month(struct sending *s, struct err *e)
{
    struct report_span span;
    const char *typed = cli_arg(s->c, 0);
    int now = 0, r;
    if (typed) {
        r = cli_parse_month("month", typed, &s->month, e);
    } else {
        r = report_month_now(s->c->db, &now, e);
        s->month = month_before(now);
    }
    if (r == 0)
        r = report_span_get(s->c->db, s->month, s->month, &span, e);
    if (r < 0)
        return r;
    report_span_text(&span, s->month_text);
    if (!span.is_closed)
        return err_set(
            e, -EPERM,
            "month %s is open still and its figures may change; `quota month close %s` first",
            s->month_text, s->month_text);
    return 0;
}

/* Tenants with a contact. */
static int read_recipients(struct sending *s, struct err *e)
{
    const char *only = cli_value(s->c, "tenant");
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    only = only ? only : "";
    int r = db_select(s->c->db, SQL_TENANT_LIST, DB_ARGS(DB_STR(only), DB_STR(only)), &rows, e);
    while (r >= 0 && (r = db_rows_next(rows, e)) > 0) {
        if (!*db_rows_text(rows, 2))
            continue;
        s->recipients = xgrow(s->recipients, s->count + 1, sizeof(*s->recipients));
        s->recipients[s->count++] =
            (struct recipient){xdup(db_rows_text(rows, 0)), xdup(db_rows_text(rows, 1)),
                               xdup(db_rows_text(rows, 2))};
    }
    if (r == 0 && s->count == 0)
        r = err_set(
            e, -ENOENT,
            "no tenant%s%s has a contact; `quota tenant set NAME --contact ADDRESS` gives one",
            *only ? " of the name " : "", only);
    return r < 0 ? r : 0;
}

static void freep(char **text)
{
    free(*text);
}

/* The users' table as CSV, in memory. */
static int make_csv(const struct sending *s, const struct book *b, char **out, size_t *out_size,
                    struct err *e)
{
    FILE *file = open_memstream(out, out_size);
    if (!file)
        return err_set(e, -ENOMEM, "mail: no memory for the table");
    struct out o = {.file = file, .format = OUT_CSV, .unit = s->c->out.unit};
    int r = book_print(&o, b, report_parts[0], e);
    return fclose(file) != 0 && r == 0 ? err_set(e, -ENOMEM, "mail: no memory for the table")
                                       : r;
}

static void write_text(const struct sending *s, const struct recipient *to,
                       const struct report *report, struct buf *out)
{
    char charged[AMOUNT_TEXT], refunded[AMOUNT_TEXT];
    amount_text(report->sums.usage[USE_CHARGED], AMOUNT_HOURS, charged);
    amount_text(report->sums.usage[USE_REFUNDED], AMOUNT_HOURS, refunded);
    buf_printf(
        out,
        "%s\n"
        "%s, %s\n"
        "\n"
        "GPU-hours charged: %s\n"
        "GPU-hours refunded: %s\n"
        "\n"
        "Attached are the report to print and its table. The month is closed: these figures\n"
        "do not change any more.\n",
        s->c->site, to->title, s->month_text, charged, refunded);
}

static int post(struct sending *s, const struct recipient *to, const struct report *report,
                bool *out_is_trouble, struct err *e)
{
    struct report_about about = {
        .site = s->c->site, .zone = s->c->zone, .only.tenant = to->tenant};
    AUTO(book_freep) struct book *b = report_book(report, &about);
    AUTO(book_freep) struct book *paper = report_book_paper(report, &about);
    AUTO(buf_done) struct buf pdf = BUF_INIT(PDF_MAX);
    AUTO(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    AUTO(freep) char *csv = NULL;
    char key[KEY_MAX], subject[SUBJECT_MAX], csv_name[80], pdf_name[80];
    size_t csv_size = 0;
    int r = sheet_pdf_write(paper, &pdf, e);
    if (r == 0)
        r = make_csv(s, b, &csv, &csv_size, e);
    if (r < 0)
        return r;
    write_text(s, to, report, &text);
    snprintf(key, sizeof(key), "report:%d:%s:%s", s->month, to->tenant, to->address);
    snprintf(subject, sizeof(subject), "GPU-hours of %s: %s", to->tenant, s->month_text);
    snprintf(csv_name, sizeof(csv_name), "usage-%s-%s.csv", to->tenant, s->month_text);
    snprintf(pdf_name, sizeof(pdf_name), "usage-%s-%s.pdf", to->tenant, s->month_text);
    struct smtp_file files[] = {{csv_name, "text/csv; charset=utf-8", csv, csv_size},
                                {pdf_name, "application/pdf", pdf.data, pdf.len}};
    struct outbox_ask ask = {key, "report", to->address, subject};
    struct smtp_message m = {.to = to->address,
                             .subject = subject,
                             .text = buf_text(&text),
                             .files = files,
                             .file_count = COUNT(files)};
    return post_mail(s->c, &s->conf, &ask, &m, out_is_trouble, e);
}

static int send_one(struct sending *s, const struct recipient *to, bool *out_is_trouble,
                    struct err *e)
{
    AUTO(report_done) struct report report = {0};
    struct report_ask ask = {
        .first = s->month, .last = s->month, .filter = {.tenant = to->tenant}};
    {
        AUTO(db_tx_end) struct db_tx tx = {0};
        int r = report_read_snapshot(s->c->db, &ask, &tx, &report, e);
        if (r < 0)
            return r;
    }
    if (!report_is_balanced(&report))
        return err_set(e, -EBADE,
                       "month %s of tenant %s does not add up, and was not sent; run `quota "
                       "verify`",
                       s->month_text, to->tenant);
    return post(s, to, &report, out_is_trouble, e);
}

int report_send(struct cli *c, struct err *e)
{
    AUTO(sending_done) struct sending s = {.c = c};
    bool has_trouble = false;
    int r = cli_open(c, e);
    if (r == 0)
        r = smtp_conf_read(c->conf, &s.conf, e);
    if (r == 0)
        r = read_month(&s, e);
    if (r == 0)
        r = read_recipients(&s, e);
    if (r == 0)
        r = out_begin(&c->out, "mail", mail_columns, mail_columns_count, e);
    for (size_t i = 0; r == 0 && i < s.count; i++) {
        bool is_trouble = false;
        r = send_one(&s, &s.recipients[i], &is_trouble, e);
        has_trouble = has_trouble || is_trouble;
    }
    if (r == 0)
        out_end(&c->out);
    return r < 0 ? r : has_trouble ? CLI_FAILED : CLI_OK;
}
