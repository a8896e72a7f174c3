// SPDX-License-Identifier: Apache-2.0
/* `quota report`: months in numbers, and that they add up. */
#include "quota/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/bars.h"
#include "quota/cli/book.h"
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/report_send.h"
#include "quota/cli/report_set.h"
#include "quota/month.h"
#include "quota/report_book.h"
#include "runner/base/parse.h"

enum { TOP_LIMIT = 10, TOP_MAX = 100000, BAR_WIDTH = 50 };

static const char *const levels[] = {"user", "project", "tenant", NULL};

/* ---- which months */

/* --since until before --until; without the latter up to the month that is running. */
static int read_interval(struct cli *c, struct report_ask *ask, struct err *e)
{
    const char *since = cli_value(c, "since"), *until = cli_value(c, "until");
    int end = 0;
    if (!since)
        return err_set(e, -EINVAL, "--until needs --since");
    int r = cli_parse_month("--since", since, &ask->first, e);
    if (r == 0 && until)
        r = cli_parse_month("--until", until, &end, e);
    if (r == 0 && until && end <= ask->first)
        return err_set(e, -EINVAL, "--until %s: must be a later month than --since %s", until,
                       since);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0 && !until)
        return report_month_now(c->db, &ask->last, e);
    ask->last = month_before(end);
    return r;
}

static int read_months(struct cli *c, struct report_ask *ask, struct err *e)
{
    const char *month = cli_arg(c, 0) ? cli_arg(c, 0) : cli_value(c, "month");
    bool has_interval = cli_value(c, "since") || cli_value(c, "until");
    int r = 0;
    if (cli_arg(c, 0) && cli_value(c, "month"))
        return err_set(e, -EINVAL, "the month is given twice");
    if (month && has_interval)
        return err_set(e, -EINVAL, "a month, or --since and --until: give one or the other");
    if (has_interval)
        return read_interval(c, ask, e);
    if (month)
        r = cli_parse_month(cli_arg(c, 0) ? "month" : "--month", month, &ask->first, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0 && !month)
        r = report_month_now(c->db, &ask->first, e);
    ask->last = ask->first;
    return r;
}

static int read_ask(struct cli *c, struct report_ask *ask, struct err *e)
{
    *ask = (struct report_ask){
        .filter = {cli_value(c, "tenant"), cli_value(c, "project"), cli_value(c, "user")}};
    int r = book_check(c, e);
    return r < 0 ? r : read_months(c, ask, e);
}

/* ---- the head */

/* The report and what its head says, read in one snapshot. */
struct reading {
    struct db_tx tx;
    struct report report;
    char checksum[DIGEST_HEX], closing[DIGEST_HEX];
    struct report_about about;
};

static void reading_done(struct reading *r)
{
    db_tx_end(&r->tx);
    report_done(&r->report);
}

/* What the closing of the month printed: it covers the entries and the months before, too. */
static int read_closing(struct cli *c, struct reading *out, struct err *e)
{
    const struct report_span *span = &out->report.span;
    struct month m;
    if (span->first != span->last || !span->is_closed)
        return 0;
    int r = month_get(c->db, span->first, &m, e);
    if (r == 0)
        snprintf(out->closing, sizeof(out->closing), "%s", m.checksum);
    return r;
}

static int read_report(struct cli *c, struct reading *out, struct err *e)
{
    struct report_ask ask;
    int r = read_ask(c, &ask, e);
    if (r == 0)
        r = report_read_snapshot(c->db, &ask, &out->tx, &out->report, e);
    if (r == 0)
        r = report_checksum(&out->report, out->checksum, e);
    if (r == 0)
        r = read_closing(c, out, e);
    out->about = (struct report_about){.site = c->site,
                                       .zone = c->zone,
                                       .checksum = out->checksum,
                                       .closing = *out->closing ? out->closing : NULL,
                                       .only = ask.filter};
    return r;
}

static int balanced(const struct report *r)
{
    if (report_is_balanced(r))
        return CLI_OK;
    fputs("quota: the report does not add up; run `quota verify`\n", stderr);
    return CLI_UNBALANCED;
}

/* ---- verbs */

/* For who runs it; the files say it too, in their heads. */
static void print_identity(const char *sentence, void *arg)
{
    fprintf(stderr, "quota: %s: %s\n", (const char *)arg, sentence);
}

static int month_set(struct cli *c, struct err *e)
{
    static const char *const others[] = {"tenant", "project", "user", "part", "since", "until"};
    AUTO(reading_done) struct reading in = {0};
    char month[REPORT_SPAN_TEXT];
    struct report_ledger ledger;
    if (!cli_value(c, "out"))
        return err_set(e, -EINVAL, "--all writes several files: say where to with --out DIR");
    for (size_t i = 0; i < COUNT(others); i++)
        if (cli_value(c, others[i]))
            return err_set(e, -EINVAL, "--all is a month of the whole site: leave out --%s",
                           others[i]);
    if (c->out.format == OUT_XLSX || c->out.format == OUT_PDF)
        return err_set(e, -EINVAL, "--all writes every format: leave out --format");
    int r = read_report(c, &in, e);
    if (r == 0)
        r = report_ledger_read(c->db, in.report.span.first, &ledger, e);
    if (r < 0)
        return r;
    in.about.ledger = &ledger;
    r = report_set_write(c, &in.report, &in.about, cli_value(c, "out"), e);
    if (r < 0)
        return r;
    report_span_text(&in.report.span, month);
    report_identity(&in.report.sums, print_identity, month);
    return balanced(&in.report);
}

static int month(struct cli *c, struct err *e)
{
    AUTO(reading_done) struct reading in = {0};
    AUTO(book_freep) struct book *b = NULL;
    AUTO(book_freep) struct book *paper = NULL;
    const char *part = cli_value(c, "part");
    if (cli_value(c, "all"))
        return month_set(c, e);
    int r = part ? cli_parse_word("--part", part, report_parts, e) : 0;
    if (r == 0)
        r = read_report(c, &in, e);
    if (r < 0)
        return r;
    b = report_book(&in.report, &in.about);
    paper = report_book_paper(&in.report, &in.about);
    r = book_write(c, b, paper, part, e);
    return r < 0 ? r : balanced(&in.report);
}

static int one_level(struct cli *c, enum report_level level, struct err *e)
{
    AUTO(reading_done) struct reading in = {0};
    int r = read_report(c, &in, e);
    if (r < 0)
        return r;
    AUTO(book_freep) struct book *b = report_book_level(&in.report, level, 0, &in.about);
    r = book_write(c, b, b, NULL, e);
    return r < 0 ? r : balanced(&in.report);
}

static int user(struct cli *c, struct err *e)
{
    return one_level(c, REPORT_USERS, e);
}

static int project(struct cli *c, struct err *e)
{
    return one_level(c, REPORT_PROJECTS, e);
}

static int tenant(struct cli *c, struct err *e)
{
    return one_level(c, REPORT_TENANTS, e);
}

static int waste(struct cli *c, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    AUTO(waste_done) struct waste w = {0};
    struct report_ask ask;
    int r = read_ask(c, &ask, e);
    if (r == 0)
        r = db_tx_snapshot(c->db, &tx, e);
    if (r == 0)
        r = waste_read(c->db, &ask, &w, e);
    if (r < 0)
        return r;
    struct report_about about = {.site = c->site, .zone = c->zone, .only = ask.filter};
    AUTO(book_freep) struct book *b = report_book_waste(&w, &about);
    return book_write(c, b, b, NULL, e);
}

/* A line of # for each row, the longest for the largest. */
static void print_bars(const struct table *t, FILE *out)
{
    int64_t most = 1;
    fputc('\n', out);
    for (size_t i = 0; i < t->row_count; i++)
        most = bar_of(t, i).value > most ? bar_of(t, i).value : most;
    for (size_t i = 0; i < t->row_count; i++) {
        char hours[AMOUNT_TEXT], label[BAR_TEXT];
        struct bar bar = bar_of(t, i);
        double share = bar.value > 0 ? (double)bar.value / (double)most : 0;
        int width = (int)(share * BAR_WIDTH + 0.5);
        amount_text(bar.value, AMOUNT_HOURS, hours);
        for (int k = 0; k < BAR_WIDTH; k++)
            fputc(k < width ? '#' : ' ', out);
        fprintf(out, " %12s  ", hours);
        out_safe(out, bar_text(&bar, label));
        fputc('\n', out);
    }
}

static int top(struct cli *c, struct err *e)
{
    AUTO(reading_done) struct reading in = {0};
    const char *by = cli_value(c, "by"), *limit = cli_value(c, "limit");
    int64_t count = TOP_LIMIT;
    int level = REPORT_USERS, r = by ? cli_parse_word("--by", by, levels, e) : 0;
    if (r == 0 && limit && parse_i64(limit, 1, TOP_MAX, &count) < 0)
        return err_set(e, -EINVAL, "--limit '%.40s': write a number from 1 to %d", limit,
                       TOP_MAX);
    if (r == 0 && cli_value(c, "chart") && c->out.format != OUT_TABLE)
        return err_set(e, -EINVAL, "--chart draws below the table: leave out --format");
    for (int i = 0; by && r == 0 && levels[i]; i++)
        level = strcmp(levels[i], by) ? level : i;
    if (r == 0)
        r = read_report(c, &in, e);
    if (r < 0)
        return r;
    AUTO(book_freep)
    struct book *b =
        report_book_level(&in.report, (enum report_level)level, (size_t)count, &in.about);
    r = book_write(c, b, b, NULL, e);
    if (r == 0 && cli_value(c, "chart") && !cli_value(c, "out"))
        print_bars(&b->tables[0], c->out.file);
    return r < 0 ? r : balanced(&in.report);
}

/* ---- the table of verbs */

#define MONTHS                                                                                 \
    {"month", "MONTH", "like 2026-10, in the site's zone (else the one that is running)",      \
     false},                                                                                   \
        {"since", "MONTH", "several months, from this one on", false},                         \
    {                                                                                          \
        "until", "MONTH", "the first month left out (else all up to the running one)", false   \
    }
#define FILTERS                                                                                \
    {"tenant", "TENANT", "only this tenant", false},                                           \
    {                                                                                          \
        "project", "PROJECT", "only this project", false                                       \
    }
#define OF_USER                                                                                \
    {                                                                                          \
        "user", "LOGIN", "only this person, login or login@directory; without allocations",    \
            false                                                                              \
    }

static const struct command_option month_options[] = {
    MONTHS,
    FILTERS,
    OF_USER,
    {"part", "PART", "users, projects, tenants, allocations or sums alone (csv: users)", false},
    {"all", NULL, "the whole set of files, into the folder of --out", false},
};
static const struct command_option level_options[] = {MONTHS, FILTERS, OF_USER};
static const struct command_option waste_options[] = {MONTHS, FILTERS};
static const struct command_option top_options[] = {
    MONTHS,
    FILTERS,
    OF_USER,
    {"by", "user|project|tenant", "what is compared (user)", false},
    {"limit", "N", "how many rows (10)", false},
    {"chart", NULL, "bars below the table", false},
};

#define OPTIONS(of) of, COUNT(of), COMMAND_REPORTS

static const struct command_verb verbs[] = {
    {"month", "[MONTH]", 0, 1, OPTIONS(month_options), month,
     "who used what, what each allocation has left, and that it adds up",
     "GPU-time counts in the month it is booked in: a charge in the months that the job ran\n"
     "in, a refund when it was given. A job counts as started or ended in the month of that\n"
     "moment. So a month that is over does not change any more.\n"
     "--since 2026-09 --until 2026-12 is September, October and November.\n"
     "\n"
     "  jobs failed  ended as failed, timed out or lost\n"
     "  waited       from submit to start, summed over the jobs that started\n"
     "  raw          GPUs x time; all else is weighted by the price of the submit time\n"
     "  net          charged less refunded\n"
     "  wasted       all that was charged, in any month, to the jobs that ended in this one\n"
     "               as failed, timed out, cancelled or lost\n"
     "  checksum     SHA-256 of the exact figures, with the persons' numbers for their names\n"
     "\n"
     "Of an allocation: opening + granted - revoked + transferred in - transferred out +\n"
     "adjusted - expired - charged + refunded = closing = free + held. refund expired is what\n"
     "was given back after the term, and expired at once. used: charged since the term began,\n"
     "less refunds.\n"
     "\n"
     "--all writes usage (csv, xlsx, pdf), jobs, ledger (csv) and summary (json) of one month\n"
     "into an existing folder; GPU-time in csv there is in seconds, which are exact. In the\n"
     "file of jobs, month_... is what is booked in the month and job_... the whole job's;\n"
     "weight is the price it was charged by, which held since price_since.\n"
     "\n"
     "Exit status 5 if the sums do not agree.\n"
     "  quota report month 2026-11\n"
     "  quota report month 2026-11 --format csv --part allocations\n"
     "  quota report month --since 2026-09 --until 2026-12 --format pdf --out autumn.pdf\n"
     "  quota report month 2026-11 --all --out /srv/reports\n"},
    {"project", "", 0, 0, OPTIONS(level_options), project, "usage by project",
     "`quota report month --help` says what the columns mean.\n"
     "  quota report project --month 2026-10 --tenant north\n"},
    {"user", "", 0, 0, OPTIONS(level_options), user, "usage by person and project",
     "A person has a row for each project. `quota report month --help` says what the columns\n"
     "mean.\n"
     "  quota report user --since 2026-01 --user alice@north\n"},
    {"tenant", "", 0, 0, OPTIONS(level_options), tenant, "usage by tenant",
     "`quota report month --help` says what the columns mean.\n"
     "  quota report tenant --month 2026-10 --format xlsx --out tenants.xlsx\n"},
    {"waste", "", 0, 0, OPTIONS(waste_options), waste,
     "GPU-hours that came to nothing, by cause, tenant and project",
     "Of the jobs that ended in the months, each with all that it was ever charged:\n"
     "\n"
     "  charged        to all of them\n"
     "  failed, timed out, cancelled, lost\n"
     "                 of that, to the jobs that ended so\n"
     "  preempted      of jobs that completed: what attempts that preemption, maintenance or\n"
     "                 a fault cut off had done since the last checkpoint, at most\n"
     "  wasted         these five together\n"
     "  sampled, idle  GPU-time without weight that samples looked at, and found idle, in\n"
     "                 jobs of every end\n"
     "\n"
     "A row without a project is the sum of its tenant, the last row the sum of all.\n"
     "  quota report waste --month 2026-10\n"},
    {"top", "", 0, 0, OPTIONS(top_options), top, "who used most",
     "In order of net GPU-hours (charged less refunded), the largest first. A person has a\n"
     "row for each project.\n"
     "  quota report top --by project --limit 20 --chart\n"},
    {"send", "[MONTH]", 0, 1, report_send_options, REPORT_SEND_OPTIONS, COMMAND_READS,
     report_send, "mail each tenant's report of a closed month to its contact",
     "For cron or a timer, some days into a month. Without MONTH it is the one that ended\n"
     "last; it must be closed (`quota month close`). The contact of each tenant that has one\n"
     "gets the report to print (PDF) and the table of users (CSV), once for each month and\n"
     "address, however often this is run.\n"
     "\n"
     "What a crash cut off goes out at the next call. What was cut off while the mail server\n"
     "took it is shown as unknown and not sent again by itself: if it did not come, --again\n"
     "ADDRESS sends it. Needs [mail] in the configuration. Exit status 1 if anything was\n"
     "refused or is unknown.\n"
     "  quota report send 2026-10 --dry-run\n"
     "  quota report send 2026-10\n"},
};

const struct command_noun noun_report = {"report", "months in numbers", verbs, COUNT(verbs)};
