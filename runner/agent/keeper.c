// SPDX-License-Identifier: Apache-2.0
/* The life of one attempt, seen by its parent. */
#include "runner/agent/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/birth.h"
#include "runner/agent/joblog.h"
#include "runner/base/child.h"
#include "runner/base/log.h"
#include "runner/proto/server.h"

enum {
    TICK_MS = 1000,
    CHUNK_BYTES = 64 * 1024,
    KILL_WAIT_MS = 10000, /* a process that does not die in that time hangs in the kernel */
    KILL_ROUND_MS = 20,
    DRAIN_READS = 64, /* more than a pipe holds; its writers may be many, and elsewhere */
    CAUSE_ROOM = SPOOL_CAUSE_MAX + 1
};

struct keeper {
    struct keeper_plan plan;
    struct spool_entry record;
    struct joblog log;
    struct loop *loop;
    struct server *server;
    struct loop_watch *log_watch, *task_watch;
    struct loop_timer *tick, *limit, *grace;
    char cause[CAUSE_ROOM]; /* "" until it is told to stop */
    int64_t kill_at_ms;     /* CLOCK_BOOTTIME; 0: not told to stop */
    bool is_over;
};

/* An attempt, in the order it happens. */
static int let_go(struct keeper *k, struct err *e);
static void on_log(void *arg);
static void on_tick(void *arg);
static void on_limit(void *arg);
static void on_call(struct server_call *call, void *arg); /* stop, limit */
static void on_grace(void *arg);
static void on_task_end(void *arg);
static void finish(struct keeper *k, const siginfo_t *how);

static int64_t run_ms(const struct keeper *k)
{
    return now_boot_ms() - k->record.started_boot_ms;
}

static void beat(struct keeper *k)
{
    struct err why = {{0}};
    k->record.run_ms = run_ms(k);
    k->record.beat_ms = now_ms();
    if (spool_write_beat(KEEPER_ENTRY, &k->record, &why) < 0)
        log_warning("job %lld: beat: %s", (long long)k->record.job, why.text);
}

/* Writes `start`, then lets the task go: never the other way round. */
static int let_go(struct keeper *k, struct err *e)
{
    k->record.keeper = getpid();
    k->record.started_ms = now_ms();
    k->record.started_boot_ms = now_boot_ms();
    snprintf(k->record.boot_id, sizeof(k->record.boot_id), "%s", now_boot_id());
    int r = spool_write_start(KEEPER_ENTRY, &k->record, e);
    if (r == 0 && write(KEEPER_GO, "g", 1) != 1)
        r = err_set(e, -EPIPE, "the task is gone before its start");
    close(KEEPER_GO);
    return r;
}

static void kill_group(void)
{
    if (write(KEEPER_KILL, "1", 1) != 1) /* no cgroup: what we can find */
        child_kill_below();
}

/* TERM now, KILL after the grace. Told again, the earlier KILL counts and the first cause
 * stays. */
static void stop(struct keeper *k, const char *cause, int64_t grace_ms)
{
    int64_t at = now_boot_ms() + grace_ms;
    if (k->kill_at_ms && k->kill_at_ms <= at)
        return;
    if (!k->kill_at_ms)
        snprintf(k->cause, sizeof(k->cause), "%s", cause);
    k->kill_at_ms = at;
    (void)!send(KEEPER_TASK, "T", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    loop_timer_free(k->grace);
    k->grace = loop_timer_new(k->loop, grace_ms, 0, on_grace, k);
}

static void on_grace(void *arg)
{
    struct keeper *k = arg;
    log_info("job %lld: killed after its grace", (long long)k->record.job);
    kill_group();
}

static bool read_log(struct keeper *k)
{
    char chunk[CHUNK_BYTES];
    ssize_t n = read(KEEPER_PIPE, chunk, sizeof(chunk)); /* non-blocking: set in keeper_run() */
    if (n > 0)
        joblog_put(&k->log, chunk, (size_t)n);
    if (n == 0)
        loop_watch_free(TAKE(k->log_watch));
    return n > 0;
}

static void on_log(void *arg)
{
    read_log(arg);
}

/* Orphans of the job come to us; the task itself is waited for by on_task_end(). */
static void reap(const struct keeper *k)
{
    siginfo_t who = {0};
    while (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) == 0 && who.si_pid &&
           who.si_pid != k->record.task) {
        waitpid(who.si_pid, NULL, WNOHANG);
        who.si_pid = 0;
    }
}

static bool has_task_ended(const struct keeper *k)
{
    siginfo_t how = {0};
    return waitid(P_PID, (id_t)k->record.task, &how, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           how.si_pid;
}

static void on_limit(void *arg)
{
    struct keeper *k = arg;
    if (!has_task_ended(k))
        stop(k, "limit", k->plan.grace_ms);
}

/* Timers stand still while the machine sleeps; this looks at the clock that does not. */
static void on_tick(void *arg)
{
    struct keeper *k = arg;
    if (has_task_ended(k)) /* on_task_end() comes */
        return;
    reap(k);
    beat(k);
    if (k->kill_at_ms && now_boot_ms() >= k->kill_at_ms)
        kill_group();
    else if (run_ms(k) >= k->record.limit_ms)
        on_limit(k);
}

static void arm_limit(struct keeper *k)
{
    int64_t left = k->record.limit_ms - run_ms(k);
    loop_timer_free(k->limit);
    k->limit = loop_timer_new(k->loop, left > 0 ? left : 0, 0, on_limit, k);
}

static int be_stopped(struct keeper *k, const json_t *body, struct err *e)
{
    struct agent_stop ask;
    int r = agent_stop_read(body, &ask, e);
    if (r == 0)
        stop(k, ask.why, ask.grace_ms);
    return r;
}

static int take_limit(struct keeper *k, const json_t *body, struct err *e)
{
    struct agent_limit ask;
    int r = agent_limit_read(body, &ask, e);
    if (r == 0 && k->kill_at_ms)
        r = err_set(e, -EALREADY, "it is ending already: %s", k->cause);
    if (r < 0)
        return r;
    k->record.limit_ms = ask.limit_ms;
    arm_limit(k);
    beat(k); /* now, for those who wait to read it */
    return 0;
}

static void on_call(struct server_call *call, void *arg)
{
    const char *verb = server_verb(call);
    struct err why = {{0}};
    int r = !strcmp(verb, "stop")    ? be_stopped(arg, server_body(call), &why)
            : !strcmp(verb, "limit") ? take_limit(arg, server_body(call), &why)
                                     : err_set(&why, -ENOSYS, "no such verb");
    if (r < 0)
        server_refuse(call, r, &why);
    else
        server_reply(call, NULL, -1);
}

static void on_task_end(void *arg)
{
    struct keeper *k = arg;
    siginfo_t how = {0};
    if (waitid(P_PID, (id_t)k->record.task, &how, WEXITED | WNOHANG) == 0 && how.si_pid)
        finish(k, &how);
}

/* Kills until nothing is left. false: something hangs. */
static bool kill_rest(const struct keeper *k)
{
    int64_t until = now_boot_ms() + KILL_WAIT_MS;
    bool has_group = lseek(KEEPER_EVENTS, 0, SEEK_CUR) >= 0;
    while (now_boot_ms() < until) {
        if (has_group && cgroup_is_empty(KEEPER_EVENTS))
            return true;
        if (has_group)
            kill_group();
        else if (child_kill_below() == 0)
            return true;
        struct pollfd p = {.fd = has_group ? KEEPER_EVENTS : -1, .events = POLLPRI};
        poll(&p, 1, KILL_ROUND_MS);
        reap(k);
    }
    return false;
}

static void finish(struct keeper *k, const siginfo_t *how)
{
    struct spool_entry *s = &k->record;
    struct err why = {{0}};
    bool has_exited = how->si_code == CLD_EXITED;
    int64_t last_ms = s->run_ms; /* when it was seen alive */
    s->run_ms = run_ms(k);
    if (s->run_ms > last_ms + 2 * TICK_MS) /* we were stopped, and it ended meanwhile */
        s->run_ms = last_ms + TICK_MS;
    s->ended_ms = now_ms();
    s->exit_code = has_exited ? how->si_status : -1;
    s->signal = has_exited ? 0 : how->si_status;
    s->is_left = !kill_rest(k);
    for (int i = 0; i < DRAIN_READS && k->log_watch && read_log(k); i++)
        ;
    joblog_end(&k->log);
    s->log_bytes = k->log.kept;
    s->log_dropped = k->log.dropped;
    bool has_failed = s->exit_code != 0;
    const char *own = has_failed && cgroup_had_oom(KEEPER_OOM) ? "memory" : "natural";
    snprintf(s->cause, sizeof(s->cause), "%s", k->cause[0] ? k->cause : own);
    if (spool_write_exit(KEEPER_ENTRY, s, &why) < 0) /* readers will find us dead: lost */
        log_error("job %lld: exit: %s", (long long)k->record.job, why.text);
    k->is_over = true;
    loop_stop(k->loop);
}

static int listen_for_stop(struct keeper *k, struct err *e)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/control", KEEPER_ENTRY);
    const uid_t uids[] = {0, geteuid()};
    const struct server_options options = {
        .at = {.path = path, .mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1},
        .uids = uids,
        .uid_count = COUNT(uids),
        .on_call = on_call,
        .arg = k,
    };
    return server_new(k->loop, &options, &k->server, e);
}

/* Tells the agent. One that has gone meanwhile will find the spool entry. */
static void say(int code, const struct err *why)
{
    struct birth_word w = {.code = code, .why = *why};
    (void)!write(KEEPER_WORD, &w, sizeof(w));
    close(KEEPER_WORD);
}

static void watch(struct keeper *k, int task)
{
    k->task_watch = loop_watch_new(k->loop, task, on_task_end, k);
    k->log_watch = loop_watch_new(k->loop, KEEPER_PIPE, on_log, k);
    k->tick = loop_timer_new(k->loop, TICK_MS, TICK_MS, on_tick, k);
    arm_limit(k);
}

static void keeper_done(struct keeper *k)
{
    loop_timer_free(k->tick);
    loop_timer_free(k->limit);
    loop_timer_free(k->grace);
    loop_watch_free(k->log_watch);
    loop_watch_free(k->task_watch);
    server_free(k->server);
    loop_free(k->loop);
}

int keeper_run(void)
{
    AUTO(keeper_done) struct keeper k = {0};
    struct err why = {{0}};
    if (pread(KEEPER_PLAN, &k.plan, sizeof(k.plan), 0) != sizeof(k.plan))
        return 1;
    k.record = k.plan.record;
    k.log = (struct joblog){.fd = KEEPER_LOG, .max = k.plan.log_max};
    k.loop = loop_new();
    fcntl(KEEPER_PIPE, F_SETFL, O_NONBLOCK);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    AUTO(cleanup_close) int task = (int)syscall(SYS_pidfd_open, k.record.task, 0);
    int r = task < 0 ? err_set(&why, -errno, "pidfd_open: %s", strerror(errno)) : 0;
    if (r == 0)
        r = listen_for_stop(&k, &why);
    if (r == 0)
        r = let_go(&k, &why);
    say(r, &why);
    if (r < 0)
        return 1;
    watch(&k, task);
    while (!k.is_over) {
        loop_run(k.loop);
        if (!k.is_over) /* SIGTERM; another one is final */
            stop(&k, "shutdown", k.plan.grace_ms);
    }
    return 0;
}
