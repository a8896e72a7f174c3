// SPDX-License-Identifier: Apache-2.0
/* Builds the message with libcurl's MIME, whose last part is drawn through a callback of ours:
 * that is where "it may have been delivered" begins. */
#include "quota/cli/smtp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/secret.h"

enum { TEXT_MAX = 1 << 20, ADDRESS_MAX = 254, LINE_MAX_BYTES = 512, CONNECT_S = 10 };

static const struct conf_key keys[] = {
    {"server", CONF_TEXT, offsetof(struct smtp_conf, server), "", 0, 253, NULL,
     "smtp://HOST:PORT, or smtps://HOST:PORT"},
    {"from", CONF_TEXT, offsetof(struct smtp_conf, from), "", 0, ADDRESS_MAX, NULL,
     "the address that mail comes from"},
    {"user", CONF_TEXT, offsetof(struct smtp_conf, user), "", 0, 120, NULL,
     "of the mail server, if it asks for one"},
    {"password_file", CONF_PATH, offsetof(struct smtp_conf, password_file), "", 0, 0, NULL,
     "the user's password"},
    {"ca", CONF_PATH, offsetof(struct smtp_conf, ca), "", 0, 0, NULL,
     "certificate authority of the server; else the machine's own"},
    {"tls", CONF_BOOL, offsetof(struct smtp_conf, is_tls), "yes", 0, 0, NULL,
     "no: only to a server on this machine"},
};

static bool is_here(const char *server)
{
    static const char *const here[] = {
        "smtp://127.0.0.1:", "smtp://localhost:", "smtp://[::1]:"};
    for (size_t i = 0; i < COUNT(here); i++)
        if (!strncmp(server, here[i], strlen(here[i])))
            return true;
    return false;
}

/* An address as SMTP takes it: printable ASCII without blanks, <, >, quotes, one @ inside. */
static int check_address(const char *address, struct err *e)
{
    size_t n = strlen(address);
    const char *at = strchr(address, '@');
    bool is_good = n <= ADDRESS_MAX && at && at != address && at[1] && !strchr(at + 1, '@');
    for (const char *p = address; is_good && *p; p++)
        is_good = *p > ' ' && *p < 127 && !strchr("<>\"(),;:\\[]", *p);
    return is_good ? 0
                   : err_set(e, -EINVAL, "address '%.80s': write one like dean@north.example",
                             address);
}

int smtp_conf_read(struct conf *c, struct smtp_conf *out, struct err *e)
{
    int r = conf_apply(c, "mail", NULL, keys, COUNT(keys), out, e);
    if (r < 0)
        return r;
    if (!*out->server)
        return err_set(e, -ENOTSUP,
                       "the site sends no mail: its configuration has no section [mail] with "
                       "server and from");
    if (strncmp(out->server, "smtp://", 7) && strncmp(out->server, "smtps://", 8))
        return err_set(e, -EINVAL,
                       "[mail] server '%s': write smtp://HOST:PORT or smtps://HOST:PORT",
                       out->server);
    if (!out->is_tls && !is_here(out->server))
        return err_set(e, -EINVAL,
                       "[mail] tls = no: only to a server on this machine, as in "
                       "smtp://127.0.0.1:25; it would send reports in the clear");
    return check_address(out->from, e);
}

/* ---- one message */

struct sending {
    const struct smtp_message *m;
    struct err why; /* of on_deliver() */
    bool may_have, is_stopped;
    struct buf text;  /* m->text in the lines of RFC 5322 */
    const char *last; /* the last part, as far as it is drawn */
    size_t size, drawn;
};

static void sending_done(struct sending *s)
{
    buf_done(&s->text);
}

/* Lines end in CRLF: a line feed alone would be escaped, as if it were a byte of the text. */
static void write_lines(struct buf *out, const char *text)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        buf_printf(out, "%.*s%s", (int)n, line, line[n] ? "\r\n" : "");
        line += n + (line[n] != '\0');
    }
}

static size_t draw(char *out, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    size_t n = s->size - s->drawn, room = size * count;
    if (s->is_stopped)
        return CURL_READFUNC_ABORT;
    if (!s->may_have && s->m->on_deliver && s->m->on_deliver(s->m->arg, &s->why) < 0) {
        s->is_stopped = true;
        return CURL_READFUNC_ABORT;
    }
    s->may_have = true;
    n = n < room ? n : room;
    memcpy(out, s->last + s->drawn, n);
    s->drawn += n;
    return n;
}

static int seek(void *arg, curl_off_t offset, int origin)
{
    struct sending *s = arg;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > s->size)
        return CURL_SEEKFUNC_FAIL;
    s->drawn = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void slist_done(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static int add_line(struct curl_slist **list, const char *name, const char *value)
{
    char line[LINE_MAX_BYTES];
    if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
        return -EINVAL;
    struct curl_slist *more = curl_slist_append(*list, line);
    if (!more)
        return -ENOMEM;
    *list = more;
    return 0;
}

static int add_head(struct curl_slist **list, const struct smtp_conf *conf,
                    const struct smtp_message *m)
{
    char date[64], id[LINE_MAX_BYTES / 2];
    struct tm tm;
    time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    snprintf(id, sizeof(id), "<%.160s@%.80s>", m->id, strchr(conf->from, '@') + 1);
    int r = add_line(list, "Date", date);
    if (r == 0)
        r = add_line(list, "From", conf->from);
    if (r == 0)
        r = add_line(list, "To", m->to);
    if (r == 0)
        r = add_line(list, "Subject", m->subject);
    if (r == 0)
        r = add_line(list, "Message-ID", id);
    return r == 0 ? add_line(list, "Auto-Submitted", "auto-generated") : r;
}

static CURLcode add_part(curl_mime *mime, struct sending *s, const struct smtp_file *f,
                         bool is_last)
{
    curl_mimepart *part = curl_mime_addpart(mime);
    CURLcode c = curl_mime_type(part, f->type);
    if (c == CURLE_OK && f->name)
        c = curl_mime_filename(part, f->name);
    if (c == CURLE_OK)
        c = curl_mime_encoder(part, f->name ? "base64" : "quoted-printable");
    if (c != CURLE_OK)
        return c;
    if (!is_last)
        return curl_mime_data(part, f->data, f->size);
    s->last = f->data;
    s->size = f->size;
    return curl_mime_data_cb(part, (curl_off_t)f->size, draw, seek, NULL, s);
}

static CURLcode add_parts(curl_mime *mime, struct sending *s)
{
    const struct smtp_message *m = s->m;
    const struct smtp_file text = {NULL, "text/plain; charset=utf-8", s->text.data,
                                   s->text.len};
    CURLcode c = add_part(mime, s, &text, m->file_count == 0);
    for (size_t i = 0; c == CURLE_OK && i < m->file_count; i++)
        c = add_part(mime, s, &m->files[i], i + 1 == m->file_count);
    return c;
}

static CURLcode set_server(CURL *curl, const struct smtp_conf *conf, const char *password)
{
    long tls = conf->is_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE;
    CURLcode c = curl_easy_setopt(curl, CURLOPT_URL, conf->server);
    if (c == CURLE_OK)
        c = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    if (c == CURLE_OK)
        c = curl_easy_setopt(curl, CURLOPT_USE_SSL, tls);
    if (c == CURLE_OK && *conf->ca)
        c = curl_easy_setopt(curl, CURLOPT_CAINFO, conf->ca);
    if (c == CURLE_OK && password)
        c = curl_easy_setopt(curl, CURLOPT_USERNAME, conf->user);
    if (c == CURLE_OK && password)
        c = curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)SMTP_LIMIT_S);
    return c;
}

/* What is known after the transfer ended with `c`. A reply of the server's is an answer. */
static int judge(CURL *curl, CURLcode c, const struct sending *s, const char *detail,
                 enum smtp_answer *out, struct err *e)
{
    long reply = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
    if (c == CURLE_OK) {
        *out = SMTP_SENT;
        return 0;
    }
    if (s->is_stopped)
        err_set(e, -EPERM, "%s", s->why.text);
    else
        err_set(e, -EIO, "%s: %s", s->m->to, *detail ? detail : curl_easy_strerror(c));
    bool is_answered = reply >= 400 && c == CURLE_WEIRD_SERVER_REPLY;
    *out = s->may_have && !is_answered ? SMTP_UNKNOWN : SMTP_REFUSED;
    return 0;
}

static void curl_freep(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void mime_freep(curl_mime **mime)
{
    curl_mime_free(*mime);
}

static void secret_freep(char **text)
{
    secret_free(*text);
}

int smtp_send(const struct smtp_conf *conf, const struct smtp_message *m, enum smtp_answer *out,
              struct err *e)
{
    AUTO(curl_freep) CURL *curl = curl_easy_init();
    AUTO(mime_freep) curl_mime *mime = curl ? curl_mime_init(curl) : NULL;
    AUTO(slist_done) struct curl_slist *head = NULL;
    AUTO(slist_done) struct curl_slist *to = NULL;
    AUTO(secret_freep) char *password = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    AUTO(sending_done) struct sending s = {.m = m, .text = BUF_INIT(TEXT_MAX)};
    int r = check_address(m->to, e);
    if (r == 0 && *conf->user)
        r = secret_read(conf->password_file, &password, e);
    if (r < 0)
        return r;
    write_lines(&s.text, m->text);
    if (s.text.failed)
        return err_set(e, -E2BIG, "mail: the text is too long");
    if (!mime || add_head(&head, conf, m) < 0 || !(to = curl_slist_append(NULL, m->to)))
        return err_set(e, -ENOMEM, "mail: no memory for the message");
    CURLcode c = set_server(curl, conf, password);
    if (c == CURLE_OK)
        c = add_parts(mime, &s);
    if (c != CURLE_OK)
        return err_set(e, -EIO, "mail: %s", curl_easy_strerror(c));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, conf->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime);
    return judge(curl, curl_easy_perform(curl), &s, detail, out, e);
}
