// SPDX-License-Identifier: Apache-2.0
/* What is mailed, remembered so that each message goes out once whatever crashes.
 *
 *   ready → claimed → delivering → sent        failed → claimed …
 *
 * A row is named by its key ("report:202610:north:dean@north.example"). A sender claims it
 * under a nonce of its own; the moment before the last bytes go to the mail server it says so
 * (outbox_deliver()). Whoever finds a row `claimed` may claim it anew: its sender died before
 * the server can have taken the message, or is told by outbox_deliver() that it lost the claim.
 * Whoever finds it `delivering` does not know whether it was taken: it is told of, and never
 * sent twice. Needs a connection of the administrator's role. Blocks.
 */
#ifndef FF_QUOTA_OUTBOX_H
#define FF_QUOTA_OUTBOX_H

#include "quota/db/db.h"

enum outbox_answer {
    OUTBOX_CLAIMED, /* ours to send */
    OUTBOX_SENT,    /* went out before */
    OUTBOX_UNKNOWN, /* cut off while it was delivered: it may have arrived */
};

struct outbox_ask {
    const char *key, *kind; /* kind "report" or "notice" */
    const char *address, *subject;
};

struct outbox_claim {
    int64_t id;
    char nonce[33];
};

int outbox_claim(struct db *db, const struct outbox_ask *ask, enum outbox_answer *out,
                 struct outbox_claim *out_claim, struct err *e);

/* What outbox_claim() would answer; claims nothing. */
int outbox_look(struct db *db, const char *key, enum outbox_answer *out, struct err *e);

/* From here on it may have been delivered. -EPERM: another sender has the claim now. */
int outbox_deliver(struct db *db, const struct outbox_claim *claim, struct err *e);

/* How it went; `note` for people. After OUTBOX_END_UNKNOWN it stays `delivering`. */
enum outbox_end { OUTBOX_END_SENT, OUTBOX_END_FAILED, OUTBOX_END_UNKNOWN };
int outbox_end(struct db *db, const struct outbox_claim *claim, enum outbox_end end,
               const char *note, struct err *e);

/* Lets a message that may have arrived be sent again: an administrator's decision. -ENOENT: no
 * such row, or it is not `delivering`. */
int outbox_retry(struct db *db, const char *key, struct err *e);

#endif
