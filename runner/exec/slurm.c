// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/base/command.h"
#include "runner/base/fault_point.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/exec/slurm_argv.h"
#include "runner/exec/slurm_look.h"
#include "runner/exec/slurm_table.h"
#include "runner/proto/client.h"

enum { NODES_MS = 10000, LIMIT_RETRY_MS = 30000, SHORT_MS = 30000 };

/* A call of the supervisor's under way; or, with `answer` set, its answer on the way. */
struct asked {
    struct asked *next;
    struct slurm *x;
    struct client_call *call; /* to the agent */
    struct command *command;  /* scontrol */
    char token[EXEC_TOKEN_LEN + 1];
    int64_t limit_ms;
    exec_greet_fn *greeted;
    exec_done_fn *done; /* NULL: our own cancel of what must not be */
    void *arg;
    bool is_answered;
    struct exec_answer answer;
};

struct slurm {
    struct executor base;
    struct loop *loop;
    struct exec_slurm_conf conf;
    int64_t epoch;
    struct slurm_table *table;
    struct asked *asked;
    struct loop_timer *tick, *answers;
    struct slurm_look *look;
    struct slurm_nodes *finding; /* nodes */
    int64_t found_ms;            /* monotonic: nodes are fresh until then */
    struct exec_node *nodes;
    size_t node_count;
    struct asked *greeting; /* the first one, which waits for the nodes */
    char look_trouble[sizeof(((struct err *)0)->text)]; /* as last logged */
    char node_trouble[sizeof(((struct err *)0)->text)];
};

void slurm_log_name(int64_t attempt, char out[SLURM_LOG_NAME_MAX])
{
    snprintf(out, SLURM_LOG_NAME_MAX, "firefly-%lld.log", (long long)attempt);
}

/* ---- calls and answers */

static struct asked *asked_new(struct slurm *x, const char *token, exec_done_fn *done,
                               void *arg)
{
    struct asked *a = xnew(struct asked);
    *a = (struct asked){.next = x->asked, .x = x, .done = done, .arg = arg};
    snprintf(a->token, sizeof(a->token), "%s", token);
    x->asked = a;
    return a;
}

static void asked_free(struct asked *a)
{
    struct asked **p = &a->x->asked;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    client_cancel(a->call);
    command_cancel(a->command);
    free(a);
}

static void asked_finish(struct asked *a, const struct exec_answer *answer)
{
    exec_done_fn *done = a->done;
    void *arg = a->arg;
    const struct exec_answer said = *answer;
    asked_free(a);
    if (done)
        done(&said, arg);
}

static void on_answers(void *arg)
{
    struct slurm *x = arg;
    loop_timer_free(TAKE(x->answers));
    for (struct asked *a = x->asked; a;) {
        bool is_due = a->is_answered;
        if (is_due) {
            asked_finish(a, &a->answer);
            a = x->asked; /* the list may be another one now */
        } else {
            a = a->next;
        }
    }
}

/* Answers what needs no question, from the loop. */
static void answer_later(struct slurm *x, exec_done_fn *done, void *arg, int status,
                         const char *text)
{
    struct asked *a = asked_new(x, "", done, arg);
    a->is_answered = true;
    a->answer.status = status ? err_set(&a->answer.why, status, "%s", text) : 0;
    if (!x->answers)
        x->answers = loop_timer_new(x->loop, 0, 0, on_answers, x);
}

static struct slurm_attempt *attempt_of(const struct asked *a)
{
    struct slurm_entry *e = slurm_table_find(a->x->table, a->token);
    return e ? &e->attempt : NULL;
}

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

/* ---- the greeting: the agent, which guards the epoch; then the nodes, unless they are fresh */

static void greet_finish(struct asked *a, int status, const struct err *why)
{
    struct slurm *x = a->x;
    exec_greet_fn *greeted = a->greeted;
    void *arg = a->arg;
    const struct exec_greeting g = {.status = status,
                                    .why = *why,
                                    .own_uid = a->limit_ms,
                                    .nodes = x->nodes,
                                    .node_count = x->node_count};
    asked_free(a);
    greeted(&g, arg);
}

/* Logged once; "" when it is well again. */
static void complain(char *last, size_t size, const char *text)
{
    if (!strcmp(last, text))
        return;
    snprintf(last, size, "%s", text);
    if (*text)
        log_error("slurm: %s", text);
    else
        log_info("slurm: answers again");
}

/* Nodes that nobody tells about have no room. */
static void on_nodes(int status, const struct exec_node *nodes, size_t count,
                     const struct err *why, void *arg)
{
    struct slurm *x = arg;
    x->finding = NULL;
    x->found_ms = now_mono_ms() + NODES_MS;
    complain(x->node_trouble, sizeof(x->node_trouble), status < 0 ? why->text : "");
    for (size_t i = 0; status < 0 && i < x->node_count; i++)
        x->nodes[i].is_up = false;
    if (status == 0) {
        free(x->nodes);
        x->nodes = xnew_array(struct exec_node, count);
        x->node_count = count;
        for (size_t i = 0; i < count; i++)
            x->nodes[i] = nodes[i];
    }
    if (x->greeting)
        greet_finish(TAKE(x->greeting), 0, why);
}

static void on_hello(struct client_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct slurm *x = a->x;
    struct agent_hello h;
    struct err why = answer->why;
    int r = answer->status;
    a->call = NULL;
    if (r == 0)
        r = agent_hello_reply_read(answer->packet.body, &h, &why);
    a->limit_ms = r == 0 && !h.is_root ? h.uid : -1; /* whose every account becomes */
    if (r == 0 && !x->finding && now_mono_ms() >= x->found_ms)
        x->finding = slurm_nodes_start(x->loop, &x->conf, on_nodes, x);
    if (r == 0 && !x->nodes && x->finding && !x->greeting)
        x->greeting = a;
    else
        greet_finish(a, r, &why);
}

static struct agent_head head_of(const struct slurm *x, int64_t deadline_ms)
{
    return (struct agent_head){x->epoch, now_ms() + deadline_ms};
}

static void slurm_greet(struct executor *base, int64_t epoch, exec_greet_fn *done, void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct asked *a = asked_new(x, "", NULL, arg);
    x->epoch = epoch;
    a->greeted = done;
    struct agent_head head = head_of(x, x->conf.call_deadline_ms);
    a->call = client_start(x->conf.agent, agent_hello_json(&head), -1, x->conf.call_deadline_ms,
                           on_hello, a);
}

/* ---- looking */

static void cancel(struct slurm *x, struct slurm_entry *e, int64_t id, exec_done_fn *done,
                   void *arg);

/* Slurm counts minutes, and is half of one late. */
static bool is_over_limit(const struct slurm_attempt *a, int64_t now)
{
    return a->phase == SLURM_KNOWN && a->limit_ms > 0 && !a->is_stopped &&
           a->run.state == SLURM_RUNNING && a->run.start_ms > 0 &&
           now - a->run.start_ms > a->limit_ms;
}

/* Ends what must not be: a second run, one over its limit, one that finds no room. */
static void tidy(struct slurm *x, struct slurm_entry *e, int64_t now)
{
    int64_t since = slurm_attempt_waits_since(&e->attempt);
    if (e->is_cancelling)
        return;
    if (e->attempt.surplus) {
        log_warning("job %lld: Slurm has it twice: %lld is cancelled",
                    (long long)e->attempt.job, (long long)e->attempt.surplus);
        cancel(x, e, e->attempt.surplus, NULL, NULL);
        e->attempt.surplus = 0;
    } else if (is_over_limit(&e->attempt, now)) {
        e->attempt.is_stopped = true;
        snprintf(e->attempt.why, sizeof(e->attempt.why), "limit");
        cancel(x, e, e->attempt.run.id, NULL, NULL);
    } else if (since && now - since > x->conf.pending_max_ms) {
        e->attempt.is_withdrawn = true;
        cancel(x, e, e->attempt.run.id, NULL, NULL);
    }
}

static void on_looked(int status, int64_t began_ms, const struct err *why, void *arg)
{
    struct slurm *x = arg;
    x->look = NULL;
    FP("slurm.looked");
    complain(x->look_trouble, sizeof(x->look_trouble), status < 0 ? why->text : "");
    for (struct slurm_entry *e = slurm_table_next(x->table, NULL); e;
         e = slurm_table_next(x->table, e)) {
        if (status == 0)
            slurm_attempt_looked(&e->attempt, began_ms, x->conf.settle_ms);
        tidy(x, e, now_ms());
    }
    if (x->base.on_change)
        x->base.on_change(x->base.arg);
}

static void on_tick(void *arg)
{
    struct slurm *x = arg;
    if (!x->look)
        x->look = slurm_look_start(x->loop, &x->conf, x->table, on_looked, x);
}

/* ---- a submission */

static int script_file(const struct slurm *x, const struct exec_ask *ask)
{
    char job_dir[600], project_dir[600];
    AUTO(json_freep) json_t *spec = json_loads(ask->spec, 0, NULL);
    snprintf(job_dir, sizeof(job_dir), "%s/%lld", x->conf.jobs, (long long)ask->job);
    snprintf(project_dir, sizeof(project_dir), "%s/%s", x->conf.projects, ask->project);
    AUTO(json_freep)
    json_t *j =
        json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:O}", "token",
                  ask->token, "job", (json_int_t)ask->job, "attempt", (json_int_t)ask->attempt,
                  "job_dir", job_dir, "project", ask->project, "project_dir", project_dir,
                  "nodes", (json_int_t)ask->nodes, "limit_ms", (json_int_t)ask->limit_ms,
                  "grace_ms", (json_int_t)ask->grace_ms, "resume", ask->resume, "spec", spec);
    if (j && *x->conf.launcher)
        json_object_set_new(j, "launcher", json_string(x->conf.launcher));
    AUTO(cleanup_free) char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
    int fd = memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !line || dprintf(fd, "#!%s --batch\n%s\n", x->conf.task, line) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    return fd;
}

/* "n1,n2": the places of the plan. */
static void node_list(const struct exec_place *place, char *out, size_t size)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < place->count && len < size; i++)
        len +=
            (size_t)snprintf(out + len, size - len, "%s%s", i ? "," : "", place->slots[i].node);
}

static int make_sbatch(const struct slurm *x, const struct exec_ask *ask, const char *name,
                       struct slurm_argv *out, struct err *e)
{
    char output[700], folder[600], nodes[SLURM_NODES_TEXT_MAX], log[SLURM_LOG_NAME_MAX];
    slurm_log_name(ask->attempt, log);
    snprintf(folder, sizeof(folder), "%s/%lld", x->conf.jobs, (long long)ask->job);
    snprintf(output, sizeof(output), "%s/%s", folder, log);
    node_list(ask->place, nodes, sizeof(nodes));
    return slurm_argv_sbatch(
        out,
        &(struct slurm_submit){.token = ask->token,
                               .name = name,
                               .cluster = text_or_null(x->conf.cluster),
                               .partition = text_or_null(x->conf.partition),
                               .account = text_or_null(x->conf.account),
                               .qos = text_or_null(x->conf.qos),
                               .nodelist = x->conf.is_ours ? text_or_null(nodes) : NULL,
                               .gpu_type = ask->gpu_type,
                               .output = output,
                               .folder = folder,
                               .nodes = ask->nodes,
                               .gpus_per_node = ask->gpus_per_node,
                               .cpus = ask->cpus,
                               .memory_bytes = ask->memory_bytes,
                               .limit_ms = ask->limit_ms,
                               .grace_ms = ask->grace_ms,
                               .by_gpus_per_node = x->conf.by_gpus_per_node},
        e);
}

/* What sbatch said: accepted, refused for good or for now, or nobody knows. */
static enum slurm_phase read_submission(const struct agent_client_reply *reply,
                                        struct slurm_attempt *at, struct exec_answer *out)
{
    struct slurm_accepted accepted;
    if (reply->exit_code == 0) {
        int r = slurm_accepted_read(reply->out, &accepted, &out->why);
        out->status = r < 0 ? -EAGAIN : 0;
        at->accepted = r < 0 ? 0 : accepted.id;
        return r < 0 ? SLURM_DOUBTFUL : SLURM_KNOWN;
    }
    enum slurm_answer answer = slurm_answer_read(reply->err, &out->why);
    bool is_certain = answer == SLURM_FAULT || answer == SLURM_TROUBLE;
    out->status = -EAGAIN;
    out->is_refused = is_certain;
    out->is_fault = answer == SLURM_FAULT;
    return is_certain ? SLURM_ABSENT : SLURM_DOUBTFUL;
}

/* The agent did not answer, or refused. Whether sbatch ran is not known after a deadline. */
static enum slurm_phase read_silence(const struct client_answer *answer,
                                     struct exec_answer *out)
{
    bool is_doubtful = answer->is_reply ? answer->status == -ETIMEDOUT || answer->status == -EIO
                                        : answer->was_sent;
    out->status = answer->status;
    out->why = answer->why;
    out->is_refused = answer->is_reply && !is_doubtful && answer->status != -ESTALE;
    out->is_fault = out->is_refused && (answer->status == -EACCES || answer->status == -EPERM ||
                                        answer->status == -EINVAL);
    return is_doubtful ? SLURM_DOUBTFUL : SLURM_ABSENT;
}

static void on_submitted(struct client_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct slurm_attempt *at = attempt_of(a);
    struct exec_answer said = {.why = answer->why};
    struct agent_client_reply reply;
    a->call = NULL;
    FP("slurm.submitted");
    int r = answer->status;
    if (r == 0)
        r = agent_client_reply_read(answer->packet.body, &reply, &said.why);
    if (at) {
        at->asked_ms = now_ms();
        at->phase = answer->status == 0 && r == 0 ? read_submission(&reply, at, &said)
                    : answer->status == 0         ? SLURM_DOUBTFUL
                                                  : read_silence(answer, &said);
        if (at->phase == SLURM_DOUBTFUL && said.status == 0)
            said.status = -EAGAIN;
    }
    asked_finish(a, &said);
}

static struct slurm_entry *entry_for(struct slurm *x, const struct exec_ask *ask)
{
    struct slurm_entry *e = slurm_table_find(x->table, ask->token);
    if (e)
        return e;
    e = slurm_table_add(x->table, ask->token, &ask->account, ask->project);
    e->attempt.job = ask->job;
    e->attempt.attempt = ask->attempt;
    e->attempt.created_ms = now_ms();
    e->attempt.phase = SLURM_ABSENT; /* nobody was asked yet */
    return e;
}

static void name_of(const struct slurm_attempt *at, char *out, size_t size)
{
    snprintf(out, size, "firefly-%lld-%lld", (long long)at->job, (long long)at->attempt);
}

static void submit(struct slurm *x, struct slurm_entry *e, const struct exec_ask *ask,
                   exec_done_fn *done, void *arg)
{
    AUTO(slurm_argv_done) struct slurm_argv argv = {0};
    struct err why;
    name_of(&e->attempt, e->attempt.name, sizeof(e->attempt.name));
    int fd = script_file(x, ask), r = make_sbatch(x, ask, e->attempt.name, &argv, &why);
    if (r < 0 || fd < 0) {
        if (fd >= 0)
            close(fd);
        answer_later(x, done, arg, -EINVAL, r < 0 ? why.text : "its script cannot be made");
        x->asked->answer.is_refused = x->asked->answer.is_fault = true;
        return;
    }
    AUTO(cleanup_free) struct agent_client *call = xnew(struct agent_client);
    *call = (struct agent_client){.head = head_of(x, x->conf.submit_deadline_ms),
                                  .account = e->account,
                                  .program = argv.items[0],
                                  .arg_count = argv.count - 1,
                                  .job = ask->job,
                                  .project = ask->project};
    for (size_t i = 1; i < argv.count && i <= AGENT_ARGS_MAX; i++)
        call->args[i - 1] = argv.items[i];
    struct asked *a = asked_new(x, ask->token, done, arg);
    e->attempt.phase = SLURM_ASKING;
    e->attempt.limit_ms = ask->limit_ms;
    FP("slurm.submitting");
    a->call = client_start(x->conf.agent, agent_client_json(call), fd,
                           x->conf.submit_deadline_ms + SHORT_MS, on_submitted, a);
}

static void slurm_start(struct executor *base, const struct exec_ask *ask, exec_done_fn *done,
                        void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = entry_for(x, ask);
    switch (e->attempt.phase) {
    case SLURM_KNOWN:
        answer_later(x, done, arg, 0, "");
        return;
    case SLURM_DOUBTFUL:
    case SLURM_ASKING:
        answer_later(x, done, arg, -EAGAIN,
                     "whether Slurm has it already is not known yet: it is looked for");
        return;
    case SLURM_ABSENT:
        submit(x, e, ask, done, arg);
        return;
    }
}

static void slurm_adopt(struct executor *base, const struct exec_known *known)
{
    struct slurm *x = (struct slurm *)base;
    if (slurm_table_find(x->table, known->token))
        return;
    struct slurm_entry *e =
        slurm_table_add(x->table, known->token, &known->account, known->project);
    e->attempt.job = known->job;
    e->attempt.attempt = known->attempt;
    e->attempt.created_ms = known->created_ms;
    e->attempt.asked_ms = now_ms(); /* its submission may be on its way still */
    e->attempt.phase = SLURM_DOUBTFUL;
    name_of(&e->attempt, e->attempt.name, sizeof(e->attempt.name));
}

/* ---- stops and limits */

static void on_cancelled(struct client_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct slurm_entry *e = slurm_table_find(a->x->table, a->token);
    struct exec_answer said = {.status = answer->status, .why = answer->why};
    struct agent_client_reply reply;
    a->call = NULL;
    if (said.status == 0)
        said.status = agent_client_reply_read(answer->packet.body, &reply, &said.why);
    if (said.status == 0 && reply.exit_code != 0 &&
        slurm_answer_read(reply.err, &said.why) != SLURM_GONE)
        said.status = -EAGAIN;
    if (e)
        e->is_cancelling = false;
    if (said.status < 0 && !a->done)
        log_warning("slurm: scancel: %s", said.why.text);
    asked_finish(a, &said);
}

static void cancel(struct slurm *x, struct slurm_entry *e, int64_t id, exec_done_fn *done,
                   void *arg)
{
    AUTO(slurm_argv_done) struct slurm_argv argv = {0};
    struct slurm_target target = {id, text_or_null(x->conf.cluster), e->attempt.name};
    struct err why;
    if (slurm_argv_scancel(&argv, &target, false, &why) < 0) {
        answer_later(x, done, arg, -EINVAL, why.text);
        return;
    }
    AUTO(cleanup_free) struct agent_client *call = xnew(struct agent_client);
    *call = (struct agent_client){.head = head_of(x, SHORT_MS),
                                  .account = e->account,
                                  .program = argv.items[0],
                                  .arg_count = argv.count - 1,
                                  .job = e->attempt.job,
                                  .project = e->project};
    for (size_t i = 1; i < argv.count; i++)
        call->args[i - 1] = argv.items[i];
    struct asked *a = asked_new(x, e->attempt.token, done, arg);
    e->is_cancelling = true;
    FP("slurm.cancelling");
    a->call =
        client_start(x->conf.agent, agent_client_json(call), -1, 2 * SHORT_MS, on_cancelled, a);
}

static void slurm_stop(struct executor *base, const char *token, const char *why,
                       int64_t grace_ms, exec_done_fn *done, void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    int64_t id = !e ? 0 : e->attempt.run.id ? e->attempt.run.id : e->attempt.accepted;
    (void)grace_ms; /* the site's KillWait */
    if (!id) {
        answer_later(x, done, arg, e ? -EAGAIN : -ENOENT,
                     e ? "Slurm's number of it is not known yet" : "not known here");
        return;
    }
    e->attempt.is_stopped = true;
    snprintf(e->attempt.why, sizeof(e->attempt.why), "%s", why);
    cancel(x, e, id, done, arg);
}

static void on_limited(const struct command_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct slurm_entry *e = slurm_table_find(a->x->table, a->token);
    struct exec_answer said = {0};
    a->command = NULL;
    said.status = slurm_run_check(answer, "scontrol", &said.why);
    if (e && said.status == 0)
        e->attempt.limit_ms = a->limit_ms;
    else if (e)
        e->limit_retry_ms = now_mono_ms() + LIMIT_RETRY_MS;
    asked_finish(a, &said);
}

static void slurm_limit(struct executor *base, const char *token, int64_t limit_ms,
                        exec_done_fn *done, void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    struct slurm_argv argv;
    struct err why;
    if (!e || !e->attempt.run.id || now_mono_ms() < e->limit_retry_ms) {
        answer_later(x, done, arg, -EAGAIN, "Slurm is asked for the new limit later");
        return;
    }
    struct slurm_target target = {e->attempt.run.id, text_or_null(x->conf.cluster), NULL};
    if (slurm_argv_limit(&argv, &target, slurm_minutes(limit_ms), &why) < 0) {
        answer_later(x, done, arg, -EINVAL, why.text);
        return;
    }
    struct asked *a = asked_new(x, token, done, arg);
    a->limit_ms = limit_ms;
    a->command = slurm_run(x->loop, &x->conf, &argv, SHORT_MS, on_limited, a);
}

/* ---- the rest */

static int slurm_poll(struct executor *base, const char *token, struct exec_status *out,
                      struct err *e)
{
    struct slurm *x = (struct slurm *)base;
    const struct slurm_entry *entry = slurm_table_find(x->table, token);
    (void)e;
    *out = (struct exec_status){.exit_code = -1};
    if (entry)
        slurm_attempt_status(&entry->attempt, now_ms(), out);
    return 0;
}

static void slurm_forget(struct executor *base, const char *token, exec_done_fn *done,
                         void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    struct exec_status now = {0};
    if (e)
        slurm_attempt_status(&e->attempt, now_ms(), &now);
    if (now.state == EXEC_STARTING || now.state == EXEC_RUNNING || now.state == EXEC_UNKNOWN) {
        answer_later(x, done, arg, -EBUSY, "it goes on, or nobody knows whether it does");
        return;
    }
    if (e)
        slurm_table_remove(x->table, e);
    answer_later(x, done, arg, 0, "");
}

/* What is not in the database was not submitted by this site: another one's may look the same. */
static int slurm_recover(struct executor *base, void (*found)(const char *token, void *arg),
                         void *arg, struct err *e)
{
    (void)base, (void)found, (void)arg, (void)e;
    return 0;
}

static bool slurm_owns(const struct executor *base, const struct exec_place *place)
{
    (void)base, (void)place;
    return true;
}

static void slurm_free(struct executor *base)
{
    struct slurm *x = (struct slurm *)base;
    slurm_look_cancel(x->look);
    slurm_nodes_cancel(x->finding);
    loop_timer_free(x->tick);
    loop_timer_free(x->answers);
    while (x->asked)
        asked_free(x->asked);
    slurm_table_free(x->table);
    free(x->nodes);
    free(x);
}

static const struct executor_ops ops = {
    .name = "slurm",
    .greet = slurm_greet,
    .adopt = slurm_adopt,
    .start = slurm_start,
    .stop = slurm_stop,
    .limit = slurm_limit,
    .forget = slurm_forget,
    .poll = slurm_poll,
    .recover = slurm_recover,
    .owns = slurm_owns,
    .free = slurm_free,
};

struct executor *exec_slurm_new(struct loop *l, const struct exec_slurm_conf *conf)
{
    struct slurm *x = xnew(struct slurm);
    x->base.ops = &ops;
    x->loop = l;
    x->conf = *conf;
    x->table = slurm_table_new();
    x->tick = loop_timer_new(l, 0, SLURM_LOOK_MS, on_tick, x);
    return &x->base;
}
