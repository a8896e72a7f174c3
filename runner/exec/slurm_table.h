// SPDX-License-Identifier: Apache-2.0
/* The attempts that the executor slurm has in hand, by token and by Slurm's id. */
#ifndef FF_EXEC_SLURM_TABLE_H
#define FF_EXEC_SLURM_TABLE_H

#include "runner/exec/slurm_attempt.h"

/* An attempt and whose it is: for scancel after a restart. */
struct slurm_entry {
    struct slurm_entry *next;
    struct slurm_attempt attempt;
    struct agent_account account; /* its name is `user` */
    char user[AGENT_NAME_MAX + 1], project[AGENT_NAME_MAX + 1];
    int64_t nodes;
    int64_t kill_at_ms; /* monotonic: cancelled then, if it still runs; 0: it was not stopped */
    int64_t cancelling; /* the id that scancel is under way for; 0: none */
    int64_t limit_retry_ms; /* Slurm refused another limit: not asked again before */
};

struct slurm_table;
struct slurm_table *slurm_table_new(void);
void slurm_table_free(struct slurm_table *t);

struct slurm_entry *slurm_table_find(struct slurm_table *t, const char *token);
struct slurm_entry *slurm_table_add(struct slurm_table *t, const char *token,
                                    const struct agent_account *account, const char *project);
void slurm_table_remove(struct slurm_table *t, struct slurm_entry *entry);
struct slurm_entry *slurm_table_next(struct slurm_table *t, const struct slurm_entry *after);

/* What a look has to ask for: those that are not settled. */
struct slurm_need {
    int64_t *ids; /* Slurm's, of them; sorted */
    size_t count;
    bool is_doubtful;  /* of some the id is not known: ask for all */
    bool is_any;       /* there is something to ask for */
    int64_t oldest_ms; /* when the first of them was made */
};
void slurm_table_need(struct slurm_table *t, bool for_sacct, int64_t look_began_ms,
                      struct slurm_need *out);
void slurm_need_done(struct slurm_need *n);

/* The entry that a row is about, if the job is the account's own: the one that was seen with this
 * number and submit time, else by its token, else by its number; NULL: none of ours. */
struct slurm_entry *slurm_table_match(struct slurm_table *t, const struct slurm_seen *seen);

#endif
