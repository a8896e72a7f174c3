// SPDX-License-Identifier: Apache-2.0
/* Files of the cgroup file systems, always by descriptors of folders that only root writes. */
#include "runner/agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/now.h"

enum { TEXT_MAX = 512, CPU_PERIOD_US = 100000 };

static const char *const controllers[] = {"memory", "pids", "cpu", "devices"};
static const char *const kind_names[] = {"no", "v1", "v2", "bpf"};

const char *cgroup_kind_name(enum cgroup_kind k)
{
    return kind_names[k];
}

static int write_at(int folder, const char *file, const char *text)
{
    AUTO(cleanup_close) int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* The text of a small file, read from its start again. "" on failure. */
static void read_text(int fd, char out[TEXT_MAX])
{
    ssize_t n = fd < 0 ? -1 : pread(fd, out, TEXT_MAX - 1, 0);
    out[n < 0 ? 0 : n] = '\0';
}

/* Opens the folder, makes it first if `is_made`. -1 when it is not to be had. */
static int open_folder(int at, const char *name, bool is_made)
{
    if (is_made && mkdirat(at, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The v2 hierarchy: `root` itself, or root/unified. Returns NAME in it. Enabling a controller
 * fails where v2 does not have it. */
static int open_v2(struct cgroup_site *s, int root, const char *name)
{
    bool is_root = faccessat(root, "cgroup.controllers", F_OK, 0) == 0;
    AUTO(cleanup_close) int top = open_folder(root, is_root ? "." : "unified", false);
    if (top < 0 || faccessat(top, "cgroup.controllers", F_OK, 0) < 0)
        return -1;
    int folder = open_folder(top, name, true);
    for (int c = 0; folder >= 0 && c < CGROUP_DEVICES; c++) {
        char enable[16];
        snprintf(enable, sizeof(enable), "+%s", controllers[c]);
        if (write_at(top, "cgroup.subtree_control", enable) == 0 &&
            write_at(folder, "cgroup.subtree_control", enable) == 0)
            s->kind[c] = CGROUP_V2;
    }
    return folder;
}

/* Takes the v1 hierarchy of a controller that v2 does not have. */
static void open_v1(struct cgroup_site *s, int root, const char *name, int c)
{
    AUTO(cleanup_close) int top = open_folder(root, controllers[c], false);
    if (s->kind[c] != CGROUP_NO || top < 0 || faccessat(top, "cgroup.procs", F_OK, 0) < 0)
        return;
    s->v1[c] = open_folder(top, name, true);
    if (s->v1[c] >= 0 && faccessat(s->v1[c], "cgroup.procs", W_OK, 0) == 0)
        s->kind[c] = CGROUP_V1;
}

/* Tries cgroup.kill and the device program on an empty cgroup. */
static void try_v2(struct cgroup_site *s)
{
    char probe[32];
    snprintf(probe, sizeof(probe), "probe-%d", (int)getpid());
    AUTO(cleanup_close) int folder = s->v2 < 0 ? -1 : open_folder(s->v2, probe, true);
    struct device_rules rules;
    device_rules_init(&rules);
    if (folder < 0)
        return;
    s->can_kill = write_at(folder, "cgroup.kill", "1") == 0;
    if (device_attach(folder, &rules) == 0)
        s->kind[CGROUP_DEVICES] = CGROUP_BPF;
    unlinkat(s->v2, probe, AT_REMOVEDIR);
}

static int remove_folder(int parent, const char *token)
{
    return parent >= 0 && unlinkat(parent, token, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno
                                                                                       : 0;
}

/* v2 first, as a task joins it first: then one that is on its way fails as a whole, or keeps
 * all. */
static int remove_empty(const struct cgroup_site *s, const char *token)
{
    int r = remove_folder(s->v2, token);
    for (int c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++)
        r = remove_folder(s->v1[c], token);
    return r;
}

/* What an agent left that was killed between making a cgroup and filling it. */
static void sweep(const struct cgroup_site *s)
{
    DIR *folder = s->v2 < 0 ? NULL : fdopendir(dup(s->v2));
    for (struct dirent *d = folder ? readdir(folder) : NULL; d; d = readdir(folder))
        if (d->d_type == DT_DIR && d->d_name[0] != '.')
            remove_empty(s, d->d_name); /* refused where processes are */
    if (folder)
        closedir(folder);
}

void cgroup_site_open(struct cgroup_site *s, const char *root, const char *name)
{
    *s = (struct cgroup_site){.v2 = -1, .v1 = {-1, -1, -1, -1}};
    AUTO(cleanup_close) int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return;
    s->v2 = open_v2(s, top, name);
    try_v2(s);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        open_v1(s, top, name, c);
    sweep(s);
}

void cgroup_site_done(struct cgroup_site *s)
{
    cleanup_close(&s->v2);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        cleanup_close(&s->v1[c]);
}

static void plan_write(struct cgroup_write *out, size_t *n, enum cgroup_controller on,
                       const char *file, const char *value)
{
    struct cgroup_write *w = &out[(*n)++];
    *w = (struct cgroup_write){.on = on, .file = file};
    snprintf(w->value, sizeof(w->value), "%s", value);
}

size_t cgroup_plan(const enum cgroup_kind *kind, const struct cgroup_limits *l,
                   struct cgroup_write *out)
{
    size_t n = 0;
    char number[48];
    snprintf(number, sizeof(number), "%lld", (long long)l->memory_bytes);
    if (l->memory_bytes && kind[CGROUP_MEMORY] == CGROUP_V2) {
        plan_write(out, &n, CGROUP_MEMORY, "memory.max", number);
        plan_write(out, &n, CGROUP_MEMORY, "memory.swap.max", "0");
        out[n - 1].is_optional = true;
        plan_write(out, &n, CGROUP_MEMORY, "memory.oom.group", "1");
        out[n - 1].is_optional = true;
    } else if (l->memory_bytes && kind[CGROUP_MEMORY] == CGROUP_V1) {
        plan_write(out, &n, CGROUP_MEMORY, "memory.limit_in_bytes", number);
    }
    snprintf(number, sizeof(number), "%lld", (long long)l->pids);
    if (l->pids && kind[CGROUP_PIDS] != CGROUP_NO)
        plan_write(out, &n, CGROUP_PIDS, "pids.max", number);
    snprintf(number, sizeof(number), "%lld", (long long)l->cpus * CPU_PERIOD_US);
    if (l->cpus && kind[CGROUP_CPU] == CGROUP_V2) {
        plan_write(out, &n, CGROUP_CPU, "cpu.max", number);
        snprintf(out[n - 1].value, sizeof(number), "%s %d", number, CPU_PERIOD_US);
    } else if (l->cpus && kind[CGROUP_CPU] == CGROUP_V1) {
        plan_write(out, &n, CGROUP_CPU, "cpu.cfs_quota_us", number);
    }
    return n;
}

/* The folder of `token` where controller c is enforced. */
static int open_token(const struct cgroup_site *s, int c, const char *token)
{
    int parent = s->kind[c] == CGROUP_V1 ? s->v1[c] : s->v2;
    return parent < 0 ? -1 : open_folder(parent, token, false);
}

static int make_folders(const struct cgroup_site *s, const char *token)
{
    if (s->v2 >= 0 && mkdirat(s->v2, token, 0755) < 0)
        return -errno;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (s->kind[c] == CGROUP_V1 && mkdirat(s->v1[c], token, 0755) < 0)
            return -errno;
    return 0;
}

static int write_limits(const struct cgroup_site *s, const char *token,
                        const struct cgroup_limits *l, struct err *e)
{
    struct cgroup_write writes[CGROUP_WRITES_MAX];
    size_t n = cgroup_plan(s->kind, l, writes);
    for (size_t i = 0; i < n; i++) {
        AUTO(cleanup_close) int folder = open_token(s, writes[i].on, token);
        int r = write_at(folder, writes[i].file, writes[i].value);
        if (r < 0 && !writes[i].is_optional)
            return err_set(e, r, "cgroup: %s = %s: %s", writes[i].file, writes[i].value,
                           strerror(-r));
    }
    return 0;
}

static int write_devices_v1(int folder, const struct device_rules *r)
{
    int code = write_at(folder, "devices.deny", "a");
    for (size_t i = 0; code == 0 && i < r->count; i++) {
        char line[48], minor[16] = "*";
        if (r->rules[i].minor != DEVICE_ANY)
            snprintf(minor, sizeof(minor), "%u", r->rules[i].minor);
        snprintf(line, sizeof(line), "c %u:%s rw", r->rules[i].major, minor);
        code = write_at(folder, "devices.allow", line);
    }
    return code;
}

static int write_devices(const struct cgroup_site *s, const char *token,
                         const struct device_rules *devices, struct err *e)
{
    AUTO(cleanup_close) int folder = open_token(s, CGROUP_DEVICES, token);
    int r = 0;
    if (s->kind[CGROUP_DEVICES] == CGROUP_BPF)
        r = device_attach(folder, devices);
    else if (s->kind[CGROUP_DEVICES] == CGROUP_V1)
        r = write_devices_v1(folder, devices);
    return r < 0 ? err_set(e, r, "cgroup: devices: %s", strerror(-r)) : 0;
}

static int open_join(struct cgroup *c, int folder)
{
    int fd = openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    c->join[c->join_count++] = fd;
    return 0;
}

static int open_all(const struct cgroup_site *s, const char *token, struct cgroup *c)
{
    int r = 0;
    if (s->v2 >= 0) {
        AUTO(cleanup_close) int folder = open_folder(s->v2, token, false);
        r = open_join(c, folder);
        c->kill = openat(folder, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        c->events = openat(folder, "cgroup.events", O_RDONLY | O_CLOEXEC);
    }
    for (int k = 0; r == 0 && k < CGROUP_CONTROLLERS; k++) {
        AUTO(cleanup_close) int folder = open_token(s, k, token);
        if (s->kind[k] == CGROUP_V1)
            r = open_join(c, folder);
        if (k == CGROUP_MEMORY && s->kind[k] != CGROUP_NO)
            c->oom =
                openat(folder, s->kind[k] == CGROUP_V1 ? "memory.oom_control" : "memory.events",
                       O_RDONLY | O_CLOEXEC);
    }
    return r;
}

int cgroup_make(const struct cgroup_site *s, const char *token, const struct cgroup_limits *l,
                const struct device_rules *devices, struct cgroup *out, struct err *e)
{
    AUTO(cgroup_done) struct cgroup c = CGROUP_NONE;
    int r = make_folders(s, token);
    if (r == -EEXIST) /* somebody's processes may be in it: not ours to remove */
        return err_set(e, r, "cgroup: %s: exists already", token);
    if (r < 0)
        err_set(e, r, "cgroup: %s: %s", token, strerror(-r));
    if (r == 0)
        r = write_limits(s, token, l, e);
    if (r == 0)
        r = write_devices(s, token, devices, e);
    if (r == 0 && (r = open_all(s, token, &c)) < 0)
        err_set(e, r, "cgroup: %s: %s", token, strerror(-r));
    if (r < 0) {
        cgroup_remove(s, token, 0);
        return r;
    }
    *out = c;
    c = CGROUP_NONE;
    return 0;
}

void cgroup_done(struct cgroup *c)
{
    while (c->join_count)
        cleanup_close(&c->join[--c->join_count]);
    cleanup_close(&c->kill);
    cleanup_close(&c->events);
    cleanup_close(&c->oom);
}

int cgroup_kill(const struct cgroup_site *s, const char *token)
{
    AUTO(cleanup_close) int folder = s->v2 < 0 ? -1 : open_folder(s->v2, token, false);
    return folder < 0 ? 0 : write_at(folder, "cgroup.kill", "1");
}

static void wait_empty(const struct cgroup_site *s, const char *token, int wait_ms)
{
    AUTO(cleanup_close) int folder = s->v2 < 0 ? -1 : open_folder(s->v2, token, false);
    AUTO(cleanup_close)
    int events = folder < 0 ? -1 : openat(folder, "cgroup.events", O_RDONLY | O_CLOEXEC);
    struct pollfd p = {.fd = events, .events = POLLPRI};
    int64_t until = now_mono_ms() + wait_ms;
    while (events >= 0 && !cgroup_is_empty(events) && now_mono_ms() < until)
        poll(&p, 1, (int)(until - now_mono_ms()));
}

int cgroup_remove(const struct cgroup_site *s, const char *token, int wait_ms)
{
    cgroup_kill(s, token);
    wait_empty(s, token, wait_ms);
    return remove_empty(s, token);
}

bool cgroup_is_empty(int events)
{
    char text[TEXT_MAX];
    read_text(events, text);
    return strstr(text, "populated 0") != NULL;
}

bool cgroup_had_oom(int oom)
{
    char text[TEXT_MAX];
    read_text(oom, text);
    const char *count = strstr(text, "oom_kill ");
    return count && strtol(count + strlen("oom_kill "), NULL, 10) > 0;
}
