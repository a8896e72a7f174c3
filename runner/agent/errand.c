// SPDX-License-Identifier: Apache-2.0
/* Two children: E, which watches, and the program. The result goes through a memfd, so that the
 * word stays one small write. */
#include "runner/agent/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/child.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

enum { /* E's descriptors */
       PROGRAM = BIRTH_FIRST_FD,
       INPUT,
       RESULT,
       JOB_FOLDER,
       WORD,
       ALL_FDS = WORD - BIRTH_FIRST_FD + 1
};

enum { CHUNK_BYTES = 4096, DRAIN_READS = 32, KILL_ROUNDS = 100, ROUND_MS = 20, NOT_RUN = 127 };

struct result {
    int exit_code, signal;
    int64_t dropped_bytes;
    char text[2][AGENT_OUTPUT_MAX + 1]; /* output, errors */
};

struct watch {
    const struct errand *errand;
    pid_t pid;
    int pidfd;
    int from[2]; /* the program's output and errors, -1 once ended */
    size_t len[2];
    int64_t until_ms; /* monotonic */
    struct result *result;
};

/* An errand, in the order it happens. */
static _Noreturn void become_program(const struct errand *e, const int *out, pid_t parent);
static int watch(struct watch *w);
static void kill_below(void);
static void note_end(struct watch *w);

static char **make_environment(const struct errand *e)
{
    const struct settings *s = e->place->settings;
    size_t n = 0, own = 5, count = own + s->clients_environment.count;
    char **lines = xnew_array(char *, count + 1);
    lines[n++] = (char *)"PATH=/usr/local/bin:/usr/bin:/bin";
    lines[n++] = (char *)"LANG=C.UTF-8";
    if (asprintf(&lines[n++], "HOME=%s/%lld", s->jobs_root, (long long)e->ask->job) < 0 ||
        asprintf(&lines[n++], "USER=%s", e->ask->account.name) < 0 ||
        asprintf(&lines[n++], "LOGNAME=%s", e->ask->account.name) < 0)
        abort();
    for (size_t i = 0; i < s->clients_environment.count; i++)
        lines[n++] = (char *)s->clients_environment.items[i];
    return lines;
}

static _Noreturn void become_program(const struct errand *e, const int *out, pid_t parent)
{
    char *argv[AGENT_ARGS_MAX + 2] = {(char *)e->ask->program};
    memcpy(argv + 1, e->ask->args, e->ask->arg_count * sizeof(*argv));
    char **environment = make_environment(e);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(NOT_RUN);
    setpgid(0, 0);
    child_reset_signals();
    int input = e->fds.input < 0 ? open("/dev/null", O_RDONLY) : INPUT;
    if (e->fds.input >= 0)
        lseek(INPUT, 0, SEEK_SET);
    if (dup2(input, 0) < 0 || dup2(out[0], 1) < 0 || dup2(out[1], 2) < 0)
        _exit(NOT_RUN);
    close_range(BIRTH_FIRST_FD, ~0U, CLOSE_RANGE_CLOEXEC);
    execveat(PROGRAM, "", argv, environment, AT_EMPTY_PATH);
    dprintf(2, "runner-agent: %s cannot be run: %s\n", e->ask->program, strerror(errno));
    _exit(NOT_RUN);
}

/* Reads what is there; above the cap it is counted. false: nothing came. */
static bool read_text(struct watch *w, int i)
{
    char chunk[CHUNK_BYTES];
    ssize_t n = w->from[i] < 0 ? -1 : read(w->from[i], chunk, sizeof(chunk));
    if (n == 0) {
        close(w->from[i]);
        w->from[i] = -1;
    }
    if (n <= 0)
        return false;
    size_t room = AGENT_OUTPUT_MAX - w->len[i];
    size_t kept = (size_t)n < room ? (size_t)n : room;
    memcpy(w->result->text[i] + w->len[i], chunk, kept);
    w->len[i] += kept;
    w->result->dropped_bytes += n - (ssize_t)kept;
    return true;
}

/* Until the program has ended. -ETIMEDOUT: it has not, in time. -EPIPE: the agent is gone. */
static int watch(struct watch *w)
{
    for (;;) {
        struct pollfd p[] = {
            {.fd = w->pidfd, .events = POLLIN},
            {.fd = WORD}, /* POLLERR alone, when nobody reads any more */
            {.fd = w->from[0], .events = POLLIN},
            {.fd = w->from[1], .events = POLLIN},
        };
        int64_t left = w->until_ms - now_mono_ms();
        if (left <= 0)
            return -ETIMEDOUT;
        poll(p, COUNT(p), (int)left);
        for (int i = 0; i < 2; i++)
            if (p[2 + i].revents)
                read_text(w, i);
        if (p[1].revents)
            return -EPIPE;
        if (p[0].revents)
            return 0;
    }
}

/* What the program has left behind came to us: E is a subreaper. */
static void kill_below(void)
{
    for (int i = 0; i < KILL_ROUNDS && child_kill_below() > 0; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        poll(NULL, 0, ROUND_MS);
    }
}

/* Leaves nothing but printable text. */
static void clean(char *text, size_t len)
{
    bool is_utf8 = parse_is_utf8(text, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_control = (c < ' ' && c != '\n' && c != '\t') || c == 127;
        if (is_control || (c > 127 && !is_utf8))
            text[i] = '?';
    }
    text[len] = '\0';
}

static void note_end(struct watch *w)
{
    siginfo_t how = {0};
    waitid(P_PID, (id_t)w->pid, &how, WEXITED | WNOHANG);
    bool has_exited = how.si_code == CLD_EXITED;
    w->result->exit_code = has_exited ? how.si_status : -1;
    w->result->signal = has_exited ? 0 : how.si_status;
    kill_below();
    for (int i = 0; i < 2; i++) {
        for (int reads = 0; reads < DRAIN_READS && read_text(w, i); reads++)
            ;
        clean(w->result->text[i], w->len[i]);
    }
}

static void start(struct watch *w)
{
    int out[2];
    pid_t self = getpid();
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            birth_fail_errno(WORD, "pipe");
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        w->from[i] = ends[0];
        out[i] = ends[1];
    }
    w->pid = fork();
    if (w->pid == 0)
        become_program(w->errand, out, self);
    w->pidfd = w->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, w->pid, 0);
    close(out[0]);
    close(out[1]);
    if (w->pidfd < 0)
        birth_fail_errno(WORD, "fork");
}

/* The user from here on, with nothing of the agent's. */
static void settle(const struct errand *e)
{
    const int fds[ALL_FDS] = {e->fds.program, e->fds.input, e->fds.result, e->job_folder,
                              e->word};
    birth_begin(e->place);
    birth_become(&e->user, e->word);
    if (birth_arrange(fds, ALL_FDS) < 0)
        birth_fail_errno(e->word, "descriptors");
    close_range(BIRTH_FIRST_FD + ALL_FDS, ~0U, 0);
    birth_enter_job(e->place, e->ask->job, JOB_FOLDER, WORD);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

_Noreturn void errand_run(const struct errand *e)
{
    struct birth_word w = {.code = 0};
    struct watch watched = {.errand = e, .result = xnew(struct result)};
    int64_t left = e->ask->head.deadline_ms - now_ms();
    watched.until_ms =
        now_mono_ms() + (left < AGENT_CLIENT_MAX_MS ? left : AGENT_CLIENT_MAX_MS);
    settle(e);
    start(&watched);
    w.code = watch(&watched);
    if (w.code < 0) {
        kill_below();
        err_set(&w.why, w.code, "%s: was not done at the deadline: killed", e->ask->program);
    } else {
        note_end(&watched);
    }
    ssize_t size = sizeof(*watched.result);
    if (w.code == 0 && pwrite(RESULT, watched.result, (size_t)size, 0) != size)
        w.code = err_set(&w.why, -EIO, "%s: its result was not written", e->ask->program);
    (void)!write(WORD, &w, sizeof(w));
    _exit(0);
}

int errand_result_new(struct err *e)
{
    int fd = memfd_create("result", MFD_CLOEXEC);
    return fd < 0 ? err_set(e, -errno, "memfd: %s", strerror(errno)) : fd;
}

json_t *errand_result_reply(int result)
{
    AUTO(cleanup_free) struct result *r = xnew(struct result);
    if (pread(result, r, sizeof(*r), 0) != sizeof(*r))
        return NULL;
    r->text[0][AGENT_OUTPUT_MAX] = r->text[1][AGENT_OUTPUT_MAX] = '\0';
    const struct agent_client_reply reply = {.exit_code = r->exit_code,
                                             .signal = r->signal,
                                             .out = r->text[0],
                                             .err = r->text[1],
                                             .dropped_bytes = r->dropped_bytes};
    return agent_client_reply_json(&reply);
}
