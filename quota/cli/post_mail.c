// SPDX-License-Identifier: Apache-2.0
/* Claim, send, say how it went. */
#include "quota/cli/post_mail.h"

#include <stdio.h>
#include <string.h>

#include "runner/base/digest.h"

const struct column mail_columns[] = {{"address", COLUMN_TEXT},
                                      {"subject", COLUMN_TEXT},
                                      {"answer", COLUMN_TEXT},
                                      {"note", COLUMN_TEXT}};
const size_t mail_columns_count = COUNT(mail_columns);

struct delivery {
    struct db *db;
    struct outbox_claim claim;
};

static int on_deliver(void *arg, struct err *e)
{
    struct delivery *d = arg;
    return outbox_deliver(d->db, &d->claim, e);
}

static void print(struct cli *c, const struct smtp_message *m, const char *answer,
                  const char *note)
{
    out_text(&c->out, m->to);
    out_text(&c->out, m->subject);
    out_text(&c->out, answer);
    out_text(&c->out, note);
    out_row(&c->out);
}

/* The claimed message goes to the server. */
static int send_claimed(struct cli *c, const struct smtp_conf *conf, struct smtp_message *m,
                        struct delivery *d, enum smtp_answer *out)
{
    static const struct {
        const char *word;
        enum outbox_end end;
    } ends[] = {[SMTP_SENT] = {"sent", OUTBOX_END_SENT},
                [SMTP_REFUSED] = {"failed", OUTBOX_END_FAILED},
                [SMTP_UNKNOWN] = {"unknown", OUTBOX_END_UNKNOWN}};
    struct err why = {""};
    m->on_deliver = on_deliver;
    m->arg = d;
    int r = smtp_send(conf, m, out, &why);
    if (r < 0) /* not even begun: nothing went out */
        *out = SMTP_REFUSED;
    print(c, m, ends[*out].word, why.text);
    return outbox_end(d->db, &d->claim, ends[*out].end, why.text, NULL);
}

/* What may have been lost goes out once more when --again names its address. */
static bool is_again(const struct cli *c, const struct outbox_ask *ask)
{
    const char *again = cli_value(c, "again");
    return again && !strcmp(again, ask->address);
}

static int claim(struct cli *c, const struct outbox_ask *ask, enum outbox_answer *out,
                 struct outbox_claim *out_claim, struct err *e)
{
    int r = outbox_claim(c->db, ask, out, out_claim, e);
    if (r < 0 || *out != OUTBOX_UNKNOWN || !is_again(c, ask))
        return r;
    r = outbox_retry(c->db, ask->key, e);
    return r < 0 ? r : outbox_claim(c->db, ask, out, out_claim, e);
}

static int rehearse(struct cli *c, const struct outbox_ask *ask, enum outbox_answer *out,
                    struct err *e)
{
    int r = outbox_look(c->db, ask->key, out, e);
    if (r == 0 && *out == OUTBOX_UNKNOWN && is_again(c, ask))
        *out = OUTBOX_CLAIMED;
    return r;
}

int post_mail(struct cli *c, const struct smtp_conf *conf, const struct outbox_ask *ask,
              const struct smtp_message *m, bool *out_is_trouble, struct err *e)
{
    bool is_dry_run = cli_value(c, "dry-run") != NULL;
    struct smtp_message message = *m;
    struct delivery d = {.db = c->db};
    enum outbox_answer answer;
    enum smtp_answer sent = SMTP_SENT;
    char id[DIGEST_HEX];
    *out_is_trouble = false;
    int r = is_dry_run ? rehearse(c, ask, &answer, e) : claim(c, ask, &answer, &d.claim, e);
    if (r < 0)
        return r;
    if (answer == OUTBOX_SENT) {
        print(c, m, "was sent before", "");
        return 0;
    }
    if (answer == OUTBOX_UNKNOWN) {
        *out_is_trouble = true;
        print(c, m, "unknown",
              "another sends it just now, or was cut off at it; --again ADDRESS sends it once "
              "more");
        return 0;
    }
    if (is_dry_run) {
        print(c, m, "would be sent", "");
        return 0;
    }
    digest_sha256_hex(ask->key, strlen(ask->key), id);
    message.id = id;
    r = send_claimed(c, conf, &message, &d, &sent);
    *out_is_trouble = sent != SMTP_SENT;
    return r < 0 ? err_set(e, r, "%s: how it went could not be written down", m->to) : 0;
}
