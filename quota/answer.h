// SPDX-License-Identifier: Apache-2.0
/* One call of a stored procedure and its one row: a word first (`outcome`), then numbers.
 * Shared by the files that give procedures of the ledger, of the portal and of the audit's
 * seals their C names; everybody else calls those.
 *
 * Blocks. A call is repeated whole while the database says that repeating may help; the keys in
 * it see to it that a repeat changes nothing twice.
 */
#ifndef FF_QUOTA_ANSWER_H
#define FF_QUOTA_ANSWER_H

#include "quota/db/db.h"

enum { ANSWER_WORD_MAX = 31, ANSWER_NUMBERS_MAX = 4, ANSWER_PATIENCE_MS = 8000 };

struct answer {
    char outcome[ANSWER_WORD_MAX + 1];
    int64_t numbers[ANSWER_NUMBERS_MAX]; /* the columns after it; NULL and texts read as 0 */
};

/* Repeats for up to ANSWER_PATIENCE_MS. */
int answer_call(struct db *db, enum sql id, struct db_args args, struct answer *out,
                struct err *e);

/* Never repeats: for a call whose late answer is worth nothing. */
int answer_call_once(struct db *db, enum sql id, struct db_args args, struct answer *out,
                     struct err *e);

/* The place of `word` in a NULL-terminated list, which is the value of its enum; -EIO: it is
 * not there. */
int answer_find(const char *const *words, const char *word, struct err *e);

#endif
