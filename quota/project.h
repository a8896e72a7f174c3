// SPDX-License-Identifier: Apache-2.0
/* Projects: the research groups' accounts, each of one tenant. Each write is one audited change
 * (change.h). A project is closed, never deleted: its jobs and charges stay. */
#ifndef FF_QUOTA_PROJECT_H
#define FF_QUOTA_PROJECT_H

#include "quota/change.h"

enum { PROJECT_TITLE_MAX = 120 };

/* NULL leaves a field as it is. */
struct project_ask {
    const char *name, *title;
    const char *tenant; /* project_add() alone: a project never moves to another tenant */
    const char *state;  /* "open", "closed": a closed project takes no jobs */
};

int project_add(struct db *db, const struct change_by *by, const struct project_ask *ask,
                enum change_answer *out, struct err *e);
int project_set(struct db *db, const struct change_by *by, const struct project_ask *ask,
                enum change_answer *out, struct err *e);

/* The number of the project, and its state as words into `before` (may be NULL). -ENOENT with a
 * sentence. */
int project_find(struct db *db, const char *name, int64_t *out_id, struct buf *before,
                 struct err *e);

#endif
