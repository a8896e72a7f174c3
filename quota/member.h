// SPDX-License-Identifier: Apache-2.0
/* Who is in a project, as administrators change it by the command: each write is one audited
 * change (change.h). What a PI changes in the portal is act.h's. */
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

#endif
