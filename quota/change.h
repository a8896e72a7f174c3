// SPDX-License-Identifier: Apache-2.0
/* One change by an administrator: the audit row first, then the change, in one transaction.
 *
 * Every write of `quota` that is not the ledger's goes through change_run(). The audit row
 * carries the request key, which is unique: the same key with the same content is a repeat and
 * changes nothing, with other content it is refused. Errors that mean "repeat" are repeated.
 * Blocks.
 */
#ifndef FF_QUOTA_CHANGE_H
#define FF_QUOTA_CHANGE_H

#include <stdbool.h>

#include "quota/db/db.h"
#include "runner/base/buf.h"

enum { CHANGE_KEY_MAX = 64, CHANGE_REASON_MAX = 200, CHANGE_TEXT_MAX = 2000 };

/* Who, from where ("quota HOST", "portal ADDRESS"), why, and under which key. */
struct change_by {
    const char *actor, *origin, *reason, *key;
    bool is_dry_run; /* do all of it, then roll it back */
};

enum change_answer {
    CHANGE_DONE,
    CHANGE_SAME,          /* this key and content were done before */
    CHANGE_OTHER_CONTENT, /* this key was used for something else */
};

struct change {
    const char *verb;   /* "tenant add" */
    const char *object; /* "tenant north" */
    const char *after;  /* what it shall be, in words: the content */
    /* Writes what it is now into `before`, and refuses with a sentence: -ENOENT (no such
     * thing), -EEXIST (is there already), -EPERM (a rule forbids it). */
    int (*read)(struct db *db, void *arg, struct buf *before, struct err *e);
    int (*apply)(struct db *db, void *arg, struct err *e);
    void *arg;
};

int change_run(struct db *db, const struct change_by *by, const struct change *change,
               enum change_answer *out, struct err *e);

/* The two steps of change_run() that a transaction with an order of its own takes by itself.
 * The first looks whether the key was used: 1 and the answer, 0 it is new; `after` NULL: verb
 * and object are the content. The second writes the audit row; -EAGAIN: the key came in beside
 * us, look again. */
int change_find(struct db *db, const struct change_by *by, const struct change *change,
                enum change_answer *out, struct err *e);
int change_write(struct db *db, const struct change_by *by, const struct change *change,
                 const char *before, struct err *e);

/* A key of our own rules: 8 … 64 of [A-Za-z0-9._-], so that it is never one of the ledger's own
 * ("hold:7"). -EINVAL with the remedy. */
int change_check_key(const char *key, struct err *e);

/* A reason: 3 … 200 bytes of UTF-8 without control characters. -EINVAL with the remedy. */
int change_check_reason(const char *reason, struct err *e);

/* A text of a row: at most max bytes of UTF-8 without control characters. `what` names it. */
int change_check_text(const char *what, const char *text, size_t max, struct err *e);

/* A name that others type: [a-z0-9][a-z0-9-]*, at most 32. `what` names it. */
int change_check_name(const char *what, const char *name, struct err *e);

#endif
