// SPDX-License-Identifier: Apache-2.0
/* The verbs. Each call is read, admitted by epoch and deadline, checked, then carried out;
 * whoever has to wait (start, stop, limit, files, client) waits on the loop. */
#include "runner/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/account.h"
#include "runner/agent/epoch.h"
#include "runner/agent/launch.h"
#include "runner/base/fault_point.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/proto/client.h"
#include "runner/proto/server.h"

#define AGENT_VERSION "0.1.0"

enum {
    REAP_MS = 1000,
    KEEPER_WAIT_MS = 15000, /* longer than a living keeper ever works without listening */
    CLEAN_WAIT_MS = 500
};

struct agent {
    struct loop *loop;
    struct settings settings;
    struct birth_place place;
    struct epoch epoch;
    struct loop_timer *reap;
    struct pending *pending;
};

/* A call that waits for a launch or for a keeper. */
struct pending {
    struct agent *agent;
    struct pending *next;
    struct server_call *call;
    struct launch *launch;
    struct client *keeper;
    int result; /* of a client program; -1: the call is another */
    char token[SPOOL_TOKEN_MAX + 1];
    bool is_launching, is_stop;
};

static struct pending *pending_new(struct agent *a, struct server_call *call, const char *token)
{
    struct pending *p = xnew(struct pending);
    *p = (struct pending){.agent = a, .next = a->pending, .call = call, .result = -1};
    snprintf(p->token, sizeof(p->token), "%s", token);
    a->pending = p;
    return p;
}

/* Answers the call; `reply` is taken over, and may be NULL. */
static void pending_finish(struct pending *p, int status, const struct err *why, json_t *reply)
{
    struct server_call *call = p->call;
    struct pending **at = &p->agent->pending;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    client_free(p->keeper);
    cleanup_close(&p->result);
    free(p);
    if (status < 0)
        server_refuse(call, status, why);
    else
        server_reply(call, reply, -1);
}

static int on_hello(struct agent *a, struct server_call *call, struct err *e)
{
    const struct cgroup_site *c = &a->place.cgroups;
    const struct private_plan *p = &a->place.private;
    struct utsname name;
    uname(&name);
    const struct agent_hello hello = {
        .host = name.nodename,
        .boot_id = now_boot_id(),
        .version = AGENT_VERSION,
        .uid = getuid(),
        .is_root = a->settings.is_root,
        .kill = c->can_kill ? "v2" : "no",
        .memory = cgroup_kind_name(c->kind[CGROUP_MEMORY]),
        .pids = cgroup_kind_name(c->kind[CGROUP_PIDS]),
        .devices = cgroup_kind_name(c->kind[CGROUP_DEVICES]),
        .cpu = cgroup_kind_name(c->kind[CGROUP_CPU]),
        .private_tmp = p->tmp[0] != NULL,
        .private_ipc = p->has_ipc,
        .private_proc = p->has_proc,
    };
    (void)e;
    server_reply(call, agent_hello_reply(&hello), -1);
    return 0;
}

/* Refuses a token that was used, with the state of what it stands for. */
static bool is_used(struct agent *a, struct server_call *call, const char *token)
{
    struct spool_entry entry;
    struct err why;
    const char *state = NULL;
    for (struct pending *p = a->pending; p; p = p->next)
        if (p->is_launching && !strcmp(p->token, token))
            state = spool_state_name(SPOOL_STARTING);
    int r = state ? 0 : spool_read(a->settings.spool, token, &entry, NULL);
    if (r == -ENOENT)
        return false;
    if (!state)
        state = r == 0 ? spool_state_name(entry.state) : "unreadable";
    err_set(&why, -EEXIST, "token %s: was used, its attempt is %s", token, state);
    server_refuse_with(call, -EEXIST, &why, json_pack("{ss}", "state", state));
    return true;
}

static void on_launched(int status, const struct err *why, void *arg)
{
    struct pending *p = arg;
    FP("agent.started");
    if (status < 0)
        log_warning("%s: not started: %s", p->token[0] ? p->token : "files", why->text);
    pending_finish(p, status, why, NULL);
}

static int on_start(struct agent *a, struct server_call *call, struct err *e)
{
    AUTO(cleanup_free) struct agent_start *ask = xnew(struct agent_start);
    int r = agent_start_read(server_body(call), ask, e);
    if (r == 0)
        r = account_check(&a->settings, &ask->account, ask->project_gid, e);
    if (r < 0 || is_used(a, call, ask->token))
        return r;
    AUTO(cleanup_close) int spec = server_take_fd(call);
    FP("agent.start");
    struct pending *p = pending_new(a, call, ask->token);
    p->is_launching = true;
    p->launch = launch_start(a->loop, &a->place, ask, spec, on_launched, p);
    return 0;
}

static int on_files(struct agent *a, struct server_call *call, struct err *e)
{
    struct agent_files ask;
    int r = agent_files_read(server_body(call), &ask, e);
    if (r == 0)
        r = account_check(&a->settings, &ask.account, ask.project_gid, e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int socket = server_take_fd(call);
    struct pending *p = pending_new(a, call, "");
    p->launch = launch_files_start(a->loop, &a->place, &ask, socket, on_launched, p);
    return 0;
}

static void on_client_end(int status, const struct err *why, void *arg)
{
    struct pending *p = arg;
    struct err told = *why;
    json_t *reply = status < 0 ? NULL : errand_result_reply(p->result);
    if (status == 0 && !reply)
        status = err_set(&told, -EIO, "client: its result is not whole");
    if (status < 0)
        log_warning("client: %s", told.text);
    pending_finish(p, status, &told, reply);
}

static int64_t count_clients(const struct agent *a)
{
    int64_t n = 0;
    for (const struct pending *p = a->pending; p; p = p->next)
        n += p->result >= 0;
    return n;
}

static int on_client(struct agent *a, struct server_call *call, struct err *e)
{
    struct agent_client ask;
    struct errand_fds fds = {-1, -1, -1};
    int64_t max = a->settings.clients_max;
    int r = agent_client_read(server_body(call), &ask, e);
    if (r == 0)
        r = account_check(&a->settings, &ask.account, ask.project_gid, e);
    if (r == 0)
        r = fds.program = clients_find(&a->place.clients, ask.program, e);
    if (r >= 0 && count_clients(a) >= max)
        r = err_set(e, -EBUSY, "clients: %lld run already, as many as may (clients_max)",
                    (long long)max);
    if (r >= 0)
        r = fds.result = errand_result_new(e);
    if (r < 0)
        return r;
    AUTO(cleanup_close) int input = server_take_fd(call);
    fds.input = input;
    struct pending *p = pending_new(a, call, "");
    p->result = fds.result;
    p->launch = launch_client_start(a->loop, &a->place, &ask, &fds, on_client_end, p);
    return 0;
}

/* A keeper that does not answer is as good as dead, and its attempt is lost. While it holds the
 * lock of its entry the pid written there is its own. */
static void kill_unheard(struct agent *a, const char *token)
{
    struct spool_entry entry;
    if (spool_read(a->settings.spool, token, &entry, NULL) == 0 && entry.has_start &&
        entry.state == SPOOL_RUNNING)
        kill(entry.keeper, SIGKILL);
    cgroup_kill(&a->place.cgroups, token);
    log_warning("token %s: its keeper did not answer: killed", token);
}

static void on_heard(struct client_answer *answered, void *arg)
{
    struct pending *p = arg;
    int status = answered->status;
    struct err why = answered->why;
    if (p->is_stop && status < 0 && !answered->is_reply) {
        kill_unheard(p->agent, p->token);
        status = 0;
    }
    pending_finish(p, status, &why, NULL);
}

/* stop and limit are for the keeper of the attempt: it reads them, and its answer is ours. */
static int on_keepers(struct agent *a, struct server_call *call, struct err *e)
{
    struct agent_token ask;
    struct spool_entry entry;
    char path[64 + SPOOL_TOKEN_MAX];
    bool is_stop = !strcmp(server_verb(call), "stop");
    int r = agent_token_read(server_body(call), &ask, e);
    if (r == 0)
        r = spool_read(a->settings.spool, ask.token, &entry, e);
    if (r == -EBADMSG && is_stop) { /* nobody can speak for it any more */
        cgroup_kill(&a->place.cgroups, ask.token);
        server_reply(call, NULL, -1);
        return 0;
    }
    if (r < 0)
        return r;
    if (entry.state == SPOOL_OVER || entry.state == SPOOL_DEAD)
        return err_set(e, -ESRCH, "token %s: its attempt is %s", ask.token,
                       spool_state_name(entry.state));
    /* Through our descriptor: a socket's path has at most 107 bytes. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s/control", a->place.spool, ask.token);
    struct pending *p = pending_new(a, call, ask.token);
    p->is_stop = is_stop;
    FP("agent.stop");
    p->keeper = client_new(a->loop, path);
    client_start(p->keeper, json_deep_copy(server_body(call)), -1, KEEPER_WAIT_MS, on_heard, p);
    return 0;
}

static int on_list(struct agent *a, struct server_call *call, struct err *e)
{
    struct agent_list ask;
    AUTO(spool_list_done) struct spool_list list = {0};
    AUTO(cleanup_free) struct agent_list_reply *reply = xnew(struct agent_list_reply);
    int r = agent_list_read(server_body(call), &ask, e);
    if (r == 0)
        r = spool_list(a->settings.spool, &list, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.count && !reply->more; i++) {
        struct spool_entry entry;
        const char *token = list.tokens[i];
        if (strcmp(token, ask.after) <= 0 ||
            spool_read(a->settings.spool, token, &entry, NULL) == -ENOENT)
            continue;
        reply->more = reply->count == AGENT_LIST_MAX;
        if (reply->more)
            break;
        if (entry.state == SPOOL_DEAD)
            cgroup_kill(&a->place.cgroups, token);
        reply->entries[reply->count++] = (struct agent_listed){token, entry.state};
    }
    server_reply(call, agent_list_reply_json(reply), -1);
    return 0;
}

static int on_clean(struct agent *a, struct server_call *call, struct err *e)
{
    struct agent_token ask;
    struct spool_entry entry;
    int r = agent_token_read(server_body(call), &ask, e);
    if (r < 0)
        return r;
    r = spool_read(a->settings.spool, ask.token, &entry, e);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return r;
    if (r == 0 && (entry.state == SPOOL_STARTING || entry.state == SPOOL_RUNNING))
        return err_set(e, -EBUSY, "token %s: its attempt is %s: stop it first", ask.token,
                       spool_state_name(entry.state));
    FP("agent.clean");
    r = cgroup_remove(&a->place.cgroups, ask.token, CLEAN_WAIT_MS);
    if (r < 0)
        return err_set(e, r, "token %s: its processes are still ending: %s", ask.token,
                       strerror(-r));
    r = spool_remove(a->settings.spool, ask.token, e);
    if (r == 0)
        server_reply(call, NULL, -1);
    return r;
}

static const struct {
    const char *verb;
    int (*on_call)(struct agent *a, struct server_call *call, struct err *e);
} verbs[] = {
    {"hello", on_hello}, {"start", on_start}, {"stop", on_keepers}, {"limit", on_keepers},
    {"list", on_list},   {"clean", on_clean}, {"files", on_files},  {"client", on_client},
};

static void on_call(struct server_call *call, void *arg)
{
    struct agent *a = arg;
    struct agent_head head;
    struct err why = {{0}};
    int r = agent_head_read(server_body(call), &head, &why);
    if (r == 0)
        r = epoch_admit(&a->epoch, &head, now_ms(), &why);
    for (size_t i = 0; r == 0 && i < COUNT(verbs); i++) {
        if (strcmp(verbs[i].verb, server_verb(call)) != 0)
            continue;
        r = verbs[i].on_call(a, call, &why); /* answers, or fails and leaves it to us */
        if (r == 0)
            return;
    }
    if (r == 0)
        r = err_set(&why, -ENOSYS, "no such verb");
    server_refuse(call, r, &why);
}

static void on_reap(void *arg)
{
    (void)arg;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static int open_place(struct agent *a, struct err *e)
{
    struct birth_place *p = &a->place;
    const struct settings *s = &a->settings;
    const struct {
        const char *folder, *program;
        int *out;
    } paths[] = {
        {s->jobs_root, NULL, &p->jobs},
        {s->projects_root, NULL, &p->projects},
        {s->spool, NULL, &p->spool},
        {s->logs, NULL, &p->logs},
        {s->programs, "runner-keeper", &p->keeper},
        {s->programs, "runner-task", &p->task},
        {s->programs, "runner-files", &p->files},
    };
    const char *const roots[] = {s->jobs_root, s->projects_root};
    for (size_t i = 0; i < COUNT(paths); i++) {
        const char *program = paths[i].program;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", paths[i].folder, program ? program : "");
        *paths[i].out = open(path, (program ? O_PATH : O_RDONLY | O_DIRECTORY) | O_CLOEXEC);
        if (*paths[i].out < 0)
            return err_set(e, -errno, "%s: %s", path, strerror(errno));
    }
    p->settings = s;
    int r = clients_open(&p->clients, &s->clients, s->is_root, e);
    if (r < 0)
        return r;
    cgroup_site_open(&p->cgroups, "/sys/fs/cgroup", s->cgroup);
    private_probe(roots, COUNT(roots), &p->private);
    return 0;
}

static int listen_for_calls(struct agent *a, struct err *e)
{
    const struct settings *s = &a->settings;
    const uid_t uids[] = {0, geteuid(), s->service_uid};
    const struct server_options options = {
        .at = {.path = s->socket, .mode = 0660, .owner = s->service_uid, .group = (gid_t)-1},
        .uids = uids,
        .uid_count = COUNT(uids),
        .on_call = on_call,
        .arg = a,
    };
    return server_new(a->loop, &options, &a->place.server, e);
}

int agent_new(struct loop *l, const struct settings *s, struct agent **out, struct err *e)
{
    struct agent *a = xnew(struct agent);
    a->loop = l;
    a->settings = *s;
    a->place.jobs = a->place.projects = a->place.spool = a->place.logs = -1;
    a->place.keeper = a->place.task = a->place.files = -1;
    int r = epoch_load(&a->epoch, a->settings.state, e);
    if (r == 0)
        r = open_place(a, e);
    if (r == 0)
        r = listen_for_calls(a, e);
    if (r < 0) {
        agent_free(a);
        return r;
    }
    a->reap = loop_timer_new(l, REAP_MS, REAP_MS, on_reap, a);
    *out = a;
    return 0;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    server_free(a->place.server);
    while (a->pending) {
        launch_cancel(a->pending->launch);
        pending_finish(a->pending, -ESHUTDOWN, NULL, NULL); /* their peers are closed */
    }
    loop_timer_free(a->reap);
    clients_done(&a->place.clients);
    cgroup_site_done(&a->place.cgroups);
    int *const fds[] = {&a->place.jobs,   &a->place.projects, &a->place.spool, &a->place.logs,
                        &a->place.keeper, &a->place.task,     &a->place.files};
    for (size_t i = 0; i < COUNT(fds); i++)
        cleanup_close(fds[i]);
    free(a);
}
