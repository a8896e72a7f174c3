// SPDX-License-Identifier: Apache-2.0
/* One import of a set-up, step by step, as setup_apply.c and setup_budget.c share it; for
 * them alone.
 *
 * A step is named (setup_step), its module is called with im->step_by, and its end is told
 * (setup_done). Each returns 0 also when the step was refused: only the database's errors
 * end an import. */
#ifndef FF_QUOTA_SETUP_INTERNAL_H
#define FF_QUOTA_SETUP_INTERNAL_H

#include "quota/setup.h"

enum { SETUP_OBJECT_MAX = 160, SETUP_TEXT_MAX = 800 };

struct setup_import {
    struct db *db;
    const struct change_by *by;
    const json_t *want, *have;
    int64_t now_ms;
    setup_fn *on_change;
    void *arg;
    struct err *e;
    size_t refused;
    /* the step being made */
    char object[SETUP_OBJECT_MAX], change[SETUP_TEXT_MAX], key[CHANGE_KEY_MAX + 1];
    struct change_by step_by;
};

/* A step begins: what is changed, and to what; makes its key. */
int setup_step(struct setup_import *im, const char *object, const char *change, ...)
    __attribute__((format(printf, 3, 4)));
/* And ends: a refusal (-ENOENT, -EPERM, -EEXIST, -EINVAL, with im->e) is told, and others go
 * on. */
int setup_done(struct setup_import *im, int r, const enum change_answer *answer);
void setup_skip(struct setup_import *im, const char *note);

/* In a dry run what needs something that would be made first cannot be tried: tells it,
 * true. */
bool setup_only_told(struct setup_import *im, bool needs_new);

/* The number of a person, or 0: then the step is told as skipped. */
int setup_person(struct setup_import *im, const char *who, int64_t *out_id);

/* Fields of a set-up; borrowed. */
json_t *setup_at(const json_t *o, const char *section, const char *name);
const char *setup_text(const json_t *o, const char *field, const char *other);
bool setup_is_closed(const json_t *o);
void setup_object(char out[SETUP_OBJECT_MAX], const char *kind, const char *name);

/* ---- setup_budget.c */

/* list[i] of the project's allocations: opened if it is not there, its shares, its state. */
int setup_allocation(struct setup_import *im, const char *project, const json_t *list,
                     size_t i);
int setup_limits(struct setup_import *im);
int setup_prices(struct setup_import *im);

#endif
