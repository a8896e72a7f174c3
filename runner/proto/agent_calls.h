// SPDX-License-Identifier: Apache-2.0
/* What runner-agent can be asked: each call as a struct, to JSON and back.
 *
 *   hello   {}                       what this machine is and what is enforced on it
 *   start   struct agent_start + fd  the descriptor is the job's request (a memfd, JSON); ok
 *                                    means that the processes exist. -EEXIST: the token was
 *                                    used; the refusal carries its "state" (see spool.h)
 *   stop    struct agent_stop        TERM now, KILL after the grace; ok: the keeper knows
 *   limit   struct agent_limit       another time limit; ok: the keeper has it, and its beat
 *                                    in the spool says so. -EALREADY: it is ending already
 *   list    struct agent_list        tokens and states; the leftovers of dead keepers are killed
 *   clean   struct agent_token       of an attempt that is over or dead: kills what is left,
 *                                    removes cgroup and spool entry. -EBUSY: ask again
 *   files   struct agent_files + fd  starts runner-files as the account on that socket
 *   client  struct agent_client + fd runs one of the configured programs (the commands of a
 *                                    batch system) as the account, in the job's folder; the
 *                                    descriptor (a sealed memfd; none: empty) is its standard
 *                                    input. The answer, struct agent_client_reply, comes when
 *                                    it has ended. -ETIMEDOUT (killed at the deadline) and
 *                                    -EIO: what it did is not known. Otherwise a refusal means
 *                                    that it did not run; -EBUSY: as many run as may, ask again
 *
 * Every call carries the caller's epoch and a deadline (wall clock). An epoch older than the
 * highest one seen is refused with -ESTALE, a call past its deadline with -ETIME: then nothing
 * was done. Reading borrows: every text and array in a struct lives as long as the JSON it came
 * from.
 */
#ifndef FF_PROTO_AGENT_CALLS_H
#define FF_PROTO_AGENT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/base/err.h"
#include "runner/base/jget.h"
#include "runner/proto/spool.h"

enum {
    AGENT_GROUPS_MAX = 64,
    AGENT_GPUS_MAX = 64,
    AGENT_NODES_MAX = 256,
    AGENT_NAME_MAX = 64,  /* bytes of an account's, project's or node's name */
    AGENT_LIST_MAX = 256, /* entries in one reply to `list` */
    AGENT_ARGS_MAX = 64,
    AGENT_ARGS_BYTES = 16 * 1024,    /* of all arguments together, each with its NUL */
    AGENT_INPUT_MAX = 1024 * 1024,   /* bytes of a client's standard input */
    AGENT_OUTPUT_MAX = 12 * 1024,    /* bytes of output and of errors in a reply: both fit one
                                       packet, whatever they are */
    AGENT_CLIENT_MAX_MS = 600 * 1000 /* a client runs no longer, whatever the deadline */
};

struct agent_head {
    int64_t epoch;
    int64_t deadline_ms;
};

/* Whose processes. When hello says is_root false, uid must be hello's uid: there is no other.
 */
struct agent_account {
    const char *name;
    int64_t uid, gid;
    int64_t groups[AGENT_GROUPS_MAX]; /* besides gid */
    size_t group_count;
};

struct agent_gpu {
    int64_t index;      /* as NVML counts, or the number of a declared slot */
    const char *device; /* "/dev/nvidia0"; NULL: a declared slot */
    const char *uuid;   /* what CUDA_VISIBLE_DEVICES gets; NULL: the index */
};

struct agent_start {
    struct agent_head head;
    const char *token;
    int64_t job, attempt;
    struct agent_account account;
    const char *project;
    int64_t project_gid; /* one of the account's groups, owns the project's folder; 0: none */
    struct agent_gpu gpus[AGENT_GPUS_MAX]; /* of this node */
    size_t gpu_count;
    const char *nodes[AGENT_NODES_MAX];
    size_t node_count;
    int64_t node;         /* this node's place among them */
    int64_t cpus;         /* 0: not limited */
    int64_t memory_bytes; /* 0: not limited */
    int64_t pids_max;     /* 0: the agent's own limit */
    int64_t limit_ms;     /* what remains of the time limit */
    int64_t grace_ms;     /* TERM to KILL */
    int64_t log_max;      /* bytes of log kept */
    bool resume;          /* an earlier attempt left a checkpoint */
};

struct agent_stop {
    struct agent_head head;
    const char *token;
    const char *why; /* becomes the cause in the spool: cancelled, node_fault … */
    int64_t grace_ms;
};

struct agent_limit {
    struct agent_head head;
    const char *token;
    int64_t limit_ms; /* of the whole attempt, from its start on */
};

struct agent_list {
    struct agent_head head;
    const char *after; /* only tokens greater than this; "" from the first */
};

/* clean; and all that the agent reads of what it passes on to a keeper. */
struct agent_token {
    struct agent_head head;
    const char *token;
};

struct agent_files {
    struct agent_head head;
    struct agent_account account;
    int64_t job;         /* 0: the project's folder */
    const char *project; /* used when job is 0 */
    int64_t project_gid;
};

struct agent_client {
    struct agent_head head;
    struct agent_account account;
    const char *program;              /* a name that the agent's configuration gives */
    const char *args[AGENT_ARGS_MAX]; /* what follows the program's name */
    size_t arg_count;
    int64_t job; /* its folder is made as for `start` */
    const char *project;
    int64_t project_gid;
};

/* New objects with "verb", ready for client_start(). */
json_t *agent_hello_json(const struct agent_head *h);
json_t *agent_start_json(const struct agent_start *s);
json_t *agent_stop_json(const struct agent_stop *s);
json_t *agent_limit_json(const struct agent_limit *l);
json_t *agent_list_json(const struct agent_list *l);
json_t *agent_clean_json(const struct agent_token *t);
json_t *agent_files_json(const struct agent_files *f);
json_t *agent_client_json(const struct agent_client *c);

/* The agent's side: types and ranges are checked here, rights are not. */
int agent_head_read(const json_t *o, struct agent_head *out, struct err *e);
int agent_start_read(const json_t *o, struct agent_start *out, struct err *e);
int agent_stop_read(const json_t *o, struct agent_stop *out, struct err *e);
int agent_limit_read(const json_t *o, struct agent_limit *out, struct err *e);
int agent_list_read(const json_t *o, struct agent_list *out, struct err *e);
int agent_token_read(const json_t *o, struct agent_token *out, struct err *e);
int agent_files_read(const json_t *o, struct agent_files *out, struct err *e);
int agent_client_read(const json_t *o, struct agent_client *out, struct err *e);

/* Reply to hello. Each of `enforced` is "v2", "v1", "bpf" or "no". */
struct agent_hello {
    const char *host, *boot_id, *version;
    int64_t uid; /* the agent's own */
    bool is_root;
    const char *kill, *memory, *pids, *devices, *cpu;
    bool private_tmp, private_ipc, private_proc;
};
json_t *agent_hello_reply(const struct agent_hello *h);
int agent_hello_reply_read(const json_t *o, struct agent_hello *out, struct err *e);

/* Reply to list: at most AGENT_LIST_MAX entries; `more`: ask again after the last. */
struct agent_listed {
    const char *token;
    enum spool_state state;
};
struct agent_list_reply {
    struct agent_listed entries[AGENT_LIST_MAX];
    size_t count;
    bool more;
};
json_t *agent_list_reply_json(const struct agent_list_reply *r);
int agent_list_reply_read(const json_t *o, struct agent_list_reply *out, struct err *e);

/* Reply to client. The texts are UTF-8; control bytes other than newline and tab, and all that
 * is not UTF-8, have become '?'. */
struct agent_client_reply {
    int64_t exit_code; /* -1: it ended by a signal. 127: it could not be run, `err` says why */
    int64_t signal;    /* 0: none */
    const char *out, *err;
    int64_t dropped_bytes; /* above AGENT_OUTPUT_MAX, of both together */
};
json_t *agent_client_reply_json(const struct agent_client_reply *r);
int agent_client_reply_read(const json_t *o, struct agent_client_reply *out, struct err *e);

#endif
