// SPDX-License-Identifier: Apache-2.0
/* The double-entry ledger of GPU-time: the only code that moves any, and the only way a job's
 * state changes, because both happen in one transaction.
 *
 * Every function calls one stored procedure of db/migrations/ (0002, 0003): one transaction,
 * one round trip. A refusal is an answer (an enum), not an error. Errors that mean "repeat"
 * (deadlock, lost connection) are repeated here for up to LEDGER_PATIENCE_MS; that is harmless,
 * because each write carries a key: request key, launch token, (job, seq), (attempt, month).
 * Blocks; a worker's or a command-line tool's business. Returns 0 or the errors of db.h; -EPERM
 * when runnerd's lease is gone or the job has moved on.
 */
#ifndef FF_QUOTA_LEDGER_H
#define FF_QUOTA_LEDGER_H

#include <stdint.h>

#include "quota/db/db.h"
#include "runner/job/job.h"
#include "runner/job/spec.h"

enum { LEDGER_PATIENCE_MS = 8000, LEDGER_KEY_LEN = 32, LEDGER_TOKEN_LEN = 32 };

/* ---- portald: a job and its hold */

enum place_answer {
    PLACE_DONE,          /* the job and its hold are durable */
    PLACE_SAME,          /* this key and content were placed before: the same job */
    PLACE_OTHER_CONTENT, /* this key was used for another request */
    PLACE_NO_BUDGET, /* no allocation of the project has hold_gpums free; free_gpums is the best */
    PLACE_NO_ALLOCATION, /* the project has none that is open and in its term (or not the one named) */
    PLACE_NO_PROJECT, /* no such project, or the person is no member: not told apart */
    PLACE_CLOSED,     /* the project or the tenant is closed */
    PLACE_DISABLED,   /* the person is disabled */
    PLACE_NO_PRICE,   /* the site has no such GPU type */
};

struct place_ask {
    int64_t person_id;
    const char *key; /* 32 hexadecimal digits made when the form was rendered */
    const struct spec *spec;
};

struct place_result {
    enum place_answer answer;
    int64_t job, hold_gpums, free_gpums, allocation; /* 0 where the answer has none */
};

int ledger_place(struct db *db, const struct place_ask *ask, struct place_result *out,
                 struct err *e);

/* ---- runnerd: the life of a job. `epoch` is the lease's; `seq` is that of the new event, one
 * more than the job's last. */

struct lease {
    bool is_held;
    int64_t epoch;
    int64_t left_ms; /* when held by another */
};

/* epoch 0 asks for the lease anew, otherwise renews it for ttl_ms by the database's clock. */
int ledger_lease(struct db *db, const char *holder, int64_t epoch, int64_t ttl_ms,
                 struct lease *out, struct err *e);

struct attempt_ask {
    int64_t job, seq;
    const char *token;    /* LEDGER_TOKEN_LEN hexadecimal digits */
    const char *executor; /* "local", "slurm", "fake" */
    const char *place;    /* JSON: nodes and GPUs */
    int64_t gpus;         /* allotted */
    int64_t weight_permille;
};

struct attempt_made {
    int64_t id; /* 0: the job has no hold, and nothing may be started */
    int64_t no; /* 1, 2, … within the job */
};
int ledger_attempt(struct db *db, int64_t epoch, const struct attempt_ask *ask,
                   struct attempt_made *out, struct err *e);

struct move_ask {
    int64_t job, seq, attempt; /* attempt 0: none */
    enum job_event event;
    enum job_state state; /* job_next() of the job's state and `event` */
    int64_t at_ms;
    const char *note;
};

/* A move that touches no GPU-time: started, not_started, suspend, retry. */
int ledger_move(struct db *db, int64_t epoch, const struct move_ask *ask, struct err *e);

struct attempt_end {
    int64_t run_ms, chargeable_ms;
    int64_t charge_gpums; /* what its charges will come to, over all months */
    const char *cause;    /* exit, limit, cancelled, suspended, lost … */
    int64_t exit_code;    /* -1: none */
    int64_t signal_no;    /* 0: none */
};

/* The attempt's end (event ended or suspended) with its figures; then the charges, month by
 * month. */
int ledger_end(struct db *db, int64_t epoch, const struct move_ask *ask,
               const struct attempt_end *end, struct err *e);

/* Posts what the attempt used in one month; posting again does no harm. */
int ledger_charge(struct db *db, int64_t epoch, int64_t attempt, int month, int64_t gpums,
                  struct err *e);

/* The job's last event: the rest of its hold is released. exit_code -1: none. -EBUSY: a charge
 * is missing. */
int ledger_finish(struct db *db, int64_t epoch, const struct move_ask *ask, int64_t exit_code,
                  struct err *e);

/* ---- quota: GPU-time comes in */

enum grant_answer { GRANT_DONE, GRANT_SAME, GRANT_OTHER_CONTENT, GRANT_NOT_FOUND };

struct grant_ask {
    const char *project;       /* ledger_open() */
    int64_t from_ms, until_ms; /* ledger_open(): the term */
    int64_t allocation;        /* ledger_grant() */
    int64_t gpums;
    const char *actor, *reason, *reference, *key;
};

/* Opens an allocation for a term with its first grant; *out_allocation gets its number. */
int ledger_open(struct db *db, const struct grant_ask *ask, enum grant_answer *out,
                int64_t *out_allocation, struct err *e);

/* Grants more to an allocation; *out_free_gpums gets what is free now. */
int ledger_grant(struct db *db, const struct grant_ask *ask, enum grant_answer *out,
                 int64_t *out_free_gpums, struct err *e);

#endif
