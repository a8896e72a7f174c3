// SPDX-License-Identifier: Apache-2.0
/* A table of sentences, and the small parts that such forms share. */
#include "portal/deed.h"

#include <string.h>

#include "portal/access.h"
#include "portal/session.h"
#include "quota/amount.h"
#include "runner/base/random.h"

enum { MILLIHOUR = 3600 }; /* GPU-milliseconds of the third decimal */

void deed_set(struct form_result *f, const char *name, const char *value)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].field->name, name) == 0)
            f->values[i].text = value;
}

static void renew_key(struct request *r, struct form_result *f)
{
    char key[ACT_KEY_LEN + 1];
    random_hex(key, ACT_KEY_LEN / 2);
    const char *copy = arena_dup(r->arena, key);
    deed_set(f, "key", copy ? copy : "");
}

struct form_result *deed_form(struct request *r, const struct form_field *fields, size_t count)
{
    struct form_result *f = form_empty(r->arena, fields, count);
    if (f)
        renew_key(r, f);
    return f;
}

static bool is_key(const char *key)
{
    return strspn(key, "0123456789abcdef") == ACT_KEY_LEN && !key[ACT_KEY_LEN];
}

struct form_result *deed_check(struct request *r, const struct form_field *fields, size_t count)
{
    struct form_result *f = form_check(r->arena, fields, count, &r->form);
    if (f && !is_key(form_text(f, "key"))) {
        form_complain(f, NULL, "The form was not whole. Look it over and send it again.");
        renew_key(r, f);
    }
    return f;
}

struct act_by deed_by(const struct request *r, const struct form_result *f, const char *reason)
{
    return (struct act_by){session_of(r)->person_id, access_origin(r),
                           reason ? reason : form_text(f, "reason"), form_text(f, "key")};
}

static const struct {
    const char *words;
    int status;
} refusals[ACT_ANSWERS] = {
    [ACT_OTHER_CONTENT] =
        {"This form was sent before, with other content. Look at what it did; "
         "to do this too, send it again.",
         409},
    [ACT_NOT_THERE] = {"It is not there any more, or you may not do this any more.", 404},
    [ACT_NO_ALLOCATION] = {"The project has no such allocation any more.", 422},
    [ACT_TOO_MUCH] = {"That is more than can be counted. Give less.", 422},
    [ACT_NOTHING] = {"There is no limit to lift.", 422},
    [ACT_NO_PERSON] = {"This person is not a member of the project any more.", 422},
    [ACT_LAST_PI] = {"The project needs a PI, and there is no other. Make somebody else PI "
                     "first.",
                     422},
    [ACT_ASKED] = {"You have asked for this already, and it is not answered yet.", 422},
    [ACT_TOO_MANY] = {"20 of your requests wait for an answer. Withdraw one, or wait.", 422},
    [ACT_IS_MEMBER] = {"You are in this project already.", 422},
    [ACT_NOT_PI] = {"You are not the PI of a project of this name. Its PI can ask.", 422},
    [ACT_ANSWERED] = {"This request has been answered or withdrawn already.", 409},
    [ACT_NAME_TAKEN] =
        {"The site has a project of this name already. Deny this request and say "
         "which name to take instead.",
         422},
    [ACT_CLOSED] = {"It is closed and takes no changes.", 422},
    [ACT_GONE] = {"Who asked has no active account any more. Deny the request.", 422},
    [ACT_ELSEWHERE] = {"GPU-hours are granted by the site's administrators.", 422},
};

/* Rounded up: what is said to be enough must be. */
static const char *too_little(struct arena *a, int64_t there_gpums)
{
    char hours[AMOUNT_TEXT];
    amount_text((there_gpums + MILLIHOUR - 1) / MILLIHOUR * MILLIHOUR, AMOUNT_HOURS, hours);
    const char *words = arena_printf(a,
                                     "The member has used or holds %s GPU-hours already; give "
                                     "at least that, or leave the field empty for no limit.",
                                     hours);
    return words ? words : "Too little.";
}

int deed_refuse(struct request *r, struct form_result *f, const char *field,
                const struct act_result *result)
{
    enum act_answer a = result->answer;
    if (a == ACT_DONE || a == ACT_SAME)
        return 0;
    if (a == ACT_TOO_LITTLE) {
        form_complain(f, field, too_little(r->arena, result->there_gpums));
        return 422;
    }
    if (a == ACT_OTHER_CONTENT)
        renew_key(r, f);
    form_complain(f, field, refusals[a].words);
    return refusals[a].status;
}

json_t *deed_json(const struct request *r, const struct form_result *f, const char *path)
{
    json_t *j = form_json(f);
    const char *action = arena_printf(r->arena, "POST %s", path);
    json_object_set_new(j, "action", json_string(path));
    json_object_set_new(j, "token", json_string(session_form_token(r, action ? action : "")));
    return j;
}
