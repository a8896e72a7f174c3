// SPDX-License-Identifier: Apache-2.0
/* Projects as accounts of Slurm: what there is, what there shall be, and the steps between,
 * each as a command line of sacctmgr's. Pure; quota/cli/slurm.c runs them.
 *
 * An account is known to be ours by its organization: one that a site made itself under the
 * same name is never touched, nor are its members. Names are compared as Slurm does, whatever
 * their case.
 */
#ifndef FF_QUOTA_CLI_SLURM_ACCOUNTS_H
#define FF_QUOTA_CLI_SLURM_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/base/cleanup.h"
#include "runner/base/err.h"

#define SLURM_ORGANIZATION "firefly"

enum {
    SLURM_NAME_MAX = 64,
    SLURM_STEP_USERS_MAX = 100, /* in one command line */
    SLURM_WORDS_MAX = 12,
    SLURM_WORD_MAX = SLURM_STEP_USERS_MAX * (SLURM_NAME_MAX + 1) + 16,
};

/* (account, user), where user "" is the account itself; or (account, organization). */
struct slurm_pair {
    char *account, *other;
};
struct slurm_pairs {
    struct slurm_pair *items;
    size_t count;
};
void slurm_pairs_done(struct slurm_pairs *p); /* AUTO(slurm_pairs_done) */

/* -EINVAL: a name that no command line of Slurm's takes. Nothing is checked when `is_theirs`,
 * because it is what Slurm itself said. */
int slurm_pairs_add(struct slurm_pairs *p, const char *account, const char *other,
                    bool is_theirs, struct err *e);
/* "account|other|…" line by line, as sacctmgr --parsable2 --noheader prints it. */
void slurm_pairs_read(struct slurm_pairs *out, const char *text);
/* To be done before the steps are made: sorts, and keeps each once. */
void slurm_pairs_sort(struct slurm_pairs *p);

enum slurm_step_kind {
    SLURM_ADD_ACCOUNT,
    SLURM_ADD_USERS,
    SLURM_FOREIGN, /* nothing is done: the site has an account of its own under this name */
    SLURM_REMOVE_USERS,
    SLURM_REMOVE_ACCOUNT, /* with the associations in it */
};

struct slurm_step {
    enum slurm_step_kind kind;
    const char *account;                     /* borrowed from the pairs, as are the users */
    const char *users[SLURM_STEP_USERS_MAX]; /* none for a whole account */
    size_t user_count;
};
struct slurm_steps {
    struct slurm_step *items;
    size_t count;
};
void slurm_steps_done(struct slurm_steps *s); /* AUTO(slurm_steps_done) */

/* All sorted. `known`: each account's organization. What is to be added stands before what is
 * to be removed. */
void slurm_steps_make(const struct slurm_pairs *want, const struct slurm_pairs *have,
                      const struct slurm_pairs *known, struct slurm_steps *out);
bool slurm_step_removes(const struct slurm_step *s);
const char *slurm_step_name(const struct slurm_step *s); /* "add users" */

/* "alice,bob"; `out` has SLURM_WORD_MAX bytes. */
void slurm_step_users(const struct slurm_step *s, char *out);

/* The words of the command; words[0] is sacctmgr's path, borrowed, and a NULL stands at the
 * end. Not for SLURM_FOREIGN. */
struct slurm_command {
    const char *words[SLURM_WORDS_MAX + 1];
    char account[SLURM_NAME_MAX + 16], cluster[SLURM_NAME_MAX + 16], users[SLURM_WORD_MAX];
};
void slurm_step_command(const struct slurm_step *s, const char *program, const char *cluster,
                        struct slurm_command *out);

bool slurm_name_is_good(const char *name);

#endif
