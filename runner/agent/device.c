// SPDX-License-Identifier: Apache-2.0
/* The rules, as a BPF program put together by hand. It lives as long as the cgroup it is
 * attached to; no descriptor has to be kept. */
#include "runner/agent/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runner/base/cleanup.h"

enum { HEAD_LEN = 9, RULE_LEN = 4, TAIL_LEN = 2, RDMA_NODES = 16 };

static const struct device_rule harmless[] = {
    {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, DEVICE_ANY},
};
static const char *const gpu_companions[] = {
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/infiniband/rdma_cm",
};

void device_rules_init(struct device_rules *r)
{
    memcpy(r->rules, harmless, sizeof(harmless));
    r->count = COUNT(harmless);
}

/* `path` lies in /dev, where only root makes nodes. */
static int add_node(struct device_rules *r, const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return -errno;
    if (!S_ISCHR(st.st_mode) || r->count == DEVICE_RULES_MAX)
        return -EINVAL;
    r->rules[r->count++] = (struct device_rule){major(st.st_rdev), minor(st.st_rdev)};
    return 0;
}

static void add_companions(struct device_rules *r)
{
    for (size_t i = 0; i < COUNT(gpu_companions); i++)
        add_node(r, gpu_companions[i]); /* not there: not needed */
    for (int i = 0; i < RDMA_NODES; i++) {
        char path[48];
        snprintf(path, sizeof(path), "/dev/infiniband/uverbs%d", i);
        add_node(r, path);
    }
}

int device_rules_add_gpu(struct device_rules *r, const char *path, struct err *e)
{
    static const char prefix[] = "/dev/nvidia";
    const char *digits = path + strlen(prefix);
    if (strncmp(path, prefix, strlen(prefix)) != 0 || !*digits ||
        digits[strspn(digits, "0123456789")])
        return err_set(e, -EINVAL, "gpus: %s: is no GPU's device", path);
    if (r->count == COUNT(harmless))
        add_companions(r);
    int code = add_node(r, path);
    return code < 0 ? err_set(e, code, "gpus: %s: %s", path, strerror(-code)) : 0;
}

#define LOAD(reg, field)                                                                       \
    ((struct bpf_insn){.code = BPF_LDX | BPF_W | BPF_MEM,                                      \
                       .dst_reg = (reg),                                                       \
                       .src_reg = BPF_REG_1,                                                   \
                       .off = offsetof(struct bpf_cgroup_dev_ctx, field)})
#define MOVE(reg, from)                                                                        \
    ((struct bpf_insn){                                                                        \
        .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (reg), .src_reg = (from)})
#define SET(reg, n)                                                                            \
    ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (n)})
#define AND(reg, n)                                                                            \
    ((struct bpf_insn){.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = (reg), .imm = (n)})
#define SHIFT_RIGHT(reg, n)                                                                    \
    ((struct bpf_insn){.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = (reg), .imm = (n)})
#define SKIP_UNLESS(reg, n, skip)                                                              \
    ((struct bpf_insn){.code = BPF_JMP | BPF_JNE | BPF_K,                                      \
                       .dst_reg = (reg),                                                       \
                       .imm = (int32_t)(n),                                                    \
                       .off = (skip)})
#define RETURN ((struct bpf_insn){.code = BPF_JMP | BPF_EXIT})

/* r2 = type, r3 = access, r4 = major, r5 = minor; then one test per rule; then no. */
static size_t assemble(const struct device_rules *r, struct bpf_insn *out)
{
    const struct bpf_insn head[HEAD_LEN] = {
        LOAD(BPF_REG_2, access_type),
        MOVE(BPF_REG_3, BPF_REG_2),
        AND(BPF_REG_2, 0xffff),
        SHIFT_RIGHT(BPF_REG_3, 16),
        LOAD(BPF_REG_4, major),
        LOAD(BPF_REG_5, minor),
        AND(BPF_REG_3, BPF_DEVCG_ACC_MKNOD),
        /* A block device and mknod skip all rules. */
        SKIP_UNLESS(BPF_REG_2, BPF_DEVCG_DEV_CHAR, (int16_t)(r->count * RULE_LEN + 1)),
        SKIP_UNLESS(BPF_REG_3, 0, (int16_t)(r->count * RULE_LEN)),
    };
    memcpy(out, head, sizeof(head));
    size_t n = HEAD_LEN;
    for (size_t i = 0; i < r->count; i++) {
        const struct device_rule *rule = &r->rules[i];
        out[n++] = SKIP_UNLESS(BPF_REG_4, rule->major, 3);
        out[n++] = rule->minor == DEVICE_ANY ? MOVE(BPF_REG_5, BPF_REG_5)
                                             : SKIP_UNLESS(BPF_REG_5, rule->minor, 2);
        out[n++] = SET(BPF_REG_0, 1);
        out[n++] = RETURN;
    }
    out[n++] = SET(BPF_REG_0, 0);
    out[n++] = RETURN;
    return n;
}

static int bpf(int command, union bpf_attr *attr)
{
    int r = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
    return r < 0 ? -errno : r;
}

int device_attach(int folder, const struct device_rules *r)
{
    struct bpf_insn program[HEAD_LEN + DEVICE_RULES_MAX * RULE_LEN + TAIL_LEN];
    union bpf_attr load = {0}, attach = {0};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insn_cnt = (uint32_t)assemble(r, program);
    load.insns = (uint64_t)(uintptr_t)program;
    load.license = (uint64_t)(uintptr_t) "Apache-2.0";
    AUTO(cleanup_close) int fd = bpf(BPF_PROG_LOAD, &load);
    if (fd < 0)
        return fd;
    attach.target_fd = (uint32_t)folder;
    attach.attach_bpf_fd = (uint32_t)fd;
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI; /* beside what the system's own manager attached */
    return bpf(BPF_PROG_ATTACH, &attach);
}
