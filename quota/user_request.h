// SPDX-License-Identifier: Apache-2.0
/* What people ask of people: to join a project, to become PI of a new one, more GPU-hours.
 *
 * Lists for the portal and the command, and the answer of an administrator by the command (one
 * audited change of change.h); what people do about them in the portal is act.h's. A request is
 * never deleted: its answer, its reason and who gave it stay. Lists are newest first. Blocks.
 */
#ifndef FF_QUOTA_USER_REQUEST_H
#define FF_QUOTA_USER_REQUEST_H

#include <stddef.h>

#include "quota/change.h"

enum { USER_REQUESTS_MAX = 500, USER_REQUEST_NOTE_MAX = 500 };

struct user_request {
    int64_t id, person_id, tenant_id;      /* who asked, and whose he is */
    char *login, *directory, *name;        /* of who asked */
    char *kind;                            /* "join", "project", "hours" */
    char *project, *title, *note;          /* project: its name, as typed */
    int64_t project_id, project_tenant_id; /* of the project of that name; 0: there is none */
    int64_t gpums, at_ms;                  /* hours: how much; project: to begin with, or 0 */
    char *state;                           /* "open", "approved", "denied", "withdrawn" */
    char *answered_by, *answer;            /* "" while it is open */
    int64_t answered_ms;                   /* 0: not yet */
};

struct user_request_list {
    struct user_request *rows;
    size_t count;
};
void user_request_list_done(struct user_request_list *l);

/* Whose: exactly one is set, or none for all of the site. */
struct user_request_filter {
    int64_t person_id;   /* asked by him */
    int64_t answerer_id; /* of others, that he may answer or, for his tenant, see: open ones */
    const char *project; /* to join it, or hours for it */
    bool is_open_only;   /* person_id and all of the site */
};

int user_request_list(struct db *db, const struct user_request_filter *f,
                      struct user_request_list *out, struct err *e);

/* The one of this number, as a list of one. -ENOENT: there is none. */
int user_request_get(struct db *db, int64_t id, struct user_request_list *out, struct err *e);

/* How many wait for an answer that he may give. */
int user_request_waiting(struct db *db, int64_t person_id, int64_t *out_count, struct err *e);

struct user_request_ask {
    int64_t id;
    bool is_approved;
    const char *role; /* join: what he becomes, "member" or "pi"; NULL: member */
};

/* An administrator's answer by the command. Approved, a join makes the person a member, a
 * project is opened in his tenant with him as its PI; for hours the grant is a posting of
 * its own (posting.h), made before. -ENOENT: no such request or project; -EEXIST: the name
 * of the new project is taken; -EPERM: answered already. */
int user_request_answer(struct db *db, const struct change_by *by,
                        const struct user_request_ask *ask, enum change_answer *out,
                        struct err *e);

#endif
