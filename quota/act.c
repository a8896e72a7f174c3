// SPDX-License-Identifier: Apache-2.0
/* Each act is one procedure: who and from where first, then what it needs. */
#include "quota/act.h"

#include "quota/answer.h"

static int act(struct db *db, enum sql id, struct db_args args, struct act_result *out,
               struct err *e)
{
    static const char *const words[] = {
        [ACT_DONE] = "done",
        [ACT_SAME] = "same",
        [ACT_OTHER_CONTENT] = "other_content",
        [ACT_NOT_THERE] = "not_there",
        [ACT_NO_PERSON] = "no_person",
        [ACT_LAST_PI] = "last_pi",
        [ACT_NO_ALLOCATION] = "no_allocation",
        [ACT_TOO_LITTLE] = "too_little",
        [ACT_TOO_MUCH] = "too_much",
        [ACT_NOTHING] = "nothing",
        [ACT_ASKED] = "asked",
        [ACT_TOO_MANY] = "too_many",
        [ACT_IS_MEMBER] = "is_member",
        [ACT_NOT_PI] = "not_pi",
        [ACT_ANSWERED] = "answered",
        [ACT_NAME_TAKEN] = "name_taken",
        [ACT_CLOSED] = "closed",
        [ACT_GONE] = "gone",
        [ACT_ELSEWHERE] = "elsewhere",
        [ACT_ANSWERS] = NULL,
    };
    struct answer a;
    int r = answer_call(db, id, args, &a, e);
    if (r == 0)
        r = answer_find(words, a.outcome, e);
    if (r < 0)
        return r;
    *out = (struct act_result){(enum act_answer)r, a.numbers[0], a.numbers[2]};
    return 0;
}

int act_member_set(struct db *db, const struct act_by *by, const struct act_member *ask,
                   struct act_result *out, struct err *e)
{
    return act(db, SQL_MEMBER_ACT_SET,
               DB_ARGS(DB_I64(by->person_id), DB_STR(by->origin), DB_STR(by->reason),
                       DB_STR(by->key), DB_STR(ask->project), DB_I64(ask->person_id),
                       DB_STR(ask->role)),
               out, e);
}

int act_member_share(struct db *db, const struct act_by *by, const struct act_member *ask,
                     struct act_result *out, struct err *e)
{
    return act(db, SQL_MEMBER_ACT_SHARE,
               DB_ARGS(DB_I64(by->person_id), DB_STR(by->origin), DB_STR(by->reason),
                       DB_STR(by->key), DB_STR(ask->project), DB_I64(ask->person_id),
                       DB_I64(ask->allocation), DB_I64(ask->gpums)),
               out, e);
}

int act_ask(struct db *db, const struct act_by *by, const struct act_wish *ask,
            struct act_result *out, struct err *e)
{
    return act(db, SQL_USER_REQUEST_ADD,
               DB_ARGS(DB_I64(by->person_id), DB_STR(by->origin), DB_STR(by->key),
                       DB_STR(ask->kind), DB_STR(ask->project), DB_STR(ask->title),
                       DB_I64(ask->gpums), DB_STR(ask->note)),
               out, e);
}

int act_withdraw(struct db *db, const struct act_by *by, int64_t request,
                 struct act_result *out, struct err *e)
{
    return act(
        db, SQL_USER_REQUEST_WITHDRAW,
        DB_ARGS(DB_I64(by->person_id), DB_STR(by->origin), DB_STR(by->key), DB_I64(request)),
        out, e);
}

int act_answer(struct db *db, const struct act_by *by, int64_t request, bool is_approved,
               struct act_result *out, struct err *e)
{
    return act(db, SQL_USER_REQUEST_ANSWER,
               DB_ARGS(DB_I64(by->person_id), DB_STR(by->origin), DB_STR(by->reason),
                       DB_STR(by->key), DB_I64(request), DB_I64(is_approved)),
               out, e);
}
