// SPDX-License-Identifier: Apache-2.0
/* The local executor: asks runner-agent over its socket, and reads what the keepers wrote in
 * the spool, whose changes inotify tells. Holds no state of its own: after a restart everything
 * is still there. */
#include "runner/exec/local.h"

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
    struct exec_local_conf conf;
    struct exec_node node; /* as last greeted */
    int64_t epoch;
    char *spool;
    int inotify_fd;
    struct loop_watch *watch;
    struct asked *asked; /* calls under way */
};

/* One call to the agent: a greeting, or one whose answer is `done`'s. */
struct asked {
    struct local *x;
    struct asked *next;
    struct client_call *call;
    exec_greet_fn *greeted;
    exec_done_fn *done;
    void *arg;
};

static struct asked *asked_new(struct local *x, exec_greet_fn *greeted, exec_done_fn *done,
                               void *arg)
{
    struct asked *a = xnew(struct asked);
    *a = (struct asked){x, x->asked, NULL, greeted, done, arg};
    x->asked = a;
    return a;
}

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
    return (struct agent_head){x->epoch, now_ms() + x->conf.call_deadline_ms};
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
    struct asked *a = asked_new(x, NULL, done, arg);
    a->call = client_start(x->conf.agent, call, fd, x->conf.call_deadline_ms, on_answer, a);
}

/* ---- the greeting */

static void note_machine(struct local *x, const struct agent_hello *h)
{
    x->node.is_up = true;
    snprintf(x->node.enforced, sizeof(x->node.enforced),
             "kill %s, memory %s, pids %s, devices %s, cpu %s, private tmp %s, ipc %s%s",
             h->kill, h->memory, h->pids, h->devices, h->cpu, h->private_tmp ? "yes" : "no",
             h->private_ipc ? "yes" : "no", h->is_root ? "" : "; all jobs share one uid");
}

static void on_hello(struct client_answer *answer, void *arg)
{
    struct asked once = *(struct asked *)arg;
    struct agent_hello h;
    struct exec_greeting g = {
        .status = answer->status, .why = answer->why, .nodes = &once.x->node, .node_count = 1};
    asked_free(arg);
    if (g.status == 0)
        g.status = agent_hello_reply_read(answer->packet.body, &h, &g.why);
    once.x->node.is_up = false;
    if (g.status == 0) {
        note_machine(once.x, &h);
        g.own_uid = h.is_root ? -1 : h.uid;
    }
    once.greeted(&g, once.arg);
}

static void local_greet(struct executor *base, int64_t epoch, exec_greet_fn *done, void *arg)
{
    struct local *x = (struct local *)base;
    x->epoch = epoch;
    struct agent_head head = head_of(x);
    struct asked *a = asked_new(x, done, NULL, arg);
    a->call = client_start(x->conf.agent, agent_hello_json(&head), -1, x->conf.call_deadline_ms,
                           on_hello, a);
}

/* ---- a start */

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

/* What it asked for, or else this node's in proportion to its GPUs; never more than there is. */
static int64_t portion(int64_t asked, int64_t there, int64_t gpus, int64_t all)
{
    int64_t n = asked ? asked : there * gpus / (all ? all : 1);
    return n > there ? there : n > 0 ? n : 1;
}

static size_t gpus_of(const struct local *x, const struct exec_place *place,
                      struct agent_gpu out[AGENT_GPUS_MAX])
{
    uint64_t gpus = exec_place_gpus(place, x->node.name);
    size_t n = 0;
    for (int64_t i = 0; i < x->node.gpus; i++)
        if (gpus >> i & 1)
            out[n++] = x->conf.gpus[i];
    return n;
}

static void local_start(struct executor *base, const struct exec_ask *what, exec_done_fn *done,
                        void *arg)
{
    struct local *x = (struct local *)base;
    AUTO(cleanup_free) struct agent_start *call = xnew(struct agent_start);
    *call = (struct agent_start){.head = head_of(x),
                                 .token = what->token,
                                 .job = what->job,
                                 .attempt = what->attempt,
                                 .account = what->account,
                                 .project = what->project,
                                 .nodes = {x->node.name},
                                 .node_count = 1,
                                 .limit_ms = what->limit_ms,
                                 .grace_ms = what->grace_ms,
                                 .log_max = what->log_max,
                                 .resume = what->resume};
    int64_t gpus = (int64_t)(call->gpu_count = gpus_of(x, what->place, call->gpus));
    call->cpus = portion(what->cpus, x->node.cpus, gpus, x->node.gpus);
    call->memory_bytes = portion(what->memory_bytes, x->node.memory_bytes, gpus, x->node.gpus);
    /* without a file the agent refuses */
    ask(x, agent_start_json(call), spec_file(what->spec), done, arg);
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

static bool local_owns(const struct executor *base, const struct exec_place *place)
{
    const struct local *x = (const struct local *)base;
    return exec_place_gpus(place, x->node.name) != 0;
}

static void local_free(struct executor *base)
{
    struct local *x = (struct local *)base;
    while (x->asked) {
        client_cancel(x->asked->call);
        asked_free(x->asked);
    }
    loop_watch_free(x->watch);
    if (x->inotify_fd >= 0)
        close(x->inotify_fd);
    free(x->spool);
    free(x);
}

static const struct executor_ops local_ops = {
    .name = "local",
    .greet = local_greet,
    .start = local_start,
    .stop = local_stop,
    .limit = local_limit,
    .forget = local_forget,
    .poll = local_poll,
    .recover = local_recover,
    .owns = local_owns,
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
    if (is_news && x->base.on_change)
        x->base.on_change(x->base.arg);
}

int exec_local_new(struct loop *l, const struct exec_local_conf *conf, struct executor **out,
                   struct err *e)
{
    struct local *x = xnew(struct local);
    x->base.ops = &local_ops;
    x->conf = *conf;
    x->node = *conf->node;
    x->spool = xdup(conf->spool);
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
