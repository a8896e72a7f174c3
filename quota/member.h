// SPDX-License-Identifier: Apache-2.0
/* Who is in a project, and the requests to be let in. Each write is one audited change
 * (change.h). */
#ifndef FF_QUOTA_MEMBER_H
#define FF_QUOTA_MEMBER_H

#include "quota/change.h"

struct member_ask {
    const char *project;
    int64_t person_id;
    const char *role; /* "member", "pi" */
};

/* -EEXIST: is a member already. */
int member_add(struct db *db, const struct change_by *by, const struct member_ask *ask,
               enum change_answer *out, struct err *e);
/* -ENOENT: is none. */
int member_set(struct db *db, const struct change_by *by, const struct member_ask *ask,
               enum change_answer *out, struct err *e);
/* His jobs go on; he sees and places no more of the project's. */
int member_remove(struct db *db, const struct change_by *by, const struct member_ask *ask,
                  enum change_answer *out, struct err *e);

struct join_answer_ask {
    int64_t id;
    bool is_approved;
    const char *role; /* of the new member */
};

/* Answers a request to join: approved, the person is a member from then on. -ENOENT: no such
 * request, or no such project; -EPERM: answered already. */
int join_answer(struct db *db, const struct change_by *by, const struct join_answer_ask *ask,
                enum change_answer *out, struct err *e);

#endif
