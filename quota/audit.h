// SPDX-License-Identifier: Apache-2.0
/* The audit's chain of seals: what is sealed, how a seal is computed, and its rows as read.
 *
 * Rows go in unsealed, by whoever changes something. runnerd alone numbers the committed ones
 * 1, 2, 3 … (chain_no) and seals each:
 *
 *   seal = HMAC-SHA256(key, the seal before || canonical text of the row), in hexadecimal
 *
 * The seal before the first is 64 zeros. The canonical text is one netstring ("5:alice,") for
 * each of chain_no, id, at_ms, actor, origin, verb, object, reason, before_text, after_text and
 * request_key, numbers as decimals: no two rows have the same. So a row that was changed,
 * removed or moved is found by whoever has the key; rows cut off the end by the head
 * (audit_head.h). Pure, but for the reading of rows.
 */
#ifndef FF_QUOTA_AUDIT_H
#define FF_QUOTA_AUDIT_H

#include <stdint.h>

#include "quota/db/db.h"
#include "runner/base/buf.h"
#include "runner/base/digest.h"

enum { AUDIT_SEAL_LEN = 64, AUDIT_TEXT_MAX = 32768, AUDIT_PAGE = 1000 };

/* The seal before the first row. */
extern const char audit_no_seal[AUDIT_SEAL_LEN + 1];

/* Texts are borrowed. */
struct audit_row {
    int64_t id, at_ms;
    const char *actor, *origin, *verb, *object, *reason, *before_text, *after_text,
        *request_key;
    int64_t chain_no; /* 0: not sealed yet */
    const char *seal; /* "": not sealed yet */
};

/* One row of AUDIT_UNSEALED (order of id) or AUDIT_CHAIN (order of chain_no, after a given
 * one), both at most AUDIT_PAGE; its texts live until the next row. */
struct audit_row audit_row_read(const struct db_rows *rows);

/* Appends the canonical text. */
void audit_text(const struct audit_row *row, struct buf *out);

/* The seal of `row` under its chain_no, after the seal `previous`. */
void audit_seal(const char *key, const char *previous, const struct audit_row *row,
                char out[DIGEST_HEX]);

#endif
