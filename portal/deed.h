// SPDX-License-Identifier: Apache-2.0
/* A form by which a person changes something of people (quota/act.h): its key, and the
 * answer in words. Sent twice, such a form does its deed once. */
#ifndef FF_PORTAL_DEED_H
#define FF_PORTAL_DEED_H

#include "portal/form.h"
#include "portal/request.h"
#include "quota/act.h"

/* Every such form has the first of these fields, most have the second. */
#define DEED_KEY                                                                               \
    {                                                                                          \
        "key", "Key of the form", FORM_TEXT, .is_required = true, .min = 32, .max = 32         \
    }
#define DEED_REASON                                                                            \
    {                                                                                          \
        "reason", "Reason", FORM_TEXT, .is_required = true, .min = 3, .max = 200               \
    }

/* The form with a fresh key, empty but for it; and checked as it was sent, its key too.
 * NULL: no memory. The arena's. */
struct form_result *deed_form(struct request *r, const struct form_field *fields, size_t count);
struct form_result *deed_check(struct request *r, const struct form_field *fields,
                               size_t count);

/* Gives a field another value than was sent, for showing it. */
void deed_set(struct form_result *f, const char *name, const char *value);

/* Who acts, by this form; `reason` NULL: that of its field "reason". */
struct act_by deed_by(const struct request *r, const struct form_result *f, const char *reason);

/* Puts a refusal into the form, so that it can be shown again: the sentence with its remedy at
 * `field` (NULL: the whole form). Returns the status of HTTP; 0: it was no refusal. */
int deed_refuse(struct request *r, struct form_result *f, const char *field,
                const struct act_result *result);

/* The form for a template: form_json() with "token" for `path`, which becomes "action". Caller
 * frees. */
json_t *deed_json(const struct request *r, const struct form_result *f, const char *path);

#endif
