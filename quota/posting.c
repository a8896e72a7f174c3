// SPDX-License-Identifier: Apache-2.0
/* Each verb is one procedure: who and why first, then what the verb needs of the ask. */
#include "quota/posting.h"

#include "quota/answer.h"

/* Who, from where, why, under which key: what every procedure of postings begins with. */
#define BY(by)                                                                                 \
    DB_STR((by)->actor), DB_STR((by)->origin), DB_STR((by)->reason), DB_STR((by)->key),        \
        DB_I64((by)->is_dry_run)

static int post(struct db *db, enum sql id, struct db_args args, struct posting_result *out,
                struct err *e)
{
    static const char *const words[] = {
        [POSTING_DONE] = "done",
        [POSTING_SAME] = "same",
        [POSTING_OTHER_CONTENT] = "other_content",
        [POSTING_NO_ALLOCATION] = "no_allocation",
        [POSTING_NO_PROJECT] = "no_project",
        [POSTING_NO_JOB] = "no_job",
        [POSTING_NO_PERSON] = "no_person",
        [POSTING_CLOSED] = "closed",
        [POSTING_TOO_LITTLE] = "too_little",
        [POSTING_NOTHING] = "nothing",
        [POSTING_OVER] = "over",
        [POSTING_TOO_LONG] = "too_long",
        [POSTING_WRONG_MONTH] = "wrong_month",
        [POSTING_TOO_MUCH] = "too_much",
        [POSTING_TOO_MUCH + 1] = NULL,
    };
    struct answer a;
    int r = answer_call(db, id, args, &a, e);
    if (r == 0)
        r = answer_find(words, a.outcome, e);
    if (r < 0)
        return r;
    *out = (struct posting_result){(enum posting_answer)r, a.numbers[0], a.numbers[1],
                                   a.numbers[2]};
    return 0;
}

int posting_open(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                 struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_OPEN,
                DB_ARGS(BY(by), DB_STR(ask->project), DB_I64(ask->from_ms),
                        DB_I64(ask->until_ms), DB_I64(ask->gpums), DB_STR(ask->reference)),
                out, e);
}

int posting_grant(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                  struct posting_result *out, struct err *e)
{
    return post(
        db, SQL_POSTING_GRANT,
        DB_ARGS(BY(by), DB_I64(ask->allocation), DB_I64(ask->gpums), DB_STR(ask->reference)),
        out, e);
}

int posting_revoke(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                   struct posting_result *out, struct err *e)
{
    return post(
        db, SQL_POSTING_REVOKE,
        DB_ARGS(BY(by), DB_I64(ask->allocation), DB_I64(ask->gpums), DB_STR(ask->reference)),
        out, e);
}

int posting_transfer(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                     struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_TRANSFER,
                DB_ARGS(BY(by), DB_I64(ask->allocation), DB_I64(ask->to_allocation),
                        DB_I64(ask->gpums), DB_STR(ask->reference)),
                out, e);
}

int posting_refund(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                   struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_REFUND,
                DB_ARGS(BY(by), DB_I64(ask->job), DB_I64(ask->gpums), DB_STR(ask->cause),
                        DB_I64(ask->month), DB_STR(ask->reference)),
                out, e);
}

int posting_adjust(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                   struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_ADJUST,
                DB_ARGS(BY(by), DB_I64(ask->allocation), DB_I64(ask->gpums), DB_I64(ask->job),
                        DB_I64(ask->month), DB_STR(ask->reference)),
                out, e);
}

int posting_expire(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                   struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_EXPIRE, DB_ARGS(BY(by), DB_I64(ask->allocation)), out, e);
}

int posting_share(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                  struct posting_result *out, struct err *e)
{
    return post(
        db, SQL_POSTING_SHARE,
        DB_ARGS(BY(by), DB_I64(ask->allocation), DB_I64(ask->person_id), DB_I64(ask->gpums)),
        out, e);
}

int posting_extend(struct db *db, const struct change_by *by, const struct posting_ask *ask,
                   struct posting_result *out, struct err *e)
{
    return post(db, SQL_POSTING_EXTEND, DB_ARGS(BY(by), DB_I64(ask->job), DB_I64(ask->more_ms)),
                out, e);
}
