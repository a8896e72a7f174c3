// SPDX-License-Identifier: Apache-2.0
/* `quota notice`: allocations that run low or end soon, told to their PIs in a digest each. */
#include "quota/notice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "quota/amount.h"
#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post_mail.h"
#include "runner/base/buf.h"

enum { TEXT_MAX = 256 * 1024, KEY_MAX = 200, SUBJECT_MAX = 120 };

static int list(struct cli *c, struct err *e)
{
    static const struct column columns[] = {{"noted", COLUMN_TIME},
                                            {"project", COLUMN_TEXT},
                                            {"allocation", COLUMN_INT},
                                            {"kind", COLUMN_TEXT},
                                            {"told", COLUMN_TIME}};
    const char *project = cli_value(c, "project");
    project = project ? project : "";
    return cli_list(c, SQL_NOTICE_LIST, DB_ARGS(DB_STR(project), DB_STR(project)), columns,
                    COUNT(columns), NULL, e);
}

static void write_line(struct buf *out, const struct notice_line *l)
{
    char free_text[AMOUNT_TEXT], held[AMOUNT_TEXT], used[AMOUNT_TEXT], day[32];
    struct tm tm;
    time_t until = (time_t)(l->until_ms / 1000);
    localtime_r(&until, &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    amount_text(l->free_gpums, AMOUNT_HOURS, free_text);
    amount_text(l->held_gpums, AMOUNT_HOURS, held);
    amount_text(l->used_gpums, AMOUNT_HOURS, used);
    buf_printf(out,
               "Project %s, allocation %lld: %s.\n"
               "    GPU-hours: %s used, %s held, %s free; the term ends before %s.\n\n",
               l->project, (long long)l->allocation, notice_words(l->kind), used, held,
               free_text, day);
}

/* The digest as text; lines come by project. */
static void write_text(struct buf *out, const struct notice_digest *d)
{
    buf_printf(out, "Dear %s,\n\nthis concerns projects that you head.\n\n",
               *d->name ? d->name : "colleague");
    for (size_t i = 0; i < d->count; i++)
        write_line(out, &d->lines[i]);
    buf_printf(out,
               "Each of these is told once. The page Balance of the portal shows the figures "
               "of the moment,\n"
               "and takes requests for more GPU-hours.\n");
}

static int send_digest(struct cli *c, const struct smtp_conf *conf,
                       const struct notice_digest *d, bool *out_is_trouble, struct err *e)
{
    AUTO(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
    char key[KEY_MAX + 60], subject[SUBJECT_MAX];
    write_text(&text, d);
    if (text.failed)
        return err_set(e, -E2BIG, "%s: the digest is too long", d->address);
    snprintf(key, sizeof(key), "notice:%lld:%s", (long long)d->batch_ms, d->address);
    snprintf(subject, sizeof(subject), "GPU-hours: %zu notice%s about your projects", d->count,
             d->count == 1 ? "" : "s");
    struct outbox_ask ask = {key, "notice", d->address, subject};
    struct smtp_message m = {.to = d->address, .subject = subject, .text = buf_text(&text)};
    return post_mail(c, conf, &ask, &m, out_is_trouble, e);
}

static int read_digests(struct cli *c, struct notice_digests *out, struct err *e)
{
    if (cli_value(c, "dry-run"))
        return notice_rehearse(c->db, out, e);
    int r = notice_note(c->db, e);
    return r < 0 ? r : notice_digests(c->db, out, e);
}

static int send(struct cli *c, struct err *e)
{
    AUTO(notice_digests_done) struct notice_digests digests = {0};
    struct smtp_conf conf;
    bool has_trouble = false;
    int r = cli_open(c, e);
    if (r == 0)
        r = smtp_conf_read(c->conf, &conf, e);
    if (r == 0)
        r = read_digests(c, &digests, e);
    if (r == 0)
        r = out_begin(&c->out, "mail", mail_columns, mail_columns_count, e);
    for (size_t i = 0; r == 0 && i < digests.count; i++) {
        bool is_trouble;
        r = send_digest(c, &conf, &digests.items[i], &is_trouble, e);
        has_trouble = has_trouble || is_trouble;
    }
    if (r == 0)
        out_end(&c->out);
    return r < 0 ? r : has_trouble ? CLI_FAILED : CLI_OK;
}

static const struct command_option list_options[] = {
    {"project", "NAME", "only this project's", false},
};

static const struct command_option send_options[] = {
    {"dry-run", NULL, "show what would be sent; note and send nothing", false},
    {"again", "ADDRESS", "send once more what may not have arrived there", false},
};

static const struct command_verb verbs[] = {
    {"list", "", 0, 0, list_options, COUNT(list_options), COMMAND_READS, list,
     "the thresholds that allocations passed",
     "used75, used90, used100: that many per cent are used; term30: 30 days before its end.\n"
     "told: when the digest with it was made to go out.\n"},
    {"send", "", 0, 0, send_options, COUNT(send_options), COMMAND_READS, send,
     "note what was passed and mail the digests",
     "For cron or a timer, once a day. The thresholds are 75, 90 and 100 per cent used,\n"
     "and 30 days before the term ends. Each is noted once and told once, in one digest\n"
     "for each PI with an address. What a crash cut off goes out at the next call; what\n"
     "was cut off while the mail server took it is shown as unknown and never sent twice\n"
     "by itself: when it did not come, --again ADDRESS sends it. After a week it is not\n"
     "offered any more. Needs [mail] in the configuration. Ends with 1 if anything was\n"
     "refused or is unknown.\n"},
};

const struct command_noun noun_notice = {"notice", "thresholds of allocations, and their mail",
                                         verbs, COUNT(verbs)};
