// SPDX-License-Identifier: Apache-2.0
/* One cgroup per attempt, below NAME in every hierarchy this machine has.
 *
 *   v2      /sys/fs/cgroup/NAME/TOKEN, or /sys/fs/cgroup/unified/NAME/TOKEN on a hybrid machine:
 *           kills all at once (cgroup.kill), and limits where the controllers are here
 *   v1      /sys/fs/cgroup/CONTROLLER/NAME/TOKEN for controllers that v2 does not have
 *
 * What is not there is not enforced and said so (`kind`, hello). Users cannot write in any of
 * these folders, so nothing that was started inside leaves them.
 */
#ifndef FF_AGENT_CGROUP_H
#define FF_AGENT_CGROUP_H

#include <stdbool.h>

#include "runner/agent/device.h"

enum cgroup_kind { CGROUP_NO, CGROUP_V1, CGROUP_V2, CGROUP_BPF };
enum cgroup_controller {
    CGROUP_MEMORY,
    CGROUP_PIDS,
    CGROUP_CPU,
    CGROUP_DEVICES,
    CGROUP_CONTROLLERS
};

struct cgroup_site {
    int v2;                     /* NAME in v2, -1: none */
    int v1[CGROUP_CONTROLLERS]; /* NAME in each v1 hierarchy that is used, -1: none */
    enum cgroup_kind kind[CGROUP_CONTROLLERS];
    bool can_kill; /* by cgroup.kill */
};

struct cgroup_limits {
    int64_t memory_bytes, pids, cpus; /* 0: not limited */
};

/* What to write for `l`: pure. */
struct cgroup_write {
    enum cgroup_controller on;
    const char *file;
    char value[48];
    bool is_optional; /* kernels without that file exist */
};
enum { CGROUP_WRITES_MAX = 8 };
size_t cgroup_plan(const enum cgroup_kind *kind, const struct cgroup_limits *l,
                   struct cgroup_write *out);

/* Descriptors of an attempt's cgroup, opened by root; -1: not there. */
struct cgroup {
    int join[CGROUP_CONTROLLERS + 1]; /* writing "0" moves the writer in */
    size_t join_count;
    int kill;   /* writing "1" kills all */
    int events; /* holds "populated 0" when empty */
    int oom;    /* holds "oom_kill N" */
};
#define CGROUP_NONE ((struct cgroup){.kill = -1, .events = -1, .oom = -1})

const char *cgroup_kind_name(enum cgroup_kind k); /* "no", "v1", "v2", "bpf" */

/* `root` is /sys/fs/cgroup. Finds out what works, removes attempts' cgroups that are empty;
 * never fails. */
void cgroup_site_open(struct cgroup_site *s, const char *root, const char *name);
void cgroup_site_done(struct cgroup_site *s);

/* -EEXIST: that token has one already. After another error nothing is left. */
int cgroup_make(const struct cgroup_site *s, const char *token, const struct cgroup_limits *l,
                const struct device_rules *devices, struct cgroup *out, struct err *e);
void cgroup_done(struct cgroup *c); /* closes the descriptors */

/* Kills all that is in it. 0 too when there is none. */
int cgroup_kill(const struct cgroup_site *s, const char *token);

/* Kills all, waits up to wait_ms until it is empty, removes it. -EBUSY: it is not empty yet. */
int cgroup_remove(const struct cgroup_site *s, const char *token, int wait_ms);

/* For holders of the descriptors alone. */
bool cgroup_is_empty(int events);
bool cgroup_had_oom(int oom);

#endif
