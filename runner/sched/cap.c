// SPDX-License-Identifier: Apache-2.0
/* Rules and what counts against them, in one array sorted by scope and number. */
#include "runner/sched/cap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/xnew.h"

struct entry {
    struct cap_rule rule;
    int64_t used;
};

struct cap_book {
    struct entry *entries;
    size_t count;
};

static int compare(const struct cap_rule *a, const struct cap_rule *b)
{
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Where the rule is, or would be. */
static size_t place_of(const struct cap_book *b, const struct cap_rule *rule)
{
    size_t low = 0, high = b->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&b->entries[middle].rule, rule) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find(const struct cap_book *b, const struct cap_rule *rule)
{
    size_t at = place_of(b, rule);
    bool is_there = at < b->count && compare(&b->entries[at].rule, rule) == 0;
    return is_there ? &b->entries[at] : NULL;
}

static struct entry *insert(struct cap_book *b, const struct cap_rule *rule)
{
    size_t at = place_of(b, rule);
    b->entries = xgrow(b->entries, b->count + 1, sizeof(*b->entries));
    memmove(&b->entries[at + 1], &b->entries[at], (b->count - at) * sizeof(*b->entries));
    b->entries[at] = (struct entry){.rule = *rule};
    b->count++;
    return &b->entries[at];
}

struct cap_book *cap_book_new(const struct cap_rule *rules, size_t count)
{
    struct cap_book *b = xnew(struct cap_book);
    for (size_t i = 0; i < count; i++)
        insert(b, &rules[i]);
    return b;
}

void cap_book_free(struct cap_book *b)
{
    if (!b)
        return;
    free(b->entries);
    free(b);
}

/* What holds for the owner in a scope; NULL: nothing. A person without a rule of his own gets
 * the one for everyone as his. */
static struct entry *entry_of(struct cap_book *b, enum cap_scope scope,
                              const struct cap_owner *o)
{
    const int64_t ids[CAP_SCOPES] = {0, o->person, o->project, o->tenant};
    struct cap_rule rule = {scope, ids[scope], 0};
    struct entry *own = find(b, &rule);
    const struct entry *all = find(b, &(struct cap_rule){CAP_EVERYONE, 0, 0});
    if (own || !all || scope != CAP_PERSON)
        return own;
    rule.gpus = all->rule.gpus;
    return insert(b, &rule);
}

void cap_count(struct cap_book *b, const struct cap_owner *owner, int64_t gpus)
{
    for (enum cap_scope s = CAP_PERSON; s < CAP_SCOPES; s++) {
        struct entry *e = entry_of(b, s, owner);
        if (e)
            e->used += gpus;
    }
}

static void say_why(const struct entry *e, const struct cap_owner *o, int64_t gpus,
                    char *reason, size_t size)
{
    const bool is_own = e->rule.scope == CAP_PERSON;
    const char *kind = e->rule.scope == CAP_PROJECT ? "project" : "tenant";
    const char *name = e->rule.scope == CAP_PROJECT ? o->project_name : o->tenant_name;
    char whose[80] = "your own jobs";
    if (!is_own)
        snprintf(whose, sizeof(whose), "jobs of %s %s", kind, name);
    if (gpus > e->rule.gpus)
        snprintf(reason, size,
                 "cannot start: it needs %lld GPUs, and %s may use %lld at once"
                 " (limit of GPUs at once)",
                 (long long)gpus, whose, (long long)e->rule.gpus);
    else
        snprintf(reason, size,
                 "waits for %s: %lld of %s %lld GPU%s %s in use, it needs %lld"
                 " (limit of GPUs at once)",
                 whose, (long long)e->used, is_own ? "your" : "its", (long long)e->rule.gpus,
                 e->rule.gpus == 1 && e->used <= 1 ? "" : "s", e->used == 1 ? "is" : "are",
                 (long long)gpus);
}

bool cap_allows(struct cap_book *b, const struct cap_owner *owner, int64_t gpus, char *reason,
                size_t size)
{
    for (enum cap_scope s = CAP_PERSON; gpus > 0 && s < CAP_SCOPES; s++) {
        const struct entry *e = entry_of(b, s, owner);
        if (!e || !e->rule.gpus || e->used + gpus <= e->rule.gpus)
            continue;
        say_why(e, owner, gpus, reason, size);
        return false;
    }
    return true;
}
