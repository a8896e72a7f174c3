// SPDX-License-Identifier: Apache-2.0
/* Reads the parents of all processes from /proc and walks down from ourselves. */
#include "runner/base/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { STAT_MAX = 512 };

struct process {
    pid_t pid, parent;
    bool is_dead; /* a zombie: nothing to kill, but its children are looked at */
    bool is_below;
};

struct table {
    struct process *rows;
    size_t count;
};

/* "PID (NAME) STATE PARENT …"; the name may hold anything, also ')'. */
static bool read_process(const char *name, struct process *out)
{
    char path[64], text[STAT_MAX];
    int64_t pid;
    if (parse_i64(name, 1, INT32_MAX, &pid) < 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%s/stat", name);
    AUTO(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    char state;
    int parent;
    if (!end || sscanf(end, ") %c %d", &state, &parent) != 2)
        return false;
    *out = (struct process){
        .pid = (pid_t)pid, .parent = parent, .is_dead = state == 'Z' || state == 'X'};
    return true;
}

static struct table read_table(void)
{
    struct table t = {0};
    DIR *proc = opendir("/proc");
    for (struct dirent *d = proc ? readdir(proc) : NULL; d; d = readdir(proc)) {
        struct process p;
        if (!read_process(d->d_name, &p))
            continue;
        t.rows = xgrow(t.rows, t.count + 1, sizeof(p));
        t.rows[t.count++] = p;
    }
    if (proc)
        closedir(proc);
    return t;
}

static bool is_child(const struct table *t, const struct process *p, pid_t self)
{
    if (p->parent == self)
        return true;
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].pid == p->parent)
            return t->rows[i].is_below;
    return false;
}

int child_kill_below(void)
{
    struct table t = read_table();
    pid_t self = getpid();
    int killed = 0;
    bool is_growing = true;
    while (is_growing) { /* one generation a round */
        is_growing = false;
        for (size_t i = 0; i < t.count; i++) {
            struct process *p = &t.rows[i];
            if (p->is_below || !is_child(&t, p, self))
                continue;
            p->is_below = is_growing = true;
            if (!p->is_dead && kill(p->pid, SIGKILL) == 0)
                killed++;
        }
    }
    free(t.rows);
    return killed;
}

void child_reset_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        signal(sig, SIG_DFL); /* fails for KILL and STOP, and may */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
