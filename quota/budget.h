// SPDX-License-Identifier: Apache-2.0
/* What the allocations of projects have left, what they used lately, and who used it: the
 * portal's balance and its projects' pages. (person.h's balances are one person's, for
 * deciding.)
 *
 * Amounts are GPU-milliseconds as they are stored at this moment. Blocks; errors are db.h's. */
#ifndef FF_QUOTA_BUDGET_H
#define FF_QUOTA_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/db/db.h"

/* An allocation with its project; allocation_id 0: the project has none, and stands alone. */
struct budget_row {
    int64_t project_id, tenant_id;
    char *project, *title, *tenant; /* names; title is the project's */
    bool is_project_open;           /* and its tenant */
    int64_t allocation_id, from_ms, until_ms;
    bool is_open; /* not closed by hand; its term is another matter */
    int64_t free_gpums, held_gpums, used_gpums;
    bool has_share; /* the viewer may use only a part of it: */
    int64_t share_free_gpums, share_held_gpums, share_used_gpums;
    int64_t recent_gpums; /* charged less refunded in the last 30 days */
};

struct budget_list {
    struct budget_row *rows;
    size_t count;
};
void budget_list_done(struct budget_list *l);

/* Whose allocations: the first of person_id (of the projects he is in), project_id and
 * tenant_id that is set. Terms that ended more than 60 days ago are left out unless
 * something is held. */
struct budget_filter {
    int64_t viewer_id; /* whose share is shown */
    int64_t person_id, project_id, tenant_id;
    const char *after; /* tenant_id: projects with names after this … */
    int limit;         /* … at most so many */
    int64_t now_ms;
};

/* By project and end of term. */
int budget_list(struct db *db, const struct budget_filter *f, struct budget_list *out,
                struct err *e);

/* One person and one allocation of a project: what he used and holds of it.
 * Rows of allocation_id 0 are the members themselves and come first, PIs before others. role
 * "": he has left. The limit counts what was used since it was set. */
struct budget_member {
    int64_t allocation_id, person_id;
    char *login, *directory, *name, *role;
    int64_t since_ms;
    int64_t used_gpums, held_gpums;
    bool has_limit;
    int64_t spent_gpums, rest_gpums; /* used and held within the limit; what it leaves */
};

struct budget_member_list {
    struct budget_member *rows;
    size_t count;
};
void budget_member_list_done(struct budget_member_list *l);

/* Of project_id; if person_id is set, the members and his rows alone. Terms are left out as in
 * budget_list(). */
int budget_members(struct db *db, const struct budget_filter *f, struct budget_member_list *out,
                   struct err *e);

#endif
