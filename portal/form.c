// SPDX-License-Identifier: Apache-2.0
/* One check function a type, chosen by a table. The messages say what was given, what is
 * allowed, and never only "invalid". */
#include "portal/form.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

enum { SHOWN = 40 }; /* bytes of a wrong value that a message repeats */

static const char *shorten(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    if (n <= SHOWN)
        return text;
    for (n = SHOWN; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--; /* not within a character */
    return arena_printf(a, "%.*s…", (int)n, text);
}

static const char *amount_text(struct arena *a, enum form_type type, int64_t n)
{
    static const char units[] = " KMGT";
    int unit = 0;
    if (type == FORM_DURATION) {
        int64_t s = n / 1000;
        return s % 86400 == 0  ? arena_printf(a, "%" PRId64 "d", s / 86400)
               : s % 3600 == 0 ? arena_printf(a, "%" PRId64 "h", s / 3600)
               : s % 60 == 0   ? arena_printf(a, "%" PRId64 "m", s / 60)
                               : arena_printf(a, "%" PRId64 "s", s);
    }
    while (type == FORM_SIZE && unit < 4 && n >= 1024 && n % 1024 == 0)
        n /= 1024, unit++;
    return unit ? arena_printf(a, "%" PRId64 "%c", n, units[unit])
                : arena_printf(a, "%" PRId64, n);
}

static const char *outside(struct arena *a, const struct form_value *v, int64_t n)
{
    const struct form_field *f = v->field;
    bool is_more = n > f->max;
    const char *given = f->type == FORM_INT ? v->text : shorten(a, v->text);
    return arena_printf(a, "%s: %s is %s than %s", f->label, given, is_more ? "more" : "less",
                        amount_text(a, f->type, is_more ? f->max : f->min));
}

static const char *check_number(struct arena *a, struct form_value *v,
                                int (*parse)(const char *, int64_t, int64_t, int64_t *),
                                const char *form)
{
    int64_t n = 0;
    int r = strlen(v->text) > SHOWN ? -EINVAL : parse(v->text, INT64_MIN, INT64_MAX, &n);
    if (r == -ERANGE)
        n = v->text[0] == '-' ? INT64_MIN : INT64_MAX;
    else if (r < 0)
        return arena_printf(a, "%s: \"%s\" is not %s", v->field->label, shorten(a, v->text),
                            form);
    if (n < v->field->min || n > v->field->max)
        return outside(a, v, n);
    v->number = n;
    return NULL;
}

static const char *check_int(struct arena *a, struct form_value *v)
{
    return check_number(a, v, parse_i64, "a whole number");
}

static const char *check_duration(struct arena *a, struct form_value *v)
{
    return check_number(a, v, parse_duration_ms,
                        "a duration; write it like 90s, 30m, 2h, 1d12h or 01:30:00");
}

static const char *check_size(struct arena *a, struct form_value *v)
{
    return check_number(a, v, parse_size_bytes, "a size; write it like 512M, 16G or 1T");
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static const char *check_length(struct arena *a, const struct form_value *v, size_t len,
                                const char *unit)
{
    const struct form_field *f = v->field;
    if ((f->max > 0 && len > (size_t)f->max) || (f->min > 0 && len < (size_t)f->min))
        return arena_printf(a, "%s: has %zu %s, allowed are %" PRId64 " to %" PRId64, f->label,
                            len, unit, f->min, f->max);
    return NULL;
}

static const char *check_text(struct arena *a, struct form_value *v)
{
    if (parse_has_control(v->text))
        return arena_printf(a, "%s: must be one line without control characters",
                            v->field->label);
    return check_length(a, v, characters(v->text), "characters");
}

static const char *check_lines(struct arena *a, struct form_value *v)
{
    char *out = arena_dup(a, v->text);
    size_t n = 0;
    for (const char *c = v->text; out && *c; c++) { /* browsers send \r\n */
        unsigned char u = (unsigned char)*c;
        if (u == '\r' && c[1] == '\n')
            continue;
        if ((u < 0x20 && u != '\n' && u != '\t') || u == 0x7f)
            return arena_printf(a, "%s: holds a control character", v->field->label);
        out[n++] = *c;
    }
    if (out)
        out[n] = '\0';
    v->text = out ? out : "";
    return check_length(a, v, n, "bytes");
}

static const char *check_slug(struct arena *a, struct form_value *v)
{
    if (parse_is_slug(v->text, v->field->max > 0 ? (size_t)v->field->max : SIZE_MAX))
        return NULL;
    return arena_printf(a,
                        "%s: \"%s\" must be of a-z, 0-9 and '-', begin with a letter or digit, "
                        "and have at most %" PRId64,
                        v->field->label, shorten(a, v->text), v->field->max);
}

static const char *check_choice(struct arena *a, struct form_value *v)
{
    for (int i = 0; v->field->choices[i]; i++) {
        if (strcmp(v->text, v->field->choices[i]) != 0)
            continue;
        v->number = i;
        return NULL;
    }
    return arena_printf(a, "%s: \"%s\" is not one of the choices", v->field->label,
                        shorten(a, v->text));
}

static const char *check_bool(struct arena *a, struct form_value *v)
{
    v->number = strcmp(v->text, "yes") == 0 || strcmp(v->text, "on") == 0;
    if (v->number || strcmp(v->text, "no") == 0)
        return NULL;
    return arena_printf(a, "%s: \"%s\" is not yes or no", v->field->label, shorten(a, v->text));
}

static const char *(*const checks[])(struct arena *, struct form_value *) = {
    [FORM_TEXT] = check_text,         [FORM_LINES] = check_lines, [FORM_INT] = check_int,
    [FORM_DURATION] = check_duration, [FORM_SIZE] = check_size,   [FORM_CHOICE] = check_choice,
    [FORM_SLUG] = check_slug,         [FORM_BOOL] = check_bool,
};

static void check_value(struct arena *a, struct form_value *v, const char *given)
{
    const struct form_field *f = v->field;
    bool is_empty = !given || !*given;
    v->is_given = !is_empty;
    v->text = is_empty ? (f->value && f->type != FORM_BOOL ? f->value : "") : given;
    if (*v->text)
        v->problem = checks[f->type](a, v);
    else if (f->is_required)
        v->problem = arena_printf(a, "%s: must be given", f->label);
}

static const struct form_field *declared(const struct form_field *fields, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

struct form_result *form_empty(struct arena *a, const struct form_field *fields, size_t count)
{
    struct form_result *f = arena_alloc(a, sizeof(*f));
    struct form_value *values = arena_alloc(a, count * sizeof(*values));
    if (!f || !values)
        return NULL;
    *f = (struct form_result){.values = values, .count = count};
    for (size_t i = 0; i < count; i++)
        values[i] = (struct form_value){.field = &fields[i],
                                        .text = fields[i].value ? fields[i].value : ""};
    return f;
}

struct form_result *form_check(struct arena *a, const struct form_field *fields, size_t count,
                               const struct pairs *given)
{
    struct form_result *f = form_empty(a, fields, count);
    for (size_t i = 0; f && i < count; i++) {
        check_value(a, &f->values[i], pairs_find(given, fields[i].name));
        f->problems += f->values[i].problem != NULL;
    }
    for (size_t i = 0; f && i < given->count; i++) {
        const char *name = given->items[i].name;
        if (strcmp(name, "token") != 0 && !declared(fields, count, name))
            form_complain(f, NULL,
                          arena_printf(a, "The form has no field \"%s\"", shorten(a, name)));
    }
    return f;
}

static struct form_value *get(const struct form_result *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].field->name, name) == 0)
            return &f->values[i];
    assert(!"a form's field that is not declared");
    return NULL;
}

const char *form_text(const struct form_result *f, const char *name)
{
    return get(f, name)->text;
}

int64_t form_number(const struct form_result *f, const char *name)
{
    return get(f, name)->number;
}

bool form_given(const struct form_result *f, const char *name)
{
    return get(f, name)->is_given;
}

void form_complain(struct form_result *f, const char *name, const char *problem)
{
    const char **place = name ? &get(f, name)->problem : &f->problem;
    f->problems += *place == NULL;
    *place = problem;
}

static json_t *choices_json(const struct form_value *v)
{
    json_t *list = json_array();
    for (const char *const *c = v->field->choices; c && *c; c++)
        json_array_append_new(
            list, json_pack("{s:s, s:b}", "value", *c, "selected", strcmp(*c, v->text) == 0));
    return list;
}

json_t *form_json(const struct form_result *f)
{
    json_t *all = json_pack("{s:s, s:i}", "problem", f->problem ? f->problem : "", "problems",
                            f->problems);
    for (size_t i = 0; i < f->count; i++) {
        const struct form_value *v = &f->values[i];
        bool is_checked = strcmp(v->text, "yes") == 0 || strcmp(v->text, "on") == 0;
        json_t *one = json_pack("{s:s, s:s, s:s, s:b, s:b}", "label", v->field->label, "value",
                                v->text, "problem", v->problem ? v->problem : "", "required",
                                v->field->is_required, "checked", is_checked);
        if (v->field->type == FORM_CHOICE)
            json_object_set_new(one, "choices", choices_json(v));
        json_object_set_new(all, v->field->name, one);
    }
    return all;
}
