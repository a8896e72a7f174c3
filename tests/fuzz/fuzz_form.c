// SPDX-License-Identifier: Apache-2.0
/* Urlencoded forms: whatever is taken is UTF-8 with each name once, and a form of all types
 * checks it into values within their limits, or messages, and JSON. */
#include <stdlib.h>
#include <string.h>

#include "portal/form.h"
#include "runner/base/cleanup.h"
#include "runner/base/parse.h"
#include "tests/fuzz/fuzz.h"

static const char *const choices[] = {"any", "a100", NULL};

static const struct form_field fields[] = {
    {"t", "Text", FORM_TEXT, .max = 20},
    {"l", "Lines", FORM_LINES, .max = 100},
    {"i", "Number", FORM_INT, .is_required = true, .min = 1, .max = 64},
    {"d", "Duration", FORM_DURATION, .min = 60000, .max = 86400000, .value = "1h"},
    {"m", "Size", FORM_SIZE, .min = 1024, .max = 1 << 30},
    {"c", "Choice", FORM_CHOICE, .choices = choices},
    {"s", "Slug", FORM_SLUG, .max = 8},
    {"b", "Box", .type = FORM_BOOL},
};

static void check_pairs(const struct pairs *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (!parse_is_utf8(p->items[i].name, strlen(p->items[i].name)) ||
            !parse_is_utf8(p->items[i].value, strlen(p->items[i].value)) ||
            pairs_find(p, p->items[i].name) != p->items[i].value)
            abort();
}

static void check_values(const struct form_result *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct form_value *v = &f->values[i];
        bool is_amount = v->field->type >= FORM_INT && v->field->type <= FORM_SIZE;
        if (!v->problem && is_amount && *v->text &&
            (v->number < v->field->min || v->number > v->field->max))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(1 << 20);
    struct pairs p;
    if (pairs_parse(a, (const char *)data, size, &p, NULL) == 0) {
        struct form_result *f = form_check(a, fields, COUNT(fields), &p);
        check_pairs(&p);
        if (f) {
            check_values(f);
            json_t *j = form_json(f);
            if (!j || json_object_size(j) != COUNT(fields) + 2)
                abort();
            json_decref(j);
        }
    }
    arena_free(a);
    return 0;
}
