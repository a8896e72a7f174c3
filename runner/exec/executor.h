// SPDX-License-Identifier: Apache-2.0
/* How an attempt is run: one interface, several executors (local: runner-agent on this
 * machine; slurm: its commands; fake: nothing runs, time passes).
 *
 * Everything is keyed by the attempt's launch token. exec_start() may be asked again with the
 * same token: an executor never starts it twice. What is true of an attempt is what exec_poll()
 * says; the answers of start and stop only say whether it was asked. Loop thread only; `done`
 * runs exactly once, from the loop, never inside the start.
 */
#ifndef FF_EXEC_EXECUTOR_H
#define FF_EXEC_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"
#include "runner/exec/place.h"
#include "runner/proto/agent_calls.h"

enum { EXEC_NOTE_MAX = 200, EXEC_ENFORCED_MAX = 500, EXEC_TOKEN_LEN = 32 };

enum exec_state {
    EXEC_NONE,     /* nothing of this token is known: it was never started */
    EXEC_STARTING, /* no user code has run yet */
    EXEC_RUNNING,
    EXEC_OVER,      /* ended, with its record */
    EXEC_NEVER_RAN, /* its supervisor died before user code ran */
    EXEC_LOST,      /* its supervisor died: what was metered last is all that is known */
    EXEC_UNKNOWN,   /* nobody can say now: nothing is concluded from it, ask again */
};

struct exec_status {
    enum exec_state state;
    int64_t started_ms, ended_ms; /* wall clock; ended_ms of one that runs or
                                   * is lost: its last heartbeat */
    int64_t run_ms;               /* by the boot clock */
    int64_t limit_ms;             /* of run_ms, that its supervisor holds it to; 0: not known */
    int exit_code;                /* -1: none */
    int signal_no;                /* 0: none */
    char cause[32];               /* natural, limit, memory, outside (who is not us ended it),
                                   * node_fault, preempted, or the `why` of the stop */
    bool is_withdrawn;            /* NEVER_RAN, for lack of room: to be tried again later */
    char note[EXEC_NOTE_MAX];     /* what a person should know besides; "" */
};

/* An attempt of an earlier runnerd's, which is to be found again. Borrowed during the call. */
struct exec_known {
    const char *token, *project;
    int64_t job, attempt, created_ms, nodes;
    int64_t limit_ms, grace_ms; /* as exec_start() would be asked now */
    struct agent_account account;
};

struct exec_node {
    char name[EXEC_NODE_NAME_MAX + 1], gpu_type[33];
    int64_t gpus, cpus, memory_bytes;
    bool is_up;
    char enforced[EXEC_ENFORCED_MAX]; /* what keeps jobs apart there, in words */
};

/* status 0: from now on nobody with an older epoch can start anything. -ESTALE: a newer one is
 * known. Borrowed during the call. */
struct exec_greeting {
    int status;
    struct err why;
    int64_t own_uid; /* what every account becomes; -1: each is itself */
    const struct exec_node *nodes;
    size_t node_count;
};
typedef void exec_greet_fn(const struct exec_greeting *greeting, void *arg);

/* What is to be run. Texts and arrays are borrowed during the call. */
struct exec_ask {
    const char *token;
    int64_t job, attempt;
    struct agent_account account;
    const char *project;
    const struct exec_place *place;
    int64_t nodes, gpus_per_node;
    const char *gpu_type;
    int64_t cpus, memory_bytes; /* of each node; 0: its share by the GPUs */
    int64_t limit_ms, grace_ms, log_max;
    bool resume;      /* an earlier attempt left a checkpoint */
    const char *spec; /* canonical request, JSON */
};

/* status 0: it is started (or was before). Otherwise poll, and ask again, unless it is the
 * job's fault:
 *   is_refused  the executor's word that nothing runs
 *   is_fault    and for a reason of the job's own, which will not pass (its account, its request) */
struct exec_answer {
    int status;
    bool is_refused, is_fault;
    struct err why;
};
typedef void exec_done_fn(const struct exec_answer *answer, void *arg);

struct executor;
struct executor_ops {
    const char *name;
    /* The first question, and again now and then; every call carries this epoch from then on. */
    void (*greet)(struct executor *x, int64_t epoch, exec_greet_fn *done, void *arg);
    /* Told of every live attempt after a restart, before it is polled. NULL: of no use. */
    void (*adopt)(struct executor *x, const struct exec_known *known);
    void (*start)(struct executor *x, const struct exec_ask *ask, exec_done_fn *done,
                  void *arg);
    void (*stop)(struct executor *x, const char *token, const char *why, int64_t grace_ms,
                 exec_done_fn *done, void *arg);
    /* Another limit of the attempt's run time. -EALREADY in the answer: it is ending already;
     * -EPERM: what runs it refuses that for good. What it is held to is what poll says. */
    void (*limit)(struct executor *x, const char *token, int64_t limit_ms, exec_done_fn *done,
                  void *arg);
    /* Removes all traces of an attempt that is over; -EBUSY in the answer: ask again. */
    void (*forget)(struct executor *x, const char *token, exec_done_fn *done, void *arg);
    int (*poll)(struct executor *x, const char *token, struct exec_status *out, struct err *e);
    /* The tokens it knows of, for finding orphans: calls `found` for each. */
    int (*recover)(struct executor *x, void (*found)(const char *token, void *arg), void *arg,
                   struct err *e);
    /* Whether what became of an attempt at this place is this executor's to say. */
    bool (*owns)(const struct executor *x, const struct exec_place *place);
    void (*free)(struct executor *x); /* no `done` runs afterwards */
};
struct executor {
    const struct executor_ops *ops;
    void (*on_change)(void *arg); /* from the loop, when poll may have news; the supervisor's */
    void *arg;
};

#endif
