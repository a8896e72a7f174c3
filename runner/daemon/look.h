// SPDX-License-Identifier: Apache-2.0
/* One look at the database: renew the lease, see what is new in the queue and what people ask,
 * and write back why jobs wait. Carried out by the store (store.h); shares nothing with the
 * loop.
 */
#ifndef FF_DAEMON_LOOK_H
#define FF_DAEMON_LOOK_H

#include "quota/ledger.h"
#include "runner/daemon/live.h"
#include "runner/daemon/wish.h"
#include "runner/exec/executor.h"

enum { LOOK_WAITS_MAX = 256, LOOK_ANSWERS_MAX = 64 };

struct look_wait {
    int64_t job;
    char reason[PLAN_REASON_MAX];
};

struct look_request {
    int64_t id, job;
    enum wish_kind kind;
    bool is_over;          /* the job's state is final */
    int64_t time_limit_ms; /* the job's at this look */
    char cause[17];        /* of a cancel by the site */
    char reason[201];
};

struct look_answer {
    int64_t request;
    bool is_done;
    char note[WISH_NOTE_MAX + 1];
};

struct look {
    /* in */
    void *owner;
    const char *holder;
    int64_t epoch, ttl_ms; /* epoch 0: ask for the lease */
    bool is_first;         /* read the jobs with attempts too, not only the queue */
    int64_t after;         /* queued jobs with a larger number */
    struct look_wait waits[LOOK_WAITS_MAX];
    size_t wait_count;
    struct look_answer answers[LOOK_ANSWERS_MAX];
    size_t answer_count;
    const char *executor;
    struct exec_node *nodes; /* to be written down; owned by the look */
    size_t node_count;
    void (*done)(struct look *look); /* from the loop; frees it */

    /* out */
    int status;
    struct err why;
    struct lease lease;
    struct live *jobs; /* a list of copies, owned by the look; a taken one leaves it */
    struct look_request *requests;
    size_t request_count;
    struct cap_rule *rules; /* GPUs at once */
    size_t rule_count;
};
void look_run(struct db *db, struct look *look);
void look_free(struct look *look);

/* The account that owns a job's folder, or (job 0) a person's own. -ENOENT: none. */
int look_account(struct db *db, int64_t job, int64_t person, struct live_account *out,
                 struct err *e);
#endif
