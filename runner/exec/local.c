// SPDX-License-Identifier: Apache-2.0
/* The local executor: asks runner-agent over its socket, and reads what the keepers wrote in
 * the spool, whose changes inotify tells. Holds no state of its own: after a restart everything
 * is still there. */
#include "runner/exec/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/base/cleanup.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/proto/client.h"

struct asked;

struct local {
    struct executor base;
    struct client *client;
    struct exec_local_conf conf;
    char *spool;
    int inotify_fd;
    struct loop_watch *watch;
    struct asked *asked; /* calls under way */
};

/* One call to the agent. */
struct asked {
    struct local *x;
    struct asked *next;
    exec_done_fn *done;
    void *arg;
};

static void asked_free(struct asked *a)
{
    struct asked **p = &a->x->asked;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    free(a);
}

static struct agent_head head_of(const struct local *x)
{
    return (struct agent_head){*x->conf.epoch, now_ms() + x->conf.call_deadline_ms};
}

/* What is wrong with the job rather than with this machine at this moment. */
static bool is_fault(int status)
{
    static const int faults[] = {-EINVAL, -EACCES, -EPERM, -E2BIG, -ENXIO, -EBADMSG};
    for (size_t i = 0; i < COUNT(faults); i++)
        if (status == faults[i])
            return true;
    return false;
}

static void on_answer(struct client_answer *answer, void *arg)
{
    struct asked once = *(struct asked *)arg;
    struct exec_answer said = {.status = answer->status, .why = answer->why};
    asked_free(arg);
    /* EEXIST: it was started before, the spool tells; ESTALE: another runnerd's word counts now
     * */
    said.is_refused = answer->status < 0 && answer->is_reply && answer->status != -EEXIST &&
                      answer->status != -ESTALE;
    said.is_fault = said.is_refused && is_fault(answer->status);
    once.done(&said, once.arg);
}

static void ask(struct local *x, json_t *call, int fd, exec_done_fn *done, void *arg)
{
    struct asked *a = xnew(struct asked);
    *a = (struct asked){x, x->asked, done, arg};
    x->asked = a;
    client_start(x->client, call, fd, x->conf.call_deadline_ms, on_answer, a);
}

/* The request as a sealed file in memory: whoever reads it later reads what was meant. */
static int spec_file(const char *spec)
{
    int fd = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t len = strlen(spec);
    if (fd < 0)
        return -errno;
    if (write(fd, spec, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static void local_start(struct executor *base, const struct exec_ask *what, exec_done_fn *done,
                        void *arg)
{
    struct local *x = (struct local *)base;
    struct agent_start call = what->call;
    int fd = spec_file(what->spec);
    call.head = head_of(x);
    ask(x, agent_start_json(&call), fd, done, arg); /* without a file the agent refuses */
}

static void local_stop(struct executor *base, const char *token, const char *why,
                       int64_t grace_ms, exec_done_fn *done, void *arg)
{
    struct local *x = (struct local *)base;
    struct agent_stop call = {head_of(x), token, why, grace_ms};
    ask(x, agent_stop_json(&call), -1, done, arg);
}

static void local_limit(struct executor *base, const char *token, int64_t limit_ms,
                        exec_done_fn *done, void *arg)
{
    struct local *x = (struct local *)base;
    struct agent_limit call = {head_of(x), token, limit_ms};
    ask(x, agent_limit_json(&call), -1, done, arg);
}

static void local_forget(struct executor *base, const char *token, exec_done_fn *done,
                         void *arg)
{
    struct local *x = (struct local *)base;
    struct agent_token call = {head_of(x), token};
    ask(x, agent_clean_json(&call), -1, done, arg);
}

static int local_poll(struct executor *base, const char *token, struct exec_status *out,
                      struct err *e)
{
    const struct local *x = (struct local *)base;
    struct spool_entry s;
    *out = (struct exec_status){.exit_code = -1};
    int r = spool_read(x->spool, token, &s, e);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    switch (s.state) {
    case SPOOL_STARTING:
        out->state = EXEC_STARTING;
        break;
    case SPOOL_RUNNING:
        out->state = EXEC_RUNNING;
        break;
    case SPOOL_OVER:
        out->state = s.has_start ? EXEC_OVER : EXEC_NEVER_RAN;
        break;
    case SPOOL_DEAD:
        out->state = s.has_start ? EXEC_LOST : EXEC_NEVER_RAN;
        break;
    }
    out->started_ms = s.started_ms;
    out->run_ms = s.run_ms;
    out->limit_ms = s.limit_ms;
    out->ended_ms = s.has_exit ? s.ended_ms : s.has_beat ? s.beat_ms : s.started_ms;
    if (s.has_exit) {
        out->exit_code = s.exit_code;
        out->signal_no = s.signal;
    }
    snprintf(out->cause, sizeof(out->cause), "%s", s.has_exit ? s.cause : "lost");
    return 0;
}

/* An entry is watched too: its files appear by rename. */
static void watch_entry(const struct local *x, const char *token)
{
    char path[512];
    if (spool_token_is_valid(token) &&
        snprintf(path, sizeof(path), "%s/%s", x->spool, token) < (int)sizeof(path))
        inotify_add_watch(x->inotify_fd, path, IN_MOVED_TO | IN_ONLYDIR);
}

static int local_recover(struct executor *base, void (*found)(const char *token, void *arg),
                         void *arg, struct err *e)
{
    const struct local *x = (struct local *)base;
    struct spool_list list = {0};
    int r = spool_list(x->spool, &list, e);
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        watch_entry(x, list.tokens[i]);
        found(list.tokens[i], arg);
    }
    spool_list_done(&list);
    return r;
}

static void local_free(struct executor *base)
{
    struct local *x = (struct local *)base;
    client_free(x->client); /* no answer comes any more */
    while (x->asked)
        asked_free(x->asked);
    loop_watch_free(x->watch);
    if (x->inotify_fd >= 0)
        close(x->inotify_fd);
    free(x->spool);
    free(x);
}

static const struct executor_ops local_ops = {
    .name = "local",
    .start = local_start,
    .stop = local_stop,
    .limit = local_limit,
    .forget = local_forget,
    .poll = local_poll,
    .recover = local_recover,
    .free = local_free,
};

static void on_inotify(void *arg)
{
    struct local *x = arg;
    _Alignas(struct inotify_event) char buffer[8192];
    bool is_news = false;
    for (ssize_t n; (n = read(x->inotify_fd, buffer, sizeof(buffer))) > 0;)
        for (char *p = buffer; p < buffer + n;) {
            const struct inotify_event *event = (void *)p;
            p += sizeof(*event) + event->len;
            if (event->len && !strncmp(event->name, "beat", 4))
                continue; /* once a second each, and nothing to act on */
            if (event->len)
                watch_entry(x, event->name);
            is_news = true;
        }
    if (is_news)
        x->conf.on_change(x->conf.arg);
}

int exec_local_new(struct loop *l, const struct exec_local_conf *conf, struct executor **out,
                   struct err *e)
{
    struct local *x = xnew(struct local);
    x->base.ops = &local_ops;
    x->conf = *conf;
    x->spool = xdup(conf->spool);
    x->client = client_new(l, conf->agent_socket);
    x->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (x->inotify_fd < 0 ||
        inotify_add_watch(x->inotify_fd, x->spool, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
        int r = err_set(e, -errno, "spool %s: %s", x->spool, strerror(errno));
        local_free(&x->base);
        return r;
    }
    x->watch = loop_watch_new(l, x->inotify_fd, on_inotify, x);
    *out = &x->base;
    return 0;
}

struct client *exec_local_client(struct executor *x)
{
    return ((struct local *)x)->client;
}
