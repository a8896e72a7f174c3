// SPDX-License-Identifier: Apache-2.0
/* Caps: how many GPUs a person, a project or a tenant may have in use at once. Pure.
 *
 * A rule for everyone holds for each person who has no rule of his own; a job must pass the
 * rules of its person, its project and its tenant.
 */
#ifndef FF_SCHED_CAP_H
#define FF_SCHED_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cap_scope { CAP_EVERYONE, CAP_PERSON, CAP_PROJECT, CAP_TENANT, CAP_SCOPES };

struct cap_rule {
    enum cap_scope scope;
    int64_t id;   /* of the person, project or tenant; 0 for everyone */
    int64_t gpus; /* 0: any number */
};

/* Whose a job is. */
struct cap_owner {
    int64_t person, project, tenant;
    const char *project_name, *tenant_name;
};

/* What is in use by one job. */
struct cap_use {
    struct cap_owner owner;
    int64_t gpus;
};

/* Counts what is in use against the rules. */
struct cap_book;
struct cap_book *cap_book_new(const struct cap_rule *rules, size_t count);
void cap_book_free(struct cap_book *b);
void cap_count(struct cap_book *b, const struct cap_owner *owner, int64_t gpus);

/* Whether `gpus` more may be used; if not, `reason` says why, for the person who waits. */
bool cap_allows(struct cap_book *b, const struct cap_owner *owner, int64_t gpus, char *reason,
                size_t size);

#endif
