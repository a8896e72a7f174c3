// SPDX-License-Identifier: Apache-2.0
/* posix_spawn(3), two pipes and a pidfd. */
#include "runner/base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"
#include "runner/base/loop.h"
#include "runner/base/xnew.h"

struct stream {
    struct command *command;
    int fd; /* -1: at its end */
    struct loop_watch *watch;
    struct buf text;
    size_t max;
    bool is_cut;
};

struct command {
    struct stream out, err;
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    struct loop_watch *ended;
    struct loop_timer *timer;
    struct loop *loop;
    command_done_fn *done;
    void *arg;
    struct command_answer answer;
};

/* In the order it happens. */
static int spawn(struct command *c, const struct command_ask *ask);
static void on_readable(void *arg);
static void on_ended(void *arg);
static void on_late(void *arg);
static void finish(void *arg);

static void stream_close(struct stream *s)
{
    loop_watch_free(TAKE(s->watch));
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void command_free(struct command *c)
{
    loop_timer_free(c->timer);
    loop_watch_free(c->ended);
    if (c->pidfd >= 0)
        close(c->pidfd);
    stream_close(&c->out);
    stream_close(&c->err);
    buf_done(&c->out.text);
    buf_done(&c->err.text);
    free(c);
}

/* All that is there; false: its end. What is beyond the limit is read and thrown away. */
static bool drain(struct stream *s)
{
    char piece[16384];
    ssize_t n;
    while ((n = read(s->fd, piece, sizeof(piece))) > 0) {
        size_t room = s->max - s->text.len, keep = (size_t)n < room ? (size_t)n : room;
        buf_put_bytes(&s->text, piece, keep);
        s->is_cut = s->is_cut || keep < (size_t)n;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void finish_if_over(struct command *c)
{
    if (c->pid == 0 && c->out.fd < 0 && c->err.fd < 0)
        finish(c);
}

static void on_readable(void *arg)
{
    struct stream *s = arg;
    if (drain(s))
        return;
    stream_close(s);
    finish_if_over(s->command);
}

static void reap(struct command *c)
{
    int status;
    if (c->pid == 0 || waitpid(c->pid, &status, 0) != c->pid)
        return;
    kill(-c->pid, SIGKILL); /* what it left behind holds the pipes */
    c->pid = 0;
    c->answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    c->answer.signal_no = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void on_ended(void *arg)
{
    struct command *c = arg;
    loop_watch_free(TAKE(c->ended));
    reap(c);
    finish_if_over(c);
}

static void on_late(void *arg)
{
    struct command *c = arg;
    c->answer.status = err_set(&c->answer.why, -ETIMEDOUT, "it took too long and was killed");
    kill(-c->pid, SIGKILL);
    reap(c);
    finish(c);
}

static void finish(void *arg)
{
    struct command *c = arg;
    struct command_answer *a = &c->answer;
    if (c->out.fd >= 0)
        drain(&c->out);
    if (c->err.fd >= 0)
        drain(&c->err);
    a->out = buf_text(&c->out.text);
    a->err = buf_text(&c->err.text);
    a->out_len = c->out.text.len;
    a->err_len = c->err.text.len;
    a->is_cut = c->out.is_cut || c->err.is_cut;
    c->done(a, c->arg);
    command_free(c);
}

static int stream_open(struct command *c, struct stream *s, size_t max, int *out_theirs)
{
    int ends[2];
    *s = (struct stream){.command = c, .fd = -1, .text = BUF_INIT(max + 1), .max = max};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    s->fd = ends[0];
    *out_theirs = ends[1];
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->watch = loop_watch_new(c->loop, s->fd, on_readable, s);
    return 0;
}

static int spawn_with(struct command *c, const struct command_ask *ask, int out, int err)
{
    static const char *const nothing[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    int r = posix_spawn(&c->pid, ask->argv[0], &files, &attr, (char *const *)ask->argv,
                        (char *const *)(ask->env ? ask->env : nothing));
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    c->pid = r ? 0 : c->pid;
    return -r;
}

static int spawn(struct command *c, const struct command_ask *ask)
{
    AUTO(cleanup_close) int out = -1;
    AUTO(cleanup_close) int err = -1;
    int r = stream_open(c, &c->out, ask->out_max, &out);
    if (r == 0)
        r = stream_open(c, &c->err, ask->out_max, &err);
    if (r == 0)
        r = spawn_with(c, ask, out, err);
    if (r < 0)
        return r;
    c->pidfd = pidfd_open(c->pid, 0);
    return c->pidfd < 0 ? -errno : 0;
}

struct command *command_start(struct loop *l, const struct command_ask *ask,
                              command_done_fn *done, void *arg)
{
    struct command *c = xnew(struct command);
    *c = (struct command){.loop = l, .pidfd = -1, .done = done, .arg = arg};
    c->out.fd = c->err.fd = -1;
    c->answer.exit_code = -1;
    int r = spawn(c, ask);
    if (r < 0) {
        c->answer.status = err_set(&c->answer.why, r, "%s: %s", ask->argv[0], strerror(-r));
        if (c->pid)
            kill(-c->pid, SIGKILL);
        reap(c);
        stream_close(&c->out);
        stream_close(&c->err);
        c->timer = loop_timer_new(l, 0, 0, finish, c);
        return c;
    }
    c->ended = loop_watch_new(l, c->pidfd, on_ended, c);
    c->timer = loop_timer_new(l, ask->timeout_ms, 0, on_late, c);
    return c;
}

void command_cancel(struct command *c)
{
    if (!c)
        return;
    if (c->pid)
        kill(-c->pid, SIGKILL);
    reap(c);
    command_free(c);
}
