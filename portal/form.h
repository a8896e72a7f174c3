// SPDX-License-Identifier: Apache-2.0
/* Declared fields in, typed and checked values or messages out. Pure.
 *
 *   static const struct form_field fields[] = {
 *       {"gpus", "GPUs", FORM_INT, .is_required = true, .min = 1, .max = 64},
 *       {"time_limit", "Time limit", FORM_DURATION, .min = 60000, .max = DAY_MS},
 *   };
 *   struct form_result *f = form_check(r->arena, fields, COUNT(fields), &r->form);
 *   if (f->problems) … request_html(r, 422, "pages/job_new", form_json(f));
 *   int64_t gpus = form_number(f, "gpus");
 *
 * What the person wrote is kept for showing the form again. A field that is not declared is a
 * problem of the whole form: a page and its form are made together. The field "token" is the
 * router's.
 */
#ifndef FF_PORTAL_FORM_H
#define FF_PORTAL_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "portal/pairs.h"

enum form_type {
    FORM_TEXT,     /* one line without control bytes; min, max: characters */
    FORM_LINES,    /* many lines, ended by \n alone in the value; min, max: bytes */
    FORM_INT,      /* min … max */
    FORM_DURATION, /* "90s", "1d12h", "01:30:00"; min, max and the value in milliseconds */
    FORM_SIZE,     /* "16G"; min, max and the value in bytes */
    FORM_CHOICE,   /* the index in `choices` */
    FORM_SLUG,     /* a-z, 0-9 and '-'; max: bytes */
    FORM_BOOL,     /* a checkbox: there or not */
};

struct form_field {
    const char *name, *label;
    enum form_type type;
    bool is_required;
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
    const char *value;          /* when nothing is given, and for the empty form; may be NULL */
};

struct form_value {
    const struct form_field *field;
    const char *text;    /* as given; "" when not */
    const char *problem; /* "GPUs: 9999 is more than 64", or NULL */
    int64_t number;
    bool is_given;
};

struct form_result {
    struct form_value *values;
    size_t count;
    const char *problem; /* of the whole form */
    int problems;        /* how many, in all */
};

/* All memory is the arena's; NULL when that is full. */
struct form_result *form_check(struct arena *a, const struct form_field *fields, size_t count,
                               const struct pairs *given);
struct form_result *form_empty(struct arena *a, const struct form_field *fields, size_t count);

/* Of a declared field, after form_check() without problems. Not given: "" and 0. */
const char *form_text(const struct form_result *f, const char *name);
int64_t form_number(const struct form_result *f, const char *name);
bool form_given(const struct form_result *f, const char *name);

/* Marks a field (NULL: the whole form) as wrong, for what only the database knows. */
void form_complain(struct form_result *f, const char *name, const char *problem);

/* {"problem", "problems", "NAME": {"label", "value", "problem", "required", "checked",
 *  "choices": [{"value", "selected"}]}}: what a template needs to show it. Caller frees. */
json_t *form_json(const struct form_result *f);

#endif
