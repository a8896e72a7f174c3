// SPDX-License-Identifier: Apache-2.0
/* `quota month`: months that close, and what became of them. */
#include "quota/month.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/report_canonical.h"
#include "runner/base/now.h"

/* ---- list */

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {
        {"month", COLUMN_TEXT},   {"from", COLUMN_TIME},   {"until", COLUMN_TIME},
        {"state", COLUMN_TEXT},   {"closed", COLUMN_TIME}, {"closed_by", COLUMN_TEXT},
        {"checksum", COLUMN_TEXT}};
    int64_t now = 0;
    int first = 0;
    int r = cli_check_columns(c, columns, COUNT(columns), e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = month_first(c->db, &first, e);
    if (r == 0)
        r = db_select_i64(c->db, SQL_NOW, DB_NO_ARGS, &now, e);
    if (r < 0)
        return r;
    return cli_list(c, SQL_MONTH_LIST, DB_ARGS(DB_I64(now), DB_I64(first)), columns,
                    COUNT(columns), NULL, e);
}

/* ---- show */

static const struct column show_columns[] = {
    {"month", COLUMN_TEXT},     {"from", COLUMN_TIME},       {"until", COLUMN_TIME},
    {"zone", COLUMN_TEXT},      {"state", COLUMN_TEXT},      {"closed", COLUMN_TIME},
    {"closed_by", COLUMN_TEXT}, {"checksum", COLUMN_TEXT},   {"proof", COLUMN_TEXT},
    {"audit_no", COLUMN_INT},   {"audit_seal", COLUMN_TEXT}, {"raw", COLUMN_GPUMS},
    {"charged", COLUMN_GPUMS},  {"refunded", COLUMN_GPUMS},  {"corrections", COLUMN_INT},
};

/* The first thing that is wrong with a closed month. */
struct proof {
    bool is_broken;
    char text[300];
};

static void on_fault(const struct verify_fault *fault, void *arg)
{
    struct proof *proof = arg;
    if (!proof->is_broken)
        snprintf(proof->text, sizeof(proof->text), "BROKEN: %s", fault->meaning);
    proof->is_broken = true;
}

static const char *state_of(const struct month *m)
{
    if (m->closed_ms)
        return "closed";
    return m->now_ms < m->from_ms ? "future" : m->now_ms < m->until_ms ? "running" : "over";
}

static void put_month(struct out *o, const struct month *m)
{
    char name[MONTH_NAME_LEN];
    month_name(m->month, name);
    out_text(o, name);
    out_i64(o, m->from_ms);
    out_i64(o, m->until_ms);
    out_text(o, getenv("TZ"));
    out_text(o, state_of(m));
    out_i64(o, m->closed_ms);
    out_text_or_null(o, m->closed_by);
    out_text_or_null(o, m->checksum);
}

static void put_head(struct out *o, const struct month *m)
{
    out_i64_or_null(o, m->audit_no);
    out_text_or_null(o, m->audit_seal);
}

static int show_one(struct cli *c, int month, struct proof *proof, struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    AUTO(db_rows_freep) struct db_rows *sums = NULL;
    struct month m;
    int r = db_tx_snapshot(c->db, &tx, e);
    if (r == 0)
        r = month_get(c->db, month, &m, e);
    if (r == 0 && m.closed_ms) {
        snprintf(proof->text, sizeof(proof->text), "intact");
        r = month_check(c->db, month, on_fault, proof, e);
    }
    if (r == 0)
        r = db_select_row(c->db, SQL_MONTH_SUMS, DB_ARGS(DB_I64(month)), &sums, e);
    if (r < 0)
        return r;
    c->out.is_record = true;
    out_begin(&c->out, "", show_columns, COUNT(show_columns), NULL); /* picked before */
    put_month(&c->out, &m);
    out_text_or_null(&c->out, proof->text);
    put_head(&c->out, &m);
    for (unsigned i = 0; i < 4; i++)
        out_i64(&c->out, db_rows_i64(sums, i));
    out_row(&c->out);
    out_end(&c->out);
    return 0;
}

/* The frozen report byte for byte: what the checksum was computed from. */
static int show_text(struct cli *c, int month, struct err *e)
{
    AUTO(cleanup_free) char *text = NULL;
    struct month m;
    if (c->out.format != OUT_TABLE || c->out.picked)
        return err_set(e, -EINVAL,
                       "--text prints lines and no table; leave out --format and --columns");
    int r = cli_open(c, e);
    if (r == 0)
        r = month_get(c->db, month, &m, e);
    if (r == 0 && !m.closed_ms)
        return err_set(e, -EPERM,
                       "month %s is not closed: it has no text yet; `quota report month %s` "
                       "says what is in it so far",
                       cli_arg(c, 0), cli_arg(c, 0));
    if (r == 0)
        r = month_text(c->db, month, &text, e);
    if (r == 0)
        fputs(text, c->out.file);
    return r;
}

static int show(struct cli *c, struct err *e)
{
    struct proof proof = {0};
    int month, r = cli_parse_month("month", cli_arg(c, 0), &month, e);
    if (r == 0 && cli_value(c, "text"))
        return show_text(c, month, e);
    if (r == 0)
        r = cli_check_columns(c, show_columns, COUNT(show_columns), e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = show_one(c, month, &proof, e);
    return r < 0 ? r : proof.is_broken ? CLI_UNBALANCED : CLI_OK;
}

/* ---- close */

static const struct column close_columns[] = {
    {"answer", COLUMN_TEXT},  {"month", COLUMN_TEXT},      {"checksum", COLUMN_TEXT},
    {"audit_no", COLUMN_INT}, {"audit_seal", COLUMN_TEXT}, {"uncharged", COLUMN_INT},
    {"key", COLUMN_TEXT}};

static int refuse_uncharged(const struct month_result *res, const char *name, struct err *e)
{
    AUTO(buf_done) struct buf jobs = BUF_INIT(400);
    for (int i = 0; i < res->job_count; i++)
        buf_printf(&jobs, "%s%lld", i ? ", " : "", (long long)res->jobs[i]);
    return err_set(
        e, -EPERM,
        "month %s: %lld attempt%s ran in it without a charge for it yet (job%s %s%s); runnerd "
        "posts them within a minute of the month's end: is it running? --anyway closes without "
        "them, and they are charged in the open month",
        name, (long long)res->uncharged, res->uncharged == 1 ? "" : "s",
        res->job_count == 1 ? "" : "s", buf_text(&jobs),
        res->job_count == MONTH_JOBS_MAX ? " …" : "");
}

static int refuse(struct cli *c, const struct month_result *res, struct err *e)
{
    char name[MONTH_NAME_LEN], other[MONTH_NAME_LEN], at[20];
    const struct month *m = &res->month;
    month_name(m->month, name);
    switch (res->answer) {
    case MONTH_OTHER_CONTENT:
        return err_set(e, -EEXIST,
                       "key %s was used for something else; take another key, or none", c->key);
    case MONTH_CLOSED:
        now_text(m->closed_ms, at);
        return err_set(
            e, -EPERM,
            "month %s was closed at %s by %s; a correction is booked in the open month: `quota "
            "refund` or `quota adjust` with --month %s",
            name, at, m->closed_by, name);
    case MONTH_NOT_OVER:
        now_text(m->until_ms + MONTH_GRACE_MS, at);
        return err_set(e, -EPERM, "month %s is not over yet; it can be closed from %s on", name,
                       at);
    case MONTH_TOO_EARLY:
        month_name(res->first, other);
        return err_set(e, -EPERM, "month %s: the books begin with %s; close that one first",
                       name, other);
    case MONTH_GAP:
        month_name(res->gap, other);
        return err_set(
            e, -EPERM,
            "month %s: the one of %s is open still, and months close in order; `quota month "
            "close %s` first",
            name, other, other);
    default:
        return refuse_uncharged(res, name, e);
    }
}

static void print_closed(struct cli *c, const struct month_result *res)
{
    char name[MONTH_NAME_LEN];
    month_name(res->month.month, name);
    c->out.is_record = true;
    out_begin(&c->out, "", close_columns, COUNT(close_columns), NULL); /* picked before */
    out_text(&c->out, res->answer == MONTH_SAME ? "done before"
                      : c->by.is_dry_run        ? "would be done"
                                                : "done");
    out_text(&c->out, name);
    out_text_or_null(&c->out, res->month.checksum);
    put_head(&c->out, &res->month);
    out_i64(&c->out, res->uncharged);
    out_text(&c->out, c->key);
    out_row(&c->out);
    out_end(&c->out);
}

static int close_month(struct cli *c, struct err *e)
{
    struct month_ask ask = {.is_anyway = cli_value(c, "anyway") != NULL};
    struct month_result res;
    int r = cli_parse_month("month", cli_arg(c, 0), &ask.month, e);
    if (r == 0)
        r = cli_check_columns(c, close_columns, COUNT(close_columns), e);
    if (r == 0)
        r = cli_begin(c, e, "close the month %s for good%s", cli_arg(c, 0),
                      ask.is_anyway ? ", also if charges are missing" : "");
    if (r == 0)
        r = month_close(c->db, &c->by, &ask, &res, e);
    if (r < 0)
        return r;
    if (res.answer != MONTH_DONE && res.answer != MONTH_SAME)
        return refuse(c, &res, e);
    print_closed(c, &res);
    return CLI_OK;
}

/* ---- diff */

enum part { PART_LINES, PART_CORRECTIONS, PARTS };

static const char *const part_names[] = {"lines", "corrections", NULL};

static const struct column line_columns[] = {{"side", COLUMN_TEXT}, {"line", COLUMN_TEXT}};

static const struct column correction_columns[] = {
    {"at", COLUMN_TIME},       {"booked", COLUMN_TEXT},    {"type", COLUMN_TEXT},
    {"project", COLUMN_TEXT},  {"allocation", COLUMN_INT}, {"job", COLUMN_INT},
    {"charged", COLUMN_GPUMS}, {"adjusted", COLUMN_GPUMS}, {"cause", COLUMN_TEXT},
    {"actor", COLUMN_TEXT},    {"reason", COLUMN_TEXT},    {"key", COLUMN_TEXT}};

static const struct column change_columns[] = {{"tenant", COLUMN_TEXT},
                                               {"project", COLUMN_TEXT},
                                               {"before", COLUMN_GPUMS},
                                               {"after", COLUMN_GPUMS},
                                               {"change", COLUMN_GPUMS}};

static void on_line(bool is_new, const char *line, void *arg)
{
    struct out *o = arg;
    out_text(o, is_new ? "now" : "frozen");
    out_text(o, line);
    out_row(o);
}

static int print_lines(struct cli *c, int month, bool is_wanted, size_t *out_differ,
                       struct err *e)
{
    AUTO(buf_done) struct buf now = BUF_INIT(MONTH_TEXT_MAX);
    AUTO(cleanup_free) char *text = NULL;
    int r = month_text(c->db, month, &text, e);
    if (r == 0)
        r = report_canonical(c->db, month, &now, e);
    if (r < 0)
        return r;
    if (!is_wanted) {
        *out_differ = strcmp(text, buf_text(&now)) != 0;
        return 0;
    }
    out_begin(&c->out, part_names[PART_LINES], line_columns, COUNT(line_columns), NULL);
    *out_differ = month_compare(text, buf_text(&now), on_line, &c->out);
    out_end(&c->out);
    return 0;
}

/* The frozen month against the books of now, and what was corrected since; in one snapshot. */
static int diff_books(struct cli *c, int month, const bool wanted[PARTS], size_t *out_differ,
                      struct err *e)
{
    AUTO(db_tx_end) struct db_tx tx = {0};
    struct month m;
    int r = db_tx_snapshot(c->db, &tx, e);
    if (r == 0)
        r = month_get(c->db, month, &m, e);
    if (r == 0 && !m.closed_ms)
        return err_set(
            e, -EPERM,
            "month %s is not closed: nothing is frozen that could differ; `quota month diff "
            "MONTH MONTH` compares two",
            cli_arg(c, 0));
    if (r < 0)
        return r;
    bool is_group = c->out.is_group;
    if (is_group)
        out_group_begin(&c->out);
    r = print_lines(c, month, wanted[PART_LINES], out_differ, e);
    if (r == 0 && wanted[PART_CORRECTIONS])
        r = cli_table(c, part_names[PART_CORRECTIONS], SQL_MONTH_CORRECTIONS,
                      DB_ARGS(DB_I64(month), DB_I64(month)), correction_columns,
                      COUNT(correction_columns), e);
    if (r == 0 && is_group)
        out_group_end(&c->out);
    return r;
}

static int read_parts(struct cli *c, bool wanted[PARTS], struct err *e)
{
    const char *part = cli_value(c, "part");
    if (!part && (c->out.format == OUT_CSV || c->out.picked))
        part = part_names[PART_LINES]; /* one table a file */
    int r = part ? cli_parse_word("--part", part, part_names, e) : 0;
    for (int i = 0; i < PARTS; i++)
        wanted[i] = !part || !strcmp(part, part_names[i]);
    c->out.is_group = !part;
    if (r < 0 || !part)
        return r;
    if (wanted[PART_LINES])
        return cli_check_columns(c, line_columns, COUNT(line_columns), e);
    return cli_check_columns(c, correction_columns, COUNT(correction_columns), e);
}

static int diff_months(struct cli *c, int month, struct err *e)
{
    struct month first, second;
    int other = 0, r = cli_parse_month("month", cli_arg(c, 1), &other, e);
    if (r == 0)
        r = cli_check_columns(c, change_columns, COUNT(change_columns), e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = month_get(c->db, month, &first, e);
    if (r == 0)
        r = month_get(c->db, other, &second, e);
    if (r < 0)
        return r;
    return cli_list(c, SQL_MONTH_CHANGE, DB_ARGS(DB_I64(month), DB_I64(other)), change_columns,
                    COUNT(change_columns), NULL, e);
}

static int diff(struct cli *c, struct err *e)
{
    bool wanted[PARTS];
    size_t differ = 0;
    int month, r = cli_parse_month("month", cli_arg(c, 0), &month, e);
    if (r == 0 && cli_arg(c, 1))
        return diff_months(c, month, e);
    if (r == 0)
        r = read_parts(c, wanted, e);
    if (r == 0)
        r = cli_open(c, e);
    if (r == 0)
        r = diff_books(c, month, wanted, &differ, e);
    return r < 0 ? r : differ ? CLI_UNBALANCED : CLI_OK;
}

static const struct command_option show_options[] = {
    {"text", NULL, "the frozen report alone, which the checksum covers", false},
};

static const struct command_option close_options[] = {
    {"anyway", NULL, "also if attempts that ran in it are not charged for it yet", false},
};

static const struct command_option diff_options[] = {
    {"part", "PART", "lines or corrections alone (csv: else lines)", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, NULL, 0, COMMAND_READS, list, "all months of the books until now",
     "state: running, over (it can be closed) or closed.\n"},
    {"show", "MONTH", 1, 1, show_options, COUNT(show_options), COMMAND_READS, show,
     "a month, and whether it is intact",
     "proof: of a closed month, whether its report, computed again from the books, and the\n"
     "checksum over it and the month before are those of the closing; exit status 5 if not.\n"
     "corrections: later entries that name it (`quota month diff` lists them). audit_no,\n"
     "audit_seal: the head of the audit chain when it was closed. With --text, the report as it\n"
     "was frozen: the SHA-256 of the checksum of the month before (of the first: nothing)\n"
     "followed by it is the checksum of this one.\n"
     "  quota month show 2026-10\n"
     "  (printf %s CHECKSUM; quota month show 2026-10 --text) | sha256sum\n"},
    {"close", "MONTH", 1, 1, close_options, COUNT(close_options), COMMAND_POSTS, close_month,
     "freeze a month with a checksum",
     "From ten minutes after its end, months in order. Freezes the report and its balances\n"
     "and prints the checksum, which covers that of the month before: write it down where\n"
     "nobody can change it. Nothing is booked in a closed month any more: what comes late or\n"
     "is corrected is booked in the open one and names the month it corrects.\n"
     "  quota month close 2026-10 --reason 'end of month' --dry-run\n"
     "  quota month close 2026-10 --reason 'end of month' --yes\n"},
    {"diff", "MONTH [MONTH]", 1, 2, diff_options, COUNT(diff_options), COMMAND_READS, diff,
     "what differs from a closed month, or between two",
     "Of one closed month: the lines of its frozen report that the books do not say any more,\n"
     "or say newly (none when all is intact; exit status 5 otherwise), and the later entries\n"
     "that correct it. Of two: charges less refunds of each project in both.\n"
     "  quota month diff 2026-10\n"
     "  quota month diff 2026-09 2026-10 --format csv\n"},
};

const struct command_noun noun_month = {"month", "close, show, compare months", verbs,
                                        COUNT(verbs)};
