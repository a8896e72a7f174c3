// SPDX-License-Identifier: Apache-2.0
/* Jobs as rows to read: lists, one job, its attempts, its events, its request.
 *
 * For the portal, `quota` and runnerd alike. Reading only: a job is placed and moved by
 * ledger.h. Everything blocks and needs a connection of any role; texts belong to the row they
 * stand in. Lists come newest first and page by id ("keyset"), so a page costs the same however
 * far back it lies. Errors are those of db.h; -ENOENT: no such job.
 */
#ifndef FF_QUOTA_JOBS_H
#define FF_QUOTA_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quota/db/db.h"
#include "runner/job/job.h"

enum { JOBS_LIMIT_MAX = 1000 };

#define JOBS_STATE(s) (1u << (s)) /* of enum job_state, to be or-ed in jobs_filter.states */
#define JOBS_LIVE                                                                              \
    (JOBS_STATE(JOB_QUEUED) | JOBS_STATE(JOB_STARTING) | JOBS_STATE(JOB_RUNNING) |             \
     JOBS_STATE(JOB_SUSPENDING) | JOBS_STATE(JOB_SUSPENDED) | JOBS_STATE(JOB_COMPLETING))
#define JOBS_FINAL                                                                             \
    (JOBS_STATE(JOB_COMPLETED) | JOBS_STATE(JOB_FAILED) | JOBS_STATE(JOB_CANCELLED) |          \
     JOBS_STATE(JOB_TIMED_OUT) | JOBS_STATE(JOB_LOST))

struct job_row {
    int64_t id, person_id, project_id, tenant_id, allocation_id;
    char *login, *directory, *person; /* whose it is: login, its directory, the name */
    char *project, *tenant;           /* names */
    char *kind, *name, *gpu_type, *priority;
    int64_t nodes, gpus_per_node, cpus, memory_bytes;
    int64_t time_limit_ms;
    bool checkpoint;
    int64_t checkpoint_interval_ms, retries;
    int64_t array_id, array_index; /* 0, 0: of no array */
    int64_t weight_permille;       /* of the hold */
    int64_t hold_gpums, charged_gpums, refunded_gpums;
    enum job_state state;
    int64_t seq;                             /* of its last event */
    char *waits_for;                         /* why it waits, in words; "" when it does not */
    char *outcome;                           /* how it ended, in words; "" while it lives */
    int64_t exit_code;                       /* -1: none */
    int64_t placed_ms, started_ms, ended_ms; /* 0: not yet */
};

/* What is to be listed; 0 in a field asks nothing of it. */
struct jobs_filter {
    int64_t person_id, project_id, tenant_id;
    int64_t
        viewer_id;   /* only rows that this person may see: own, those of projects he is in, and
                          those of tenants he administers. 0: all rows, an admin's view */
    unsigned states; /* JOBS_STATE()s or-ed */
    int64_t before_id; /* only older ones than this */
    int limit;         /* at most; 0: JOBS_LIMIT_MAX */
};

struct job_list {
    struct job_row *rows;
    size_t count;
    bool has_more; /* older ones follow: ask again with before_id = the last row's id */
};

int jobs_list(struct db *db, const struct jobs_filter *filter, struct job_list *out,
              struct err *e);
void job_list_done(struct job_list *l);

/* One job, whoever asks: whether he may see it is access_may()'s to say (person.h). */
int jobs_get(struct db *db, int64_t id, struct job_row **out, struct err *e);
void job_row_free(struct job_row *row); /* NULL is fine */
AUTO_FREE(job_row_free, struct job_row)

/* What is still held for it: hold - charged + refunded while it lives, 0 afterwards. Pure. */
int64_t job_row_held_gpums(const struct job_row *row);

struct attempt_row {
    int64_t id, no;                 /* no: 1, 2, … within the job */
    char *token, *executor, *place; /* place: JSON, nodes and the GPUs of each */
    int64_t gpus, weight_permille;
    int64_t created_ms, started_ms, ended_ms; /* 0: not yet */
    int64_t run_ms, chargeable_ms, charge_gpums;
    char *cause;       /* "" while it runs */
    int64_t exit_code; /* -1: none */
    int64_t signal_no; /* 0: none */
};

struct attempt_list {
    struct attempt_row *rows; /* in order of `no` */
    size_t count;
};

int jobs_attempts(struct db *db, int64_t job, struct attempt_list *out, struct err *e);
void attempt_list_done(struct attempt_list *l);

struct event_row {
    int64_t seq, attempt_id, at_ms; /* attempt_id 0: none */
    enum job_event kind;
    char *note;
};

struct event_list {
    struct event_row *rows; /* in order of `seq` */
    size_t count;
};

int jobs_events(struct db *db, int64_t job, struct event_list *out, struct err *e);
void event_list_done(struct event_list *l);

/* The canonical JSON of its request; caller frees with free(). */
int jobs_spec(struct db *db, int64_t job, char **out_text, struct err *e);

#endif
