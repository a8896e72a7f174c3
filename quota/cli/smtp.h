// SPDX-License-Identifier: Apache-2.0
/* One message to one address through the site's mail server. The only file that knows libcurl.
 *
 *   [mail]
 *   server = smtp://mail.example:587
 *   from = firefly@example
 *
 * The connection is encrypted (STARTTLS, or smtps://) and the server's certificate checked,
 * unless the server is this very machine and `tls = no`. Blocks, at most SMTP_LIMIT_S.
 */
#ifndef FF_QUOTA_CLI_SMTP_H
#define FF_QUOTA_CLI_SMTP_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/conf.h"
#include "runner/base/err.h"

enum { SMTP_LIMIT_S = 120 };

struct smtp_conf {
    const char *server, *from, *user, *password_file, *ca;
    bool is_tls;
};

/* The section [mail]; -ENOTSUP with the remedy: the site has none. */
int smtp_conf_read(struct conf *c, struct smtp_conf *out, struct err *e);

struct smtp_file {
    const char *name, *type; /* "usage-2026-10.csv", "text/csv" */
    const char *data;
    size_t size;
};

struct smtp_message {
    const char *to, *subject,
        *id; /* id: of the Message-ID, always the same for the same message */
    const char *text;
    const struct smtp_file *files;
    size_t file_count;
    /* Called once, just before the last part is handed out: from its return of 0 on the server
     * may have the message. Negative: stop. */
    int (*on_deliver)(void *arg, struct err *e);
    void *arg;
};

enum smtp_answer {
    SMTP_SENT,
    SMTP_REFUSED, /* it was not taken: told in `e`; it may be tried again */
    SMTP_UNKNOWN, /* cut off after on_deliver(): it may have been taken */
};

int smtp_send(const struct smtp_conf *conf, const struct smtp_message *m, enum smtp_answer *out,
              struct err *e);

#endif
