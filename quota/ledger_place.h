// SPDX-License-Identifier: Apache-2.0
/* The ledger as portald uses it: a job and its hold, placed together or not at all.
 *
 * A refusal is an answer with its numbers, not an error. A call is repeated for up to
 * ANSWER_PATIENCE_MS while the database says that repeating may help; its request key makes
 * that harmless. Blocks; a worker's business. Returns 0 or the errors of db.h.
 */
#ifndef FF_QUOTA_LEDGER_PLACE_H
#define FF_QUOTA_LEDGER_PLACE_H

#include <stdint.h>

#include "quota/db/db.h"
#include "runner/job/spec.h"

enum { LEDGER_KEY_LEN = 32 };

enum place_answer {
    PLACE_DONE,             /* the job and its hold are durable */
    PLACE_SAME,             /* this key and content were placed before: the same job */
    PLACE_OTHER_CONTENT,    /* this key was used for another request */
    PLACE_NO_BUDGET,        /* no allocation has hold_gpums free; free_gpums is the best */
    PLACE_NO_ALLOCATION,    /* none (or not the one named) is open and in its term */
    PLACE_NO_PROJECT,       /* no such project, or the person is no member: not told apart */
    PLACE_CLOSED,           /* the project or the tenant is closed */
    PLACE_DISABLED,         /* the person is disabled */
    PLACE_NO_PRICE,         /* the site has no such GPU type */
    PLACE_TOO_LONG,         /* limit_value: the longest time limit allowed, in ms */
    PLACE_TYPE_REFUSED,     /* limit_text: the GPU types allowed, separated by commas */
    PLACE_TOO_MANY_GPUS,    /* more than may ever run at once; limit_value: how many may */
    PLACE_TOO_MANY_WAITING, /* limit_value: jobs that may wait, limit_there: that wait now */
};

struct place_ask {
    int64_t person_id;
    const char *key; /* 32 hexadecimal digits made when the form was rendered */
    const struct spec *spec;
};

enum {
    PLACE_TEXT_MAX = 500,
    PLACE_MANY_MAX = 64,
    PLACE_AT_ONCE = 2 /* batches beside each other: one computes while the other is written */
};

struct place_result {
    enum place_answer answer;
    int64_t job, hold_gpums, free_gpums, allocation; /* 0 where the answer has none */
    /* The limit that refused it: whose it is ("everyone", "person", "project", "tenant"). */
    char limit_scope[16];
    int64_t limit_value, limit_there;
    char limit_text[PLACE_TEXT_MAX + 1];
};

int ledger_place(struct db *db, const struct place_ask *ask, struct place_result *out,
                 struct err *e);

/* Several in one transaction, each answered for itself: a refused one keeps none of the others
 * out. At most PLACE_MANY_MAX; out[count]. On an error none is answered: repeat all with their
 * keys. */
int ledger_place_many(struct db *db, const struct place_ask *asks, size_t count,
                      struct place_result *out, struct err *e);

#endif
