// SPDX-License-Identifier: Apache-2.0
/* A batch at a time: look at the head, compute, have it written in one transaction that proves
 * the lease and the head. The head's file follows. */
#include "runner/daemon/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "quota/answer.h"
#include "runner/base/jget.h"
#include "runner/base/secret.h"
#include "runner/base/xnew.h"

enum { PATIENCE_MS = 3000, BATCHES_MAX = 10 };

struct seal {
    char *key, *head_file;
    struct audit_head head; /* of the chain, as known here */
    bool is_written;        /* the file has it */
};

/* A row that gets this place in the chain. */
struct sealed {
    int64_t id;
    struct audit_head head;
};

static struct audit_head start_of_chain(void)
{
    struct audit_head head = {0};
    memcpy(head.seal, audit_no_seal, sizeof(head.seal));
    return head;
}

int seal_new(const struct audit_conf *conf, struct seal **out, struct err *e)
{
    *out = NULL;
    if (!*conf->key_file)
        return 0;
    AUTO(seal_freep) struct seal *s = xnew(struct seal);
    s->head_file = xdup(conf->head_file);
    s->head = start_of_chain();
    int r = audit_key_read(conf->key_file, &s->key, e);
    if (r < 0)
        return r;
    r = audit_head_read(conf->head_file, &s->head, e);
    if (r < 0 && r != -ENOENT)
        return r;
    s->is_written = r == 0;
    *out = TAKE(s);
    return 0;
}

void seal_free(struct seal *s)
{
    if (!s)
        return;
    secret_free(s->key);
    free(s->head_file);
    free(s);
}

static bool is_same(const struct audit_head *a, const struct audit_head *b)
{
    return a->no == b->no && !strcmp(a->seal, b->seal);
}

static int read_head(struct db *db, struct audit_head *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    *out = start_of_chain();
    int r = db_select(db, SQL_AUDIT_HEAD, DB_NO_ARGS, &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r <= 0)
        return r;
    out->no = db_rows_i64(rows, 0);
    memcpy(out->seal, db_rows_text(rows, 1), strnlen(db_rows_text(rows, 1), AUDIT_SEAL_LEN));
    return 0;
}

/* Moves `head` along one page of the chain. 1: the page was full, 0: the chain ends here. */
static int follow_page(struct db *db, const char *key, struct audit_head *head, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int n = 0, r = db_select(db, SQL_AUDIT_CHAIN, DB_ARGS(DB_I64(head->no)), &rows, e);
    for (; r >= 0 && (r = db_rows_next(rows, e)) > 0; n++) {
        struct audit_row row = audit_row_read(rows);
        char seal[DIGEST_HEX];
        audit_seal(key, head->seal, &row, seal);
        if (row.chain_no != head->no + 1 || strcmp(seal, row.seal))
            return err_set(e, -EBADMSG,
                           "row %lld of the chain (audit row %lld) does not follow",
                           (long long)head->no + 1, (long long)row.id);
        head->no++;
        memcpy(head->seal, seal, sizeof(head->seal));
    }
    return r < 0 ? r : n == AUDIT_PAGE;
}

/* Whether the row at the known head is there still, with its seal. */
static int check_known(struct db *db, const struct audit_head *head, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    if (head->no == 0)
        return 0;
    int r = db_select(db, SQL_AUDIT_CHAIN, DB_ARGS(DB_I64(head->no - 1)), &rows, e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r < 0)
        return r;
    struct audit_row row = r > 0 ? audit_row_read(rows) : (struct audit_row){.seal = ""};
    if (row.chain_no != head->no || strcmp(row.seal, head->seal))
        return err_set(e, -EBADMSG, "row %lld of the chain is not the one that was sealed",
                       (long long)head->no);
    return 0;
}

/* The database's head is another than ours: it may be further, if all up to it follows. */
static int follow(struct seal *s, struct db *db, const struct audit_head *there,
                  int64_t *out_found, struct err *e)
{
    struct audit_head head = s->head;
    if (there->no < head.no)
        return err_set(e, -EBADMSG, "the chain ends at row %lld, and %lld were sealed",
                       (long long)there->no, (long long)head.no);
    int r = check_known(db, &head, e);
    if (r == 0)
        do
            r = follow_page(db, s->key, &head, e);
        while (r > 0);
    if (r < 0)
        return r;
    *out_found += head.no - s->head.no;
    s->head = head;
    s->is_written = false;
    return 0;
}

static int compute(const struct seal *s, struct db *db, struct sealed *out, int *out_count,
                   struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct audit_head head = s->head;
    int n = 0, r = db_select(db, SQL_AUDIT_UNSEALED, DB_NO_ARGS, &rows, e);
    while (r >= 0 && n < AUDIT_PAGE && (r = db_rows_next(rows, e)) > 0) {
        struct audit_row row = audit_row_read(rows);
        char seal[DIGEST_HEX];
        row.chain_no = ++head.no;
        audit_seal(s->key, head.seal, &row, seal);
        memcpy(head.seal, seal, sizeof(head.seal));
        out[n++] = (struct sealed){row.id, head};
    }
    *out_count = n;
    return r < 0 ? r : 0;
}

/* As audit_seal() of the migrations reads it. */
static char *rows_text(const struct sealed *rows, int count)
{
    AUTO(json_freep) json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "id", (json_int_t)rows[i].id,
                                              "no", (json_int_t)rows[i].head.no, "seal",
                                              rows[i].head.seal));
    return json_dumps(list, JSON_COMPACT);
}

/* The procedure looks at the lease and the head again, in its transaction: what was read before
 * it may be old. */
static int write_seals(const struct seal *s, struct db *db, int64_t epoch,
                       const struct sealed *rows, int count, struct err *e)
{
    AUTO(cleanup_free) char *text = rows_text(rows, count);
    struct answer a;
    int r = answer_call_once(db, SQL_AUDIT_SEAL,
                             DB_ARGS(DB_I64(epoch), DB_I64(s->head.no),
                                     DB_STR(s->head.no ? s->head.seal : ""), DB_STR(text)),
                             &a, e);
    if (r == 0 && strcmp(a.outcome, "sealed"))
        r = err_set(e, -EAGAIN, "the chain was changed meanwhile (%s)", a.outcome);
    return r;
}

static int seal_once(struct seal *s, struct db *db, int64_t epoch, struct sealed *rows,
                     struct seal_counts *counts, int *out_count, struct err *e)
{
    struct audit_head there;
    int r = read_head(db, &there, e);
    if (r == 0 && !is_same(&there, &s->head))
        r = follow(s, db, &there, &counts->found, e);
    if (r == 0)
        r = compute(s, db, rows, out_count, e);
    if (r < 0 || *out_count == 0)
        return r;
    r = write_seals(s, db, epoch, rows, *out_count, e);
    if (r < 0)
        return r;
    s->head = rows[*out_count - 1].head;
    s->is_written = false;
    counts->sealed += *out_count;
    return 0;
}

static int keep_head(struct seal *s, struct err *e)
{
    if (s->is_written)
        return 0;
    int r = audit_head_write(s->head_file, &s->head, e);
    s->is_written = r == 0;
    return r;
}

int seal_run(struct seal *s, struct db *db, int64_t epoch, struct seal_counts *out,
             struct err *e)
{
    AUTO(cleanup_free) struct sealed *rows = xnew_array(struct sealed, AUDIT_PAGE);
    int r, count = AUDIT_PAGE;
    *out = (struct seal_counts){0};
    for (int i = 0; i < BATCHES_MAX && count == AUDIT_PAGE; i++) {
        struct db_again again = DB_AGAIN(PATIENCE_MS);
        r = keep_head(s, e); /* first: what cannot be kept is not added to */
        if (r < 0)
            return r;
        do
            r = seal_once(s, db, epoch, rows, out, &count, e);
        while (db_again(db, &again, r));
        if (r < 0)
            return r;
    }
    return keep_head(s, e);
}
