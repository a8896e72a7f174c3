// SPDX-License-Identifier: Apache-2.0
/* The canonical text of an audit row, and its seal. */
#include "quota/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/random.h"

const char audit_no_seal[AUDIT_SEAL_LEN + 1] =
    "0000000000000000000000000000000000000000000000000000000000000000";

struct audit_row audit_row_read(const struct db_rows *rows)
{
    return (struct audit_row){.id = db_rows_i64(rows, 0),
                              .at_ms = db_rows_i64(rows, 1),
                              .actor = db_rows_text(rows, 2),
                              .origin = db_rows_text(rows, 3),
                              .verb = db_rows_text(rows, 4),
                              .object = db_rows_text(rows, 5),
                              .reason = db_rows_text(rows, 6),
                              .before_text = db_rows_text(rows, 7),
                              .after_text = db_rows_text(rows, 8),
                              .request_key = db_rows_text(rows, 9),
                              .chain_no = db_rows_i64(rows, 10),
                              .seal = db_rows_text(rows, 11)};
}

static void put_text(struct buf *out, const char *text)
{
    buf_printf(out, "%zu:%s,", strlen(text), text);
}

static void put_i64(struct buf *out, int64_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)n);
    put_text(out, text);
}

void audit_text(const struct audit_row *row, struct buf *out)
{
    const char *const texts[] = {row->actor,      row->origin,     row->verb,
                                 row->object,     row->reason,     row->before_text,
                                 row->after_text, row->request_key};
    put_i64(out, row->chain_no);
    put_i64(out, row->id);
    put_i64(out, row->at_ms);
    for (size_t i = 0; i < COUNT(texts); i++)
        put_text(out, texts[i]);
}

void audit_seal(const char *key, const char *previous, const struct audit_row *row,
                char out[DIGEST_HEX])
{
    AUTO(buf_done) struct buf text = BUF_INIT(AUDIT_SEAL_LEN + AUDIT_TEXT_MAX);
    unsigned char raw[DIGEST_BYTES];
    buf_put(&text, previous);
    audit_text(row, &text);
    if (text.failed) /* its columns hold less than 30 kB, whatever is in them */
        abort();
    digest_hmac(key, strlen(key), text.data, text.len, raw);
    random_hex_of(out, raw, sizeof(raw));
}
