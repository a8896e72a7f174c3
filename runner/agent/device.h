// SPDX-License-Identifier: Apache-2.0
/* Which device nodes a job may open: the harmless ones, its own GPUs, and nothing else; never
 * mknod.
 *
 * Enforced by a BPF program on the job's cgroup (v2), or by cgroup.c through the devices
 * controller (v1).
 */
#ifndef FF_AGENT_DEVICE_H
#define FF_AGENT_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/err.h"

enum { DEVICE_RULES_MAX = 128, DEVICE_ANY = UINT32_MAX };

struct device_rule { /* a character device that may be read and written */
    uint32_t major;
    uint32_t minor; /* DEVICE_ANY: all of that major */
};

struct device_rules {
    struct device_rule rules[DEVICE_RULES_MAX];
    size_t count;
};

/* null, zero, full, random, urandom, tty, ptys */
void device_rules_init(struct device_rules *r);

/* Adds "/dev/nvidia0" or the like, and once what every GPU needs (nvidiactl, nvidia-uvm, RDMA).
 * -EINVAL: not a path of a GPU, or no character device. */
int device_rules_add_gpu(struct device_rules *r, const char *path, struct err *e);

/* Attaches the rules to the v2 cgroup that `folder` is open on. -EPERM and the like: not
 * possible. */
int device_attach(int folder, const struct device_rules *r);

#endif
