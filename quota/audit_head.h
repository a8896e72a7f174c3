// SPDX-License-Identifier: Apache-2.0
/* What the database alone cannot be asked about the audit's chain: the key of its seals, and
 * the number and seal of the last one (the head), kept in a file of runnerd's.
 *
 * Without the head, rows cut off the end of the chain would leave a shorter one that is whole.
 * The head is written after the rows are committed: the database may be ahead of it by a batch,
 * and never behind.
 */
#ifndef FF_QUOTA_AUDIT_HEAD_H
#define FF_QUOTA_AUDIT_HEAD_H

#include "quota/audit.h"
#include "runner/base/conf.h"

struct audit_head {
    int64_t no; /* 0: nothing is sealed */
    char seal[AUDIT_SEAL_LEN + 1];
};

/* The section [seal]: both are given, or both are "" and nothing is sealed. */
struct audit_conf {
    const char *key_file, *head_file;
};
int audit_conf_read(struct conf *c, struct audit_conf *out, struct err *e);

/* The key, at least 32 characters. For root the file may be another's (runnerd's), as long as
 * nobody else can read it. Caller frees with secret_free(). */
int audit_key_read(const char *path, char **out_key, struct err *e);

/* -ENOENT: there is none (no sentence); -EBADMSG: it is not what was written there. */
int audit_head_read(const char *path, struct audit_head *out, struct err *e);

/* Whole or not at all, and durable when it returns. */
int audit_head_write(const char *path, const struct audit_head *head, struct err *e);

#endif
