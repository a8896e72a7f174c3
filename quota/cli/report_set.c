// SPDX-License-Identifier: Apache-2.0
/* A table of files and the functions that fill them. */
#include "quota/cli/report_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quota/cli/book.h"
#include "quota/cli/outfile.h"
#include "quota/report_jobs.h"

static const struct column job_columns[] = {
    {"job", COLUMN_INT},
    {"tenant", COLUMN_TEXT},
    {"project", COLUMN_TEXT},
    {"login", COLUMN_TEXT},
    {"directory", COLUMN_TEXT},
    {"person", COLUMN_INT},
    {"allocation", COLUMN_INT},
    {"kind", COLUMN_TEXT},
    {"gpu_type", COLUMN_TEXT},
    {"gpus", COLUMN_INT},
    {"weight", COLUMN_WEIGHT},
    {"price_since", COLUMN_TIME},
    {"submitted", COLUMN_TIME},
    {"started", COLUMN_TIME},
    {"ended", COLUMN_TIME},
    {"waited", COLUMN_SPAN},
    {"time_limit", COLUMN_SPAN},
    {"run", COLUMN_SPAN},
    {"attempts", COLUMN_INT},
    {"state", COLUMN_TEXT},
    {"exit", COLUMN_INT},
    {"hold", COLUMN_GPUMS},
    {"month_raw", COLUMN_GPUMS},
    {"month_charged", COLUMN_GPUMS},
    {"month_refunded", COLUMN_GPUMS},
    {"job_raw", COLUMN_GPUMS},
    {"job_charged", COLUMN_GPUMS},
    {"job_refunded", COLUMN_GPUMS},
};

static const struct column ledger_columns[] = {
    {"id", COLUMN_INT},
    {"at", COLUMN_TIME},
    {"type", COLUMN_TEXT},
    {"debit", COLUMN_TEXT},
    {"debit_bucket", COLUMN_TEXT},
    {"credit", COLUMN_TEXT},
    {"credit_bucket", COLUMN_TEXT},
    {"amount", COLUMN_GPUMS},
    {"raw", COLUMN_GPUMS},
    {"job", COLUMN_INT},
    {"attempt", COLUMN_INT},
    {"person", COLUMN_INT},
    {"month", COLUMN_INT},
    {"corrects_month", COLUMN_INT},
    {"cause", COLUMN_TEXT},
    {"actor", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},
    {"reference", COLUMN_TEXT},
    {"key", COLUMN_TEXT},
    {"leg", COLUMN_INT},
};

/* What a file is made from. */
struct set {
    struct cli *c;
    const struct report *report;
    const struct report_about *about;
    struct outfile *file;
};

/* ---- the files */

/* An output of this format into the file; GPU-seconds are exact, so those are written unless
 * another unit is asked for. */
static struct out file_out(const struct set *s, enum out_format format)
{
    bool has_unit = cli_value(s->c, "unit") != NULL;
    return (struct out){.file = s->file->file,
                        .format = format,
                        .unit = has_unit ? s->c->out.unit : AMOUNT_SECONDS};
}

static int write_usage(struct set *s, struct err *e)
{
    AUTO(book_freep) struct book *b = report_book(s->report, s->about);
    struct out o = file_out(s, OUT_CSV);
    return book_print(&o, b, report_parts[REPORT_USERS], e);
}

static int write_summary(struct set *s, struct err *e)
{
    AUTO(book_freep) struct book *b = report_book(s->report, s->about);
    struct out o = file_out(s, OUT_JSON);
    return book_print(&o, b, NULL, e);
}

static int write_xlsx(struct set *s, struct err *e)
{
    AUTO(book_freep) struct book *b = report_book(s->report, s->about);
    return book_write_xlsx(b, s->file->temp, e);
}

static int write_pdf(struct set *s, struct err *e)
{
    AUTO(book_freep) struct book *b = report_book_paper(s->report, s->about);
    return book_write_pdf(b, s->file->file, e);
}

static void put_texts(struct out *o, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out_text(o, texts[i]);
}

static void on_job(const struct report_job *job, void *arg)
{
    struct out *o = arg;
    const char *const names[] = {job->tenant, job->project, job->login, job->directory};
    const char *const kinds[] = {job->kind, job->gpu_type};
    const int64_t amounts[] = {job->hold_gpums,          job->month_raw_gpums,
                               job->month_charged_gpums, job->month_refunded_gpums,
                               job->job_raw_gpums,       job->job_charged_gpums,
                               job->job_refunded_gpums};
    out_i64(o, job->id);
    put_texts(o, names, COUNT(names));
    out_i64(o, job->person_id);
    out_i64(o, job->allocation_id);
    put_texts(o, kinds, COUNT(kinds));
    out_i64(o, job->gpus);
    out_i64(o, job->weight_permille);
    out_i64_or_null(o, job->price_since_ms);
    out_i64_or_null(o, job->placed_ms);
    out_i64_or_null(o, job->started_ms);
    out_i64_or_null(o, job->ended_ms);
    if (job->started_ms)
        out_i64(o, job->started_ms - job->placed_ms);
    else
        out_null(o);
    out_i64(o, job->time_limit_ms);
    out_i64(o, job->run_ms);
    out_i64(o, job->attempts);
    out_text(o, job->state);
    if (job->exit_code >= 0)
        out_i64(o, job->exit_code);
    else
        out_null(o);
    for (size_t i = 0; i < COUNT(amounts); i++)
        out_i64(o, amounts[i]);
    out_row(o);
}

static int write_jobs(struct set *s, struct err *e)
{
    struct out o = file_out(s, OUT_CSV);
    int r = out_begin(&o, "jobs", job_columns, COUNT(job_columns), e);
    if (r == 0)
        r = report_jobs(s->c->db, &s->report->span, on_job, &o, e);
    out_end(&o);
    return r;
}

static int write_ledger(struct set *s, struct err *e)
{
    int64_t first, last;
    struct out kept = s->c->out;
    int r = report_ledger_numbers(s->c->db, s->report->span.first, &first, &last, e);
    if (r < 0)
        return r;
    s->c->out = file_out(s, OUT_CSV);
    r = cli_table(s->c, "ledger", SQL_REPORT_LEDGER,
                  DB_ARGS(DB_I64(first), DB_I64(last), DB_I64(s->report->span.first)),
                  ledger_columns, COUNT(ledger_columns), e);
    s->c->out = kept;
    return r;
}

static const struct set_file {
    const char *name, *end;
    int (*write)(struct set *s, struct err *e);
} set_files[] = {
    {"usage", "csv", write_usage},   {"usage", "xlsx", write_xlsx},
    {"usage", "pdf", write_pdf},     {"jobs", "csv", write_jobs},
    {"ledger", "csv", write_ledger}, {"summary", "json", write_summary},
};

/* ---- the set */

static int check_folder(const char *folder, struct err *e)
{
    struct stat st;
    if (stat(folder, &st) < 0)
        return err_set(e, -EIO, "folder '%s': %s; make it first", folder, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(e, -EIO, "'%s' is no folder; name one", folder);
    if (access(folder, W_OK | X_OK) < 0)
        return err_set(e, -EIO, "folder '%s': cannot be written to: %s", folder,
                       strerror(errno));
    return 0;
}

static int write_file(struct set *s, const struct set_file *f, const char *folder,
                      struct err *e)
{
    char path[PATH_MAX], month[REPORT_SPAN_TEXT];
    report_span_text(&s->report->span, month);
    if (snprintf(path, sizeof(path), "%s/%s-%s.%s", folder, f->name, month, f->end) >=
        (int)sizeof(path))
        return err_set(e, -EINVAL, "'%.40s…': too long a path", folder);
    int r = outfile_begin(s->file, path, e);
    if (r == 0)
        r = f->write(s, e);
    return r < 0 ? r : outfile_finish(s->file, e);
}

static int print_names(struct cli *c, const struct outfile *files, struct err *e)
{
    static const struct column columns[] = {{"file", COLUMN_TEXT}, {"size", COLUMN_BYTES}};
    struct stat st;
    int r = out_begin(&c->out, "files", columns, COUNT(columns), e);
    for (size_t i = 0; r == 0 && i < COUNT(set_files); i++) {
        out_text(&c->out, files[i].path);
        out_i64(&c->out, stat(files[i].path, &st) == 0 ? st.st_size : 0);
        out_row(&c->out);
    }
    if (r == 0)
        out_end(&c->out);
    return r;
}

int report_set_write(struct cli *c, const struct report *report,
                     const struct report_about *about, const char *folder, struct err *e)
{
    struct outfile files[COUNT(set_files)] = {0};
    int r = check_folder(folder, e);
    for (size_t i = 0; r == 0 && i < COUNT(set_files); i++)
        r = write_file(&(struct set){c, report, about, &files[i]}, &set_files[i], folder, e);
    for (size_t i = 0; r == 0 && i < COUNT(set_files); i++)
        r = outfile_name(&files[i], e);
    if (r == 0)
        r = print_names(c, files, e);
    for (size_t i = 0; i < COUNT(set_files); i++)
        outfile_done(&files[i]);
    return r;
}
