// SPDX-License-Identifier: Apache-2.0
/* One poll(2) loop over the signals, the control socket and the ranks' pipes. */
#include "runner/task/ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/child.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/task/relay.h"

enum { NOT_FOUND = 127, NOT_RUNNABLE = 126, BY_SIGNAL = 128, KILL_ROUNDS = 100, ROUND_MS = 20 };

struct ranks {
    const struct ranks_plan *plan;
    pid_t *pids;          /* 0 once it was waited for */
    struct relay *relays; /* NULL for a single rank: it writes to the log itself */
    int64_t count, alive;
    int signals;
    int status;         /* of the first that failed */
    int64_t kill_at_ms; /* monotonic; 0: nobody has failed */
    int64_t tick_at_ms; /* monotonic; 0: never */
};

/* What a rank is between fork and exec. */
static _Noreturn void become_rank(const struct ranks *r, int64_t rank, int out)
{
    const struct ranks_plan *plan = r->plan;
    setpgid(0, 0);
    if (out >= 0 && (dup2(out, 1) < 0 || dup2(out, 2) < 0))
        _exit(NOT_RUNNABLE);
    place_enter_rank(plan->place, plan->kind, rank);
    child_reset_signals();
    execvp(plan->argv[0], plan->argv);
    int code = errno;
    dprintf(2, "firefly: %s cannot be started: %s\n", plan->shown, strerror(code));
    _exit(code == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

static void signal_all(const struct ranks *r, int sig)
{
    for (int64_t i = 0; i < r->count; i++)
        if (r->pids[i])
            kill(-r->pids[i], sig);
}

/* TERM, and KILL after the grace; asked again, the first grace counts. */
static void end_all(struct ranks *r)
{
    if (!r->kill_at_ms)
        r->kill_at_ms = now_mono_ms() + r->plan->grace_ms;
    signal_all(r, SIGTERM);
}

/* The others need not go on. */
static void fail(struct ranks *r, int status)
{
    if (r->status)
        return;
    r->status = status;
    end_all(r);
}

/* Told to end: a keeper would see to the KILL itself. */
static void terminate(struct ranks *r)
{
    if (r->plan->control < 0)
        end_all(r);
    else
        signal_all(r, SIGTERM);
}

static int open_output(struct ranks *r, int64_t rank)
{
    int ends[2];
    if (!r->relays)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    r->relays[rank].from = ends[0];
    return ends[1];
}

static void start(struct ranks *r, int64_t rank)
{
    AUTO(cleanup_close) int out = open_output(r, rank);
    bool has_output = out >= 0 || !r->relays;
    pid_t pid = has_output ? fork() : -1;
    if (pid == 0)
        become_rank(r, rank, out);
    if (pid < 0) {
        dprintf(2, "firefly: rank %lld cannot be started: %s\n", (long long)rank,
                strerror(errno));
        fail(r, NOT_RUNNABLE);
        return;
    }
    setpgid(pid, pid); /* here too: a signal may come before the rank has run */
    r->pids[rank] = pid;
    r->alive++;
}

static void note_end(struct ranks *r, pid_t pid, int status)
{
    for (int64_t i = 0; i < r->count; i++) {
        if (r->pids[i] != pid)
            continue;
        r->pids[i] = 0;
        r->alive--;
        if (WIFSIGNALED(status))
            fail(r, BY_SIGNAL + WTERMSIG(status));
        else if (WEXITSTATUS(status))
            fail(r, WEXITSTATUS(status));
    }
}

static void reap(struct ranks *r)
{
    int status;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0;
         pid = waitpid(-1, &status, WNOHANG))
        note_end(r, pid, status); /* an orphan of the job matches no rank */
}

/* The keeper is gone, or there is none: nobody would notice what is left. */
static void kill_everything(void)
{
    for (int i = 0; i < KILL_ROUNDS && child_kill_below() > 0; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        poll(NULL, 0, ROUND_MS);
    }
}

static void read_signals(struct ranks *r)
{
    struct signalfd_siginfo s;
    while (read(r->signals, &s, sizeof(s)) == sizeof(s))
        if (s.ssi_signo != SIGCHLD)
            terminate(r);
    reap(r);
}

static void read_control(struct ranks *r)
{
    char byte;
    ssize_t n = recv(r->plan->control, &byte, 1, MSG_DONTWAIT);
    if (n == 1 && byte == 'T')
        terminate(r);
    if (n == 0) {
        kill_everything();
        _exit(BY_SIGNAL + SIGKILL);
    }
}

static void move_output(struct ranks *r)
{
    for (int64_t i = 0; r->relays && i < r->count; i++) {
        struct relay *relay = &r->relays[i];
        if (relay->from < 0 || relay_move(relay))
            continue;
        close(relay->from);
        relay->from = -1;
    }
}

/* Until the next thing that is due; -1: there is none. */
static int wait_ms(const struct ranks *r)
{
    int64_t now = now_mono_ms(), due = r->kill_at_ms;
    if (r->tick_at_ms && (!due || r->tick_at_ms < due))
        due = r->tick_at_ms;
    if (!due)
        return -1;
    return due <= now ? 0 : due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

static void tick(struct ranks *r)
{
    int64_t now = now_mono_ms();
    if (!r->tick_at_ms || now < r->tick_at_ms)
        return;
    r->plan->on_tick(r->plan->arg);
    r->tick_at_ms = now + r->plan->tick_ms;
}

static void wait_once(struct ranks *r, struct pollfd *polled)
{
    polled[0] = (struct pollfd){.fd = r->signals, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = r->plan->control, .events = POLLIN};
    for (int64_t i = 0; r->relays && i < r->count; i++)
        polled[2 + i] = (struct pollfd){.fd = r->relays[i].from, .events = POLLIN};
    poll(polled, (nfds_t)(2 + (r->relays ? r->count : 0)), wait_ms(r));
    if (polled[0].revents)
        read_signals(r);
    if (polled[1].revents)
        read_control(r);
    move_output(r);
    if (r->kill_at_ms && now_mono_ms() >= r->kill_at_ms) {
        signal_all(r, SIGKILL);
        r->kill_at_ms += r->plan->grace_ms + ROUND_MS; /* again, should one not have died */
    }
    tick(r);
}

static void ranks_init(struct ranks *r, const struct ranks_plan *plan)
{
    sigset_t set;
    *r = (struct ranks){.plan = plan, .count = place_ranks(plan->place, plan->kind)};
    r->pids = xnew_array(pid_t, (size_t)r->count + 1);
    r->relays = r->count > 1 ? xnew_array(struct relay, (size_t)r->count) : NULL;
    for (int64_t i = 0; r->relays && i < r->count; i++) {
        r->relays[i].from = -1;
        r->relays[i].to = STDOUT_FILENO;
        snprintf(r->relays[i].prefix, sizeof(r->relays[i].prefix), "[rank %lld] ",
                 (long long)(plan->place->node * r->count + i));
    }
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int ranks_run(const struct ranks_plan *plan)
{
    struct ranks r;
    ranks_init(&r, plan);
    AUTO(cleanup_free) struct pollfd *polled = xnew_array(struct pollfd, (size_t)r.count + 2);
    for (int64_t i = 0; i < r.count && !r.status; i++)
        start(&r, i);
    if (plan->on_tick)
        r.tick_at_ms = now_mono_ms() + plan->tick_ms;
    while (r.alive)
        wait_once(&r, polled);
    if (plan->control < 0)
        kill_everything();
    move_output(&r);
    close(r.signals);
    free(r.pids);
    free(r.relays);
    return r.status;
}
