// SPDX-License-Identifier: Apache-2.0
/* Limits besides the budget: GPUs at once, jobs that wait, the longest time limit, GPU
 * types.
 *
 * A job must pass the limits of its person, its project and its tenant. Those of `everyone`
 * hold for each person who has no row of his own: a person's row replaces them, all four.
 * The scheduler makes a job wait for GPUs at once; the rest is refused when a job is placed.
 * Each write is one audited change (change.h). */
#ifndef FF_QUOTA_LIMIT_H
#define FF_QUOTA_LIMIT_H

#include "quota/change.h"

enum { LIMIT_TYPES_MAX = 500, LIMIT_COUNT_MAX = 1000000 };

enum limit_scope { LIMIT_EVERYONE, LIMIT_PERSON, LIMIT_PROJECT, LIMIT_TENANT };

struct limits {
    int64_t gpus, waiting, time_limit_ms; /* 0: no limit */
    const char *gpu_types;                /* allowed ones, separated by commas; "": all */
};

/* Which of them a change sets. */
enum limit_field { LIMIT_GPUS = 1, LIMIT_WAITING = 2, LIMIT_TIME = 4, LIMIT_TYPES = 8 };

struct limit_ask {
    enum limit_scope scope;
    int64_t id;       /* of the person, project or tenant; 0 for everyone */
    const char *name; /* of the project or tenant, for the audit; NULL otherwise */
    unsigned fields;  /* enum limit_field or-ed; the others stay */
    struct limits to;
};

/* -ENOENT: a GPU type has no price. */
int limit_set(struct db *db, const struct change_by *by, const struct limit_ask *ask,
              enum change_answer *out, struct err *e);

/* Removes the row; for a person those of everyone hold again. -ENOENT: there is none. */
int limit_clear(struct db *db, const struct change_by *by, const struct limit_ask *ask,
                enum change_answer *out, struct err *e);

const char *limit_scope_name(enum limit_scope s);

#endif
