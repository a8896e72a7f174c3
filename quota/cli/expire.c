// SPDX-License-Identifier: Apache-2.0
/* `quota expire`: what is free in an allocation when its term is over. runnerd does the same by
 * itself; this is for a site that wants it at once, or whose runnerd stands still. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quota/cli/cli.h"
#include "quota/cli/nouns.h"
#include "quota/cli/post.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum { KEY_MAX = CHANGE_KEY_MAX - 12 }; /* each allocation's number is put behind it */

/* The allocations to be expired. */
struct due {
    int64_t *ids;
    size_t count;
};

static void due_done(struct due *d)
{
    free(d->ids);
}

static int expire_one(struct cli *c, struct posting_ask *ask, struct err *e)
{
    int r = cli_parse_id("allocation", cli_arg(c, 0), &ask->allocation, e);
    if (r == 0)
        r = cli_begin(c, e, "expire what is free in the allocation %lld",
                      (long long)ask->allocation);
    return r < 0 ? r : post_one(c, posting_expire, ask, "allocation", e);
}

/* Lists them for the one who will be asked; others see the rows that follow. */
static void show_due(const struct db_rows *rows)
{
    char until[20], hours[AMOUNT_TEXT];
    now_text(db_rows_i64(rows, 2), until);
    amount_text(db_rows_i64(rows, 3), AMOUNT_HOURS, hours);
    fprintf(stderr, "allocation %lld of %s: over since %s, %s GPU-hours free\n",
            (long long)db_rows_i64(rows, 0), db_rows_text(rows, 1), until, hours);
}

static int read_due(struct cli *c, struct due *out, struct err *e)
{
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    bool will_ask = !cli_value(c, "yes") && !c->by.is_dry_run && isatty(STDIN_FILENO);
    int r = db_select(c->db, SQL_EXPIRE_DUE, DB_NO_ARGS, &rows, e);
    if (r < 0)
        return r;
    while ((r = db_rows_next(rows, e)) > 0) {
        out->ids = xgrow(out->ids, out->count + 1, sizeof(*out->ids));
        out->ids[out->count++] = db_rows_i64(rows, 0);
        if (will_ask)
            show_due(rows);
    }
    return r;
}

/* Each under a key of its own, made of the one that was given. Another may have come first:
 * then nothing is free any more, and that is as well. */
static int expire_each(struct cli *c, const struct due *due, struct err *e)
{
    int r = post_begin(c, e);
    for (size_t i = 0; r == 0 && i < due->count; i++) {
        char key[CHANGE_KEY_MAX + 1];
        struct posting_ask ask = {.allocation = due->ids[i]};
        snprintf(key, sizeof(key), "%s-%lld", c->key, (long long)due->ids[i]);
        c->by.key = key;
        r = post_row(c, posting_expire, &ask, "allocation", e);
        r = r == -EPERM ? 0 : r;
    }
    c->by.key = c->key;
    post_end(c);
    return r;
}

static int expire_all(struct cli *c, struct err *e)
{
    AUTO(due_done) struct due due = {0};
    if (strlen(c->key) > KEY_MAX)
        return err_set(
            e, -EINVAL,
            "key %s: at most %d characters here, for each allocation gets one of its own",
            c->key, KEY_MAX);
    int r = cli_open(c, e);
    if (r == 0)
        r = read_due(c, &due, e);
    if (r == 0 && due.count)
        r = cli_begin(c, e, "expire what is free in %zu allocation%s", due.count,
                      due.count == 1 ? "" : "s");
    return r < 0 ? r : expire_each(c, &due, e);
}

static int expire(struct cli *c, struct err *e)
{
    struct posting_ask ask = {0};
    int r = post_init(c, &ask, e);
    if (r < 0)
        return r;
    return cli_arg(c, 0) ? expire_one(c, &ask, e) : expire_all(c, e);
}

static const struct command_verb verbs[] = {
    {NULL, "[ALLOCATION]", 0, 1, NULL, 0, COMMAND_POSTS, expire,
     "book what was not used when its term is over",
     "runnerd does it by itself once a term is over. Without a number all allocations whose\n"
     "term is over are listed, and expired when you agree; --dry-run lists them and changes\n"
     "nothing. What jobs still hold stays theirs: what they do not use of it expires when\n"
     "they end.\n" POST_HELP "  quota expire --dry-run --reason 'end of the year'\n"
     "  quota expire 12 --reason 'end of the year'\n"},
};

const struct command_noun noun_expire = {"expire", "book what was not used in a term", verbs,
                                         COUNT(verbs)};
