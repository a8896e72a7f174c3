// SPDX-License-Identifier: Apache-2.0
/* Calls a procedure and copies its row, again and again while that may help. */
#include "quota/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int answer_call_once(struct db *db, enum sql id, struct db_args args, struct answer *out,
                     struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_select_row(db, id, args, &rows, e);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(e, -EIO, "database: a procedure gave no answer");
    *out = (struct answer){0};
    snprintf(out->outcome, sizeof(out->outcome), "%s", db_rows_text(rows, 0));
    for (unsigned i = 1; i < db_rows_columns(rows) && i <= ANSWER_NUMBERS_MAX; i++)
        out->numbers[i - 1] = db_rows_i64(rows, i);
    return 0;
}

int answer_call(struct db *db, enum sql id, struct db_args args, struct answer *out,
                struct err *e)
{
    struct db_again again = DB_AGAIN(ANSWER_PATIENCE_MS);
    int r;
    do
        r = answer_call_once(db, id, args, out, e);
    while (db_again(db, &again, r));
    return r;
}

int answer_find(const char *const *words, const char *word, struct err *e)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], word))
            return i;
    return err_set(e, -EIO, "database: unknown answer '%s'", word);
}
