// SPDX-License-Identifier: Apache-2.0
/* What to answer to a request about a job: a pure function of what is true of the job at this
 * look.
 *
 * A request stays open until it is answered and is seen again at each look, also by the next
 * runnerd: so whatever it begins does no harm when it is begun again.
 */
#ifndef FF_DAEMON_WISH_H
#define FF_DAEMON_WISH_H

#include "runner/exec/executor.h"
#include "runner/job/job.h"

enum wish_kind {
    WISH_CANCEL,
    WISH_EXTEND,    /* its time limit was raised, with another hold */
    WISH_RELEASE,   /* give its hold back: only a job that waits */
    WISH_RECONCILE, /* try again with what was left alone, end what is gone */
    WISH_OTHER,     /* nothing that this site's executor offers */
};

enum wish_answer {
    WISH_WAIT,    /* look again */
    WISH_BEGIN,   /* do it; the answer comes at a later look */
    WISH_DONE,    /* answer, with the note */
    WISH_REFUSED, /* answer, with the note */
};

struct wish_facts {
    enum wish_kind kind;
    bool is_over;    /* by the database the job has ended */
    bool is_in_hand; /* what follows is known */
    bool is_busy;    /* the journal has it: what it writes may change all that follows */
    bool is_damaged; /* left alone, because its books do not balance … */
    const char *why; /* … as the sentence says; of a job in the queue: what it waits for */
    bool is_begun;   /* this kind of request was begun for it before */
    bool has_limit;  /* its supervisor holds it to its present time limit */
    bool is_ending;  /* its supervisor was ending it when it heard of the limit */
    bool is_limit_refused; /* the executor will not give it that limit, as `trouble` says */
    const char *trouble;
    enum job_state state;
    enum exec_state exec;
};

enum { WISH_NOTE_MAX = 200 };

/* WISH_OTHER for a name that is none of the others'. */
enum wish_kind wish_kind_find(const char *name);

enum wish_answer wish_next(const struct wish_facts *f, char note[WISH_NOTE_MAX + 1]);

#endif
