// SPDX-License-Identifier: Apache-2.0
/* Answers on runnerd's socket. A keeper's logs are opened here, because it writes them as the
 * service's uid; job folders, and the logs in them, by runner-files, as their owner, through the
 * agent. */
#include "runner/daemon/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/daemon/look.h"
#include "runner/exec/slurm.h"
#include "runner/proto/client.h"
#include "runner/proto/files_calls.h"

struct serve {
    struct loop *loop;
    struct supervisor *supervisor;
    struct work_pool *journal;
    struct serve_conf conf;
    struct server *server;
    struct files_ask *asks; /* under way */
};

static void on_knock(struct serve *s, struct server_call *call)
{
    supervisor_knock(s->supervisor);
    server_reply(call, NULL, -1);
}

static void on_status(struct serve *s, struct server_call *call)
{
    struct supervisor_view v;
    supervisor_view(s->supervisor, &v);
    server_reply(call,
                 json_pack("{s:b, s:I, s:I}", "active", v.is_active, "epoch",
                           (json_int_t)v.epoch, "jobs", (json_int_t)v.jobs),
                 -1);
}

/* ---- files: the account from the database, then the agent. */

struct files_ask {
    struct files_ask *next;
    struct serve *serve;
    struct client_call *asking; /* the agent, then `files`; NULL: neither */
    struct client *files;       /* runner-files, when the log is asked for */
    struct server_call *call;
    int64_t job, person;
    int64_t log_of; /* the attempt whose log is asked for; 0: none */
    char project[65];
    struct live_account account;
    int mine; /* our end of the pair, which portald gets */
    int status;
    struct err why;
};

static void on_account_run(void *db, void *arg);
static void on_account(int status, void *arg);
static void on_files(struct client_answer *answer, void *arg);
static void on_opened(struct client_answer *answer, void *arg);

/* With 0 it gives away what is in `mine`. */
static void files_finish(struct files_ask *f, int status, const struct err *why)
{
    if (status == 0) {
        server_reply(f->call, NULL, f->mine);
    } else {
        server_refuse(f->call, status, why);
        if (f->mine >= 0)
            close(f->mine);
    }
    client_free(f->files);
    struct files_ask **p = &f->serve->asks;
    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    free(f);
}

static void drop_files(void *arg)
{
    files_finish(arg, -ECANCELED, NULL);
}

static struct files_ask *ask_new(struct serve *s, struct server_call *call)
{
    struct files_ask *f = xnew(struct files_ask);
    *f = (struct files_ask){.next = s->asks, .serve = s, .call = call, .mine = -1};
    s->asks = f;
    return f;
}

static void on_files_call(struct serve *s, struct server_call *call)
{
    const json_t *body = server_body(call);
    const char *project = "";
    struct files_ask *f = ask_new(s, call);
    int r = jget_i64_or(body, "job", 0, INT64_MAX, 0, &f->job, &f->why);
    if (r == 0)
        r = jget_i64_or(body, "person", 0, UINT32_MAX, 0, &f->person, &f->why);
    if (r == 0)
        r = jget_text_or(body, "project", 64, "", &project, &f->why);
    snprintf(f->project, sizeof(f->project), "%s", project);
    if (r < 0)
        files_finish(f, r, &f->why);
    else
        work_start(s->journal, on_account_run, on_account, drop_files, f);
}

static void on_account_run(void *db, void *arg)
{
    struct files_ask *f = arg;
    f->status = db ? look_account(db, f->job, f->person, &f->account, &f->why) : -ENOTCONN;
}

static void on_account(int status, void *arg)
{
    struct files_ask *f = arg;
    struct supervisor_view v;
    int pair[2];
    supervisor_view(f->serve->supervisor, &v);
    int r = status < 0 ? status : f->status;
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = err_set(&f->why, -errno, "socketpair: %s", strerror(errno));
    if (r < 0) {
        files_finish(f, r, &f->why);
        return;
    }
    struct agent_files call = {.head = {v.epoch, now_ms() + f->serve->conf.call_deadline_ms},
                               .job = f->job,
                               .project = f->project};
    supervise_account(&f->account, v.own_uid, &call.account);
    f->mine = pair[0];
    f->asking = client_start(f->serve->conf.agent, agent_files_json(&call), pair[1],
                             f->serve->conf.call_deadline_ms, on_files, f);
}

static void on_files(struct client_answer *answer, void *arg)
{
    struct files_ask *f = arg;
    char name[SLURM_LOG_NAME_MAX];
    f->asking = NULL;
    if (answer->status < 0 || !f->log_of) {
        files_finish(f, answer->status, &answer->why);
        return;
    }
    slurm_log_name(f->log_of, name);
    f->files = client_new_on(f->serve->loop, f->mine); /* takes it over */
    f->mine = -1;
    f->asking = client_start(f->files, files_open_json(name), -1,
                             f->serve->conf.call_deadline_ms, on_opened, f);
}

static void on_opened(struct client_answer *answer, void *arg)
{
    struct files_ask *f = arg;
    f->asking = NULL;
    f->mine = packet_take_fd(&answer->packet);
    files_finish(f, answer->status == 0 && f->mine < 0 ? -EIO : answer->status, &answer->why);
}

/* ---- a log */

static void open_log(struct serve *s, struct server_call *call, int64_t job, int64_t attempt)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%lld.%lld.log", s->conf.logs, (long long)job,
             (long long)attempt);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        server_refuse(call, -errno, NULL);
    else
        server_reply(call, NULL, fd);
}

static void on_log(struct serve *s, struct server_call *call)
{
    int64_t job, attempt;
    struct err why;
    int r = jget_i64(server_body(call), "job", 1, INT64_MAX, &job, &why);
    if (r == 0)
        r = jget_i64(server_body(call), "attempt", 1, INT32_MAX, &attempt, &why);
    if (r < 0) {
        server_refuse(call, r, &why);
        return;
    }
    if (!s->conf.logs_in_folders) {
        open_log(s, call, job, attempt);
        return;
    }
    struct files_ask *f = ask_new(s, call);
    f->job = job;
    f->log_of = attempt;
    work_start(s->journal, on_account_run, on_account, drop_files, f);
}

/* ---- */

static void on_call(struct server_call *call, void *arg)
{
    static const struct {
        const char *verb;
        void (*on)(struct serve *s, struct server_call *call);
    } verbs[] = {
        {"knock", on_knock}, {"log", on_log}, {"files", on_files_call}, {"status", on_status}};
    for (size_t i = 0; i < COUNT(verbs); i++) {
        if (strcmp(verbs[i].verb, server_verb(call)))
            continue;
        verbs[i].on(arg, call);
        return;
    }
    server_refuse(call, -ENOSYS, NULL);
}

int serve_new(struct loop *l, struct supervisor *supervisor, struct work_pool *journal,
              const struct serve_conf *conf, struct serve **out, struct err *e)
{
    struct serve *s = xnew(struct serve);
    struct server_options options = {.at = {conf->socket, 0660, (uid_t)-1, conf->group},
                                     .uids = conf->uids,
                                     .uid_count = conf->uid_count,
                                     .on_call = on_call,
                                     .arg = s};
    *s = (struct serve){.loop = l, .supervisor = supervisor, .journal = journal, .conf = *conf};
    int r = server_new(l, &options, &s->server, e);
    if (r < 0) {
        free(s);
        return r;
    }
    *out = s;
    return 0;
}

void serve_free(struct serve *s)
{
    if (!s)
        return;
    while (s->asks) {
        client_cancel(s->asks->asking);
        files_finish(s->asks, -ECANCELED, NULL);
    }
    server_free(s->server);
    free(s);
}
