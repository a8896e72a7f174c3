// SPDX-License-Identifier: Apache-2.0
/* Two sorted lists held against each other, account by account. */
#include "quota/cli/slurm_accounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runner/base/xnew.h"

/* ---- pairs */

void slurm_pairs_done(struct slurm_pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].account);
        free(p->items[i].other);
    }
    free(p->items);
    *p = (struct slurm_pairs){0};
}

bool slurm_name_is_good(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t len = strspn(name, letters);
    return len > 0 && len <= SLURM_NAME_MAX && !name[len] && name[0] != '-';
}

int slurm_pairs_add(struct slurm_pairs *p, const char *account, const char *other,
                    bool is_theirs, struct err *e)
{
    bool is_bad = !slurm_name_is_good(account);
    if (!is_theirs && (is_bad || (*other && !slurm_name_is_good(other))))
        return err_set(
            e, -EINVAL,
            "'%.70s' can be no name in Slurm: it takes 1 to %d letters, digits, '_', "
            "'.' and '-'",
            is_bad ? account : other, SLURM_NAME_MAX);
    p->items = xgrow(p->items, p->count + 1, sizeof(*p->items));
    p->items[p->count++] = (struct slurm_pair){xdup(account), xdup(other)};
    return 0;
}

void slurm_pairs_read(struct slurm_pairs *out, const char *text)
{
    AUTO(cleanup_free) char *copy = xdup(text);
    char *rest = copy, *line;
    while ((line = strsep(&rest, "\n"))) {
        char *account = strsep(&line, "|"), *other = line ? strsep(&line, "|") : NULL;
        if (*account && other)
            slurm_pairs_add(out, account, other, true, NULL);
    }
}

static int by_both(const void *left, const void *right)
{
    const struct slurm_pair *a = left, *b = right;
    int order = strcasecmp(a->account, b->account);
    return order ? order : strcasecmp(a->other, b->other);
}

static int by_account(const void *left, const void *right)
{
    const struct slurm_pair *a = left, *b = right;
    return strcasecmp(a->account, b->account);
}

void slurm_pairs_sort(struct slurm_pairs *p)
{
    size_t kept = 0;
    if (p->count)
        qsort(p->items, p->count, sizeof(*p->items), by_both);
    for (size_t i = 0; i < p->count; i++) {
        if (kept && by_both(&p->items[kept - 1], &p->items[i]) == 0) {
            free(p->items[i].account);
            free(p->items[i].other);
        } else {
            p->items[kept++] = p->items[i];
        }
    }
    p->count = kept;
}

static bool has(const struct slurm_pairs *p, char *account, char *other)
{
    struct slurm_pair key = {account, other};
    return p->count && bsearch(&key, p->items, p->count, sizeof(key), by_both);
}

enum owner { NOBODY, OURS, THEIRS };

static enum owner owner_of(const struct slurm_pairs *known, char *account)
{
    struct slurm_pair key = {account, NULL};
    const struct slurm_pair *found =
        known->count ? bsearch(&key, known->items, known->count, sizeof(key), by_account)
                     : NULL;
    if (!found)
        return NOBODY;
    return strcasecmp(found->other, SLURM_ORGANIZATION) ? THEIRS : OURS;
}

/* ---- steps */

void slurm_steps_done(struct slurm_steps *s)
{
    free(s->items);
    *s = (struct slurm_steps){0};
}

static struct slurm_step *add_step(struct slurm_steps *s, enum slurm_step_kind kind,
                                   const char *account)
{
    s->items = xgrow(s->items, s->count + 1, sizeof(*s->items));
    struct slurm_step *step = &s->items[s->count++];
    *step = (struct slurm_step){.kind = kind, .account = account};
    return step;
}

/* Into the last step, if it is of this kind and account and has room. */
static void add_user(struct slurm_steps *s, enum slurm_step_kind kind, const char *account,
                     const char *user)
{
    struct slurm_step *step = s->count ? &s->items[s->count - 1] : NULL;
    if (!step || step->kind != kind || strcasecmp(step->account, account) != 0 ||
        step->user_count == SLURM_STEP_USERS_MAX)
        step = add_step(s, kind, account);
    step->users[step->user_count++] = user;
}

static void make_additions(const struct slurm_pairs *want, const struct slurm_pairs *have,
                           const struct slurm_pairs *known, struct slurm_steps *out)
{
    for (size_t i = 0; i < want->count; i++) {
        const struct slurm_pair *p = &want->items[i];
        bool is_theirs = owner_of(known, p->account) == THEIRS;
        if (is_theirs && !*p->other)
            add_step(out, SLURM_FOREIGN, p->account);
        if (is_theirs || has(have, p->account, p->other))
            continue;
        if (*p->other)
            add_user(out, SLURM_ADD_USERS, p->account, p->other);
        else
            add_step(out, SLURM_ADD_ACCOUNT, p->account);
    }
}

static void make_removals(const struct slurm_pairs *want, const struct slurm_pairs *have,
                          const struct slurm_pairs *known, struct slurm_steps *out)
{
    static char itself[] = "";
    for (size_t i = 0; i < have->count; i++) {
        const struct slurm_pair *p = &have->items[i];
        bool is_wanted = has(want, p->account, itself);
        if (owner_of(known, p->account) != OURS || has(want, p->account, p->other))
            continue;
        if (!*p->other)
            add_step(out, SLURM_REMOVE_ACCOUNT, p->account);
        else if (is_wanted)
            add_user(out, SLURM_REMOVE_USERS, p->account, p->other);
    }
}

void slurm_steps_make(const struct slurm_pairs *want, const struct slurm_pairs *have,
                      const struct slurm_pairs *known, struct slurm_steps *out)
{
    *out = (struct slurm_steps){0};
    make_additions(want, have, known, out);
    make_removals(want, have, known, out);
}

bool slurm_step_removes(const struct slurm_step *s)
{
    return s->kind == SLURM_REMOVE_USERS || s->kind == SLURM_REMOVE_ACCOUNT;
}

const char *slurm_step_name(const struct slurm_step *s)
{
    static const char *const names[] = {
        [SLURM_ADD_ACCOUNT] = "add account",
        [SLURM_ADD_USERS] = "add users",
        [SLURM_FOREIGN] = "not ours",
        [SLURM_REMOVE_USERS] = "remove users",
        [SLURM_REMOVE_ACCOUNT] = "remove account",
    };
    return names[s->kind];
}

void slurm_step_users(const struct slurm_step *s, char *out)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < s->user_count; i++)
        len += (size_t)snprintf(out + len, SLURM_WORD_MAX - len, "%s%s", i ? "," : "",
                                s->users[i]);
}

void slurm_step_command(const struct slurm_step *s, const char *program, const char *cluster,
                        struct slurm_command *out)
{
    char users[SLURM_WORD_MAX - 8];
    bool is_whole = s->user_count == 0, does_remove = slurm_step_removes(s);
    size_t n = 0;
    slurm_step_users(s, out->users);
    snprintf(users, sizeof(users), "%s", out->users);
    snprintf(out->users, sizeof(out->users), "User=%s", users);
    snprintf(out->account, sizeof(out->account), "%s=%s",
             is_whole && !does_remove ? "Name" : "Account", s->account);
    snprintf(out->cluster, sizeof(out->cluster), "Cluster=%s", cluster);
    out->words[n++] = program;
    out->words[n++] = "--immediate";
    out->words[n++] = "--quiet";
    out->words[n++] = does_remove ? "remove" : "add";
    out->words[n++] = is_whole ? "account" : "user";
    if (does_remove)
        out->words[n++] = "where";
    if (!is_whole)
        out->words[n++] = out->users + (does_remove ? 0 : strlen("User="));
    out->words[n++] = out->account;
    out->words[n++] = out->cluster;
    if (s->kind == SLURM_ADD_ACCOUNT) {
        out->words[n++] = "Description=project";
        out->words[n++] = "Organization=" SLURM_ORGANIZATION;
    }
    out->words[n] = NULL;
}
