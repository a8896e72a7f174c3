// SPDX-License-Identifier: Apache-2.0
/* What people change through the portal: members, their limits, requests. (What administrators
 * change by the command is change.h's.)
 *
 * Every function calls one stored procedure of db/migrations/0004_people.sql: one
 * transaction with its audit row, which proves by itself that the acting person may. The
 * same key with the same content is ACT_SAME and changes nothing. A refusal is an answer,
 * not an error; what the person may not see answers ACT_NOT_THERE. Blocks; errors are those
 * of db.h, and those that mean "repeat" were repeated. */
#ifndef FF_QUOTA_ACT_H
#define FF_QUOTA_ACT_H

#include "quota/db/db.h"

enum { ACT_KEY_LEN = 32 };

/* Who acts, from where ("portal ADDRESS"), why, and the key of his form: ACT_KEY_LEN
 * hexadecimal digits. `reason` is not asked for where the request itself says why. */
struct act_by {
    int64_t person_id;
    const char *origin, *reason, *key;
};

enum act_answer {
    ACT_DONE,
    ACT_SAME,
    ACT_OTHER_CONTENT, /* this key was used for something else */
    ACT_NOT_THERE,     /* no such thing, or not for this person */
    ACT_NO_PERSON,     /* the other person is not in the project */
    ACT_LAST_PI,       /* the project would be without one */
    ACT_NO_ALLOCATION, /* it is closed or was never there */
    ACT_TOO_LITTLE,    /* a limit below there_gpums, which the member has used and holds */
    ACT_TOO_MUCH,      /* a limit beyond all numbers */
    ACT_NOTHING,       /* there is no limit to lift */
    ACT_ASKED,         /* the same is asked for already */
    ACT_TOO_MANY,      /* 20 requests are open */
    ACT_IS_MEMBER,     /* of the project that he asks to join */
    ACT_NOT_PI,        /* of the project that he asks hours for; also: there is none */
    ACT_ANSWERED,      /* the request is not open any more */
    ACT_NAME_TAKEN,    /* there is a project of that name */
    ACT_CLOSED,        /* the tenant, or the allocation */
    ACT_GONE,          /* who asked is disabled */
    ACT_ELSEWHERE,     /* an administrator answers this, by the command */
    ACT_ANSWERS,
};

struct act_result {
    enum act_answer answer;
    int64_t number; /* of the request or person it was about; 0 where there is none */
    int64_t there_gpums;
};

/* ---- members of a project, by its PI, its tenant's admin or an administrator */

struct act_member {
    const char *project;
    int64_t person_id;
    const char *role;   /* act_member_set(): "member", "pi", "none" removes him */
    int64_t allocation; /* act_member_share() */
    int64_t gpums;      /* how much he may use of it, all in all; -1 lifts the limit */
};

/* A member's role. Jobs of one who is removed go on and are settled. */
int act_member_set(struct db *db, const struct act_by *by, const struct act_member *ask,
                   struct act_result *out, struct err *e);
int act_member_share(struct db *db, const struct act_by *by, const struct act_member *ask,
                     struct act_result *out, struct err *e);

/* ---- requests (user_request.h lists them) */

struct act_wish {
    const char *kind;    /* "join", "project", "hours" */
    const char *project; /* its name, as typed */
    const char *title;   /* project: of the new one; else "" */
    int64_t gpums;       /* hours: how much; project: to begin with, or 0 */
    const char *note;    /* why; at most 500 characters */
};

/* A name that change_check_name() would refuse is an error. */
int act_ask(struct db *db, const struct act_by *by, const struct act_wish *ask,
            struct act_result *out, struct err *e);
int act_withdraw(struct db *db, const struct act_by *by, int64_t request,
                 struct act_result *out, struct err *e);
/* Approving a join makes him a member; approving a project opens it with him as its PI. */
int act_answer(struct db *db, const struct act_by *by, int64_t request, bool is_approved,
               struct act_result *out, struct err *e);

#endif
