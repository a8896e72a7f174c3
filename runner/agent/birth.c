// SPDX-License-Identifier: Apache-2.0
/* The children between fork and exec. Everything that can fail fails before the task is let go,
 * and what is run is found by descriptor, never by path. */
#include "runner/agent/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/agent/keeper.h"
#include "runner/base/child.h"
#include "runner/base/fault_point.h"
#include "runner/proto/spool.h"

enum { HIGH_FD = 100 /* above all that are arranged */ };

_Noreturn void birth_fail(int word, int code, const struct err *why)
{
    struct birth_word w = {.code = code, .why = *why};
    (void)!write(word, &w, sizeof(w));
    _exit(1);
}

_Noreturn void birth_fail_errno(int word, const char *what)
{
    struct err why;
    int code = err_set(&why, -errno, "%s: %s", what, strerror(errno));
    birth_fail(word, code, &why);
}

void birth_begin(const struct birth_place *place)
{
    server_leave(place->server);
    setsid();
    child_reset_signals();
}

void birth_become(const struct identity *user, int word)
{
    struct err why = {{0}};
    if (identity_limit() < 0)
        birth_fail_errno(word, "limits");
    int r = identity_become(user, &why);
    if (r < 0)
        birth_fail(word, r, &why);
}

int birth_arrange(const int *fds, int count)
{
    int high[KEEPER_FDS];
    int none = open("/dev/null", O_PATH | O_CLOEXEC);
    if (none < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i] < 0 ? none : fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
        if (high[i] < 0)
            return -errno;
    }
    for (int i = 0; i < count; i++)
        if (dup2(high[i], BIRTH_FIRST_FD + i) < 0)
            return -errno;
    return 0;
}

/* For an exec: `program` moves out of the way, and all others close with it. */
static int arrange(const int *fds, int count, int *program)
{
    *program = fcntl(*program, F_DUPFD_CLOEXEC, HIGH_FD);
    int r = *program < 0 ? -errno : birth_arrange(fds, count);
    unsigned first = (unsigned)(BIRTH_FIRST_FD + count);
    return r == 0 && close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : r;
}

static void run(int program, const char *name, char *const *environment)
{
    char *const argv[] = {(char *)name, NULL};
    execveat(program, "", argv, environment, AT_EMPTY_PATH);
}

/* The pipes between keeper and task; the task's ends are [1] of ready and log, [0] of go. */
struct strings {
    int ready[2], go[2], log[2], control[2];
};

static void join(const struct birth *b)
{
    for (size_t i = 0; i < b->cgroup.join_count; i++)
        if (write(b->cgroup.join[i], "0", 1) != 1)
            birth_fail_errno(b->word, "cgroup: joining it");
}

/* By path: a descriptor from before would lead back to the mounts of the machine. */
void birth_enter_job(const struct birth_place *place, int64_t job, int folder, int word)
{
    char path[4096];
    struct stat wanted, found;
    struct err why;
    snprintf(path, sizeof(path), "%s/%lld", place->settings->jobs_root, (long long)job);
    if (chdir(path) < 0 || stat(".", &found) < 0 || fstat(folder, &wanted) < 0)
        birth_fail_errno(word, path);
    if (found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino)
        birth_fail(word, err_set(&why, -EPERM, "%s: is not the folder that was made", path),
                   &why);
}

static void connect_stdio(const struct birth *b, int log)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        birth_fail_errno(b->word, "standard streams");
}

static _Noreturn void become_task(const struct birth *b, const struct strings *s)
{
    struct err why = {{0}};
    char byte = 'r';
    close(s->go[1]); /* or its end would never come */
    join(b);
    FP("birth.task");
    if (setsid() < 0 || identity_limit() < 0)
        birth_fail_errno(b->word, "session and limits");
    int r = private_enter(&b->place->private, &why);
    if (r == 0)
        r = identity_become(&b->user, &why);
    if (r < 0)
        birth_fail(b->word, r, &why);
    birth_enter_job(b->place, b->ask->job, b->job_folder, b->word);
    connect_stdio(b, s->log[1]);
    if (write(s->ready[1], &byte, 1) != 1 || read(s->go[0], &byte, 1) != 1)
        _exit(1);
    const int fds[] = {b->spec, s->control[1]};
    int program = b->place->task;
    if (arrange(fds, COUNT(fds), &program) == 0)
        run(program, "runner-task", b->circumstances.lines);
    dprintf(2, "firefly: runner-task cannot be started: %s\n", strerror(errno));
    _exit(126);
}

static void make_strings(struct strings *s, int word)
{
    int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
    if (pipe2(s->ready, O_CLOEXEC) < 0 || pipe2(s->go, O_CLOEXEC) < 0 ||
        pipe2(s->log, O_CLOEXEC) < 0 || socketpair(AF_UNIX, kind, 0, s->control) < 0)
        birth_fail_errno(word, "pipes");
}

static int open_log(const struct birth *b)
{
    char name[64];
    snprintf(name, sizeof(name), "%lld.%lld.log", (long long)b->ask->job,
             (long long)b->ask->attempt);
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(b->place->logs, name, flags, 0600);
    if (fd < 0)
        birth_fail_errno(b->word, name);
    return fd;
}

static int write_plan(const struct birth *b, pid_t task)
{
    const struct agent_start *ask = b->ask;
    struct keeper_plan plan = {.grace_ms = ask->grace_ms, .log_max = ask->log_max};
    plan.record = (struct spool_entry){.job = ask->job,
                                       .attempt = ask->attempt,
                                       .task = task,
                                       .limit_ms = ask->limit_ms,
                                       .exit_code = -1};
    snprintf(plan.record.token, sizeof(plan.record.token), "%s", ask->token);
    int fd = memfd_create("plan", MFD_CLOEXEC);
    if (fd < 0 || write(fd, &plan, sizeof(plan)) != sizeof(plan))
        birth_fail_errno(b->word, "the keeper's plan");
    return fd;
}

/* The service from here on: what it makes in spool and logs it makes as their owner. */
static _Noreturn void become_keeper(const struct birth *b, const struct strings *s, pid_t task)
{
    struct err why = {{0}};
    const struct settings *set = b->place->settings;
    const struct identity service = {.uid = set->service_uid, .gid = set->service_gid};
    char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    int entry, lock;
    FP("birth.keeper");
    int r = identity_become(&service, &why);
    if (r == 0)
        r = spool_make(b->place->spool, b->ask->token, &entry, &lock, &why);
    if (r < 0)
        birth_fail(b->word, r, &why);
    const int fds[KEEPER_FDS] = {
        [KEEPER_PLAN - BIRTH_FIRST_FD] = write_plan(b, task),
        [KEEPER_ENTRY - BIRTH_FIRST_FD] = entry,
        [KEEPER_LOCK - BIRTH_FIRST_FD] = lock,
        [KEEPER_PIPE - BIRTH_FIRST_FD] = s->log[0],
        [KEEPER_LOG - BIRTH_FIRST_FD] = open_log(b),
        [KEEPER_TASK - BIRTH_FIRST_FD] = s->control[0],
        [KEEPER_GO - BIRTH_FIRST_FD] = s->go[1],
        [KEEPER_WORD - BIRTH_FIRST_FD] = b->word,
        [KEEPER_KILL - BIRTH_FIRST_FD] = b->cgroup.kill,
        [KEEPER_EVENTS - BIRTH_FIRST_FD] = b->cgroup.events,
        [KEEPER_OOM - BIRTH_FIRST_FD] = b->cgroup.oom,
    };
    int program = b->place->keeper;
    FP("birth.entry");
    if (arrange(fds, KEEPER_FDS, &program) == 0)
        run(program, "runner-keeper", environment);
    birth_fail_errno(KEEPER_WORD, "runner-keeper cannot be started");
}

_Noreturn void birth_keeper(const struct birth *b)
{
    struct strings s;
    char byte;
    birth_begin(b->place);
    make_strings(&s, b->word);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    umask(077);
    if (chdir("/") < 0)
        birth_fail_errno(b->word, "/");
    pid_t task = fork();
    if (task < 0)
        birth_fail_errno(b->word, "fork");
    if (task == 0)
        become_task(b, &s);
    close(s.ready[1]);
    if (read(s.ready[0], &byte, 1) != 1)
        _exit(1); /* the task has said why */
    become_keeper(b, &s, task);
}

_Noreturn void birth_files(const struct birth_place *place, const struct identity *user,
                           int root, const char *name, int socket, int word)
{
    struct birth_word ok = {.code = 0};
    char *const environment[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    birth_begin(place);
    birth_become(user, word);
    int folder = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        birth_fail_errno(word, name);
    const int fds[] = {socket, folder};
    int program = place->files;
    if (chdir("/") < 0 || arrange(fds, COUNT(fds), &program) < 0)
        birth_fail_errno(word, "descriptors");
    (void)!write(word, &ok,
                 sizeof(ok)); /* `word` closes on exec; after it the socket's end tells */
    run(program, "runner-files", environment);
    _exit(126);
}
