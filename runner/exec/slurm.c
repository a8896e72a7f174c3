// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/command.h"
#include "runner/base/fault_point.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"
#include "runner/exec/slurm_internal.h"
#include "runner/exec/slurm_submission.h"

enum { NODES_MS = 10000 };

void slurm_log_name(int64_t attempt, char out[SLURM_LOG_NAME_MAX])
{
    snprintf(out, SLURM_LOG_NAME_MAX, "firefly-%lld.log", (long long)attempt);
}

/* ---- calls and answers */

struct asked *slurm_asked_new(struct slurm *x, const char *token, exec_done_fn *done, void *arg)
{
    struct asked *a = xnew(struct asked);
    *a = (struct asked){.next = x->asked, .x = x, .done = done, .arg = arg};
    snprintf(a->token, sizeof(a->token), "%s", token);
    x->asked = a;
    return a;
}

static void slurm_asked_free(struct asked *a)
{
    struct asked **p = &a->x->asked;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    client_cancel(a->call);
    command_cancel(a->command);
    free(a);
}

void slurm_asked_finish(struct asked *a, const struct exec_answer *answer)
{
    exec_done_fn *done = a->done;
    void *arg = a->arg;
    const struct exec_answer said = *answer;
    slurm_asked_free(a);
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
            slurm_asked_finish(a, &a->answer);
            a = x->asked; /* the list may be another one now */
        } else {
            a = a->next;
        }
    }
}

void slurm_answer_asked(struct asked *a, int status, const char *text)
{
    struct slurm *x = a->x;
    a->is_answered = true;
    a->answer.status = status ? err_set(&a->answer.why, status, "%s", text) : 0;
    if (!x->answers)
        x->answers = loop_timer_new(x->loop, 0, 0, on_answers, x);
}

void slurm_answer_later(struct slurm *x, exec_done_fn *done, void *arg, int status,
                        const char *text)
{
    slurm_answer_asked(slurm_asked_new(x, "", done, arg), status, text);
}

static struct slurm_attempt *attempt_of(const struct asked *a)
{
    struct slurm_entry *e = slurm_table_find(a->x->table, a->token);
    return e ? &e->attempt : NULL;
}

static struct agent_head head_of(const struct slurm *x, int64_t deadline_ms)
{
    return (struct agent_head){x->epoch, now_ms() + deadline_ms};
}

void slurm_run_client(struct asked *a, const struct slurm_entry *e, struct slurm_argv *argv,
                      int fd, client_done_fn *done)
{
    struct slurm *x = a->x;
    bool is_submission = fd >= 0;
    int64_t deadline_ms = is_submission ? x->conf.submit_deadline_ms : SLURM_SHORT_MS;
    AUTO(cleanup_free) struct agent_client *call = xnew(struct agent_client);
    *call = (struct agent_client){.head = head_of(x, deadline_ms),
                                  .account = e->account,
                                  .program = argv->items[0],
                                  .arg_count = argv->count - 1,
                                  .job = e->attempt.job,
                                  .project = e->project};
    for (size_t i = 1; i < argv->count && i <= AGENT_ARGS_MAX; i++)
        call->args[i - 1] = argv->items[i];
    a->call = client_start(x->conf.agent, agent_client_json(call), fd,
                           deadline_ms + SLURM_SHORT_MS, done, a);
    slurm_argv_done(argv);
}

/* ---- the greeting: the agent, which guards the epoch; then the nodes, unless they are fresh */

static void greet_finish(struct asked *a, int status, const struct err *why)
{
    struct slurm *x = a->x;
    exec_greet_fn *greeted = a->greeted;
    void *arg = a->arg;
    const struct exec_greeting g = {.status = status,
                                    .why = *why,
                                    .own_uid = a->own_uid,
                                    .nodes = x->nodes,
                                    .node_count = x->node_count};
    slurm_asked_free(a);
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
    a->own_uid = r == 0 && !h.is_root ? h.uid : -1;
    if (r == 0 && !x->finding && now_mono_ms() >= x->found_ms)
        x->finding = slurm_nodes_start(x->loop, &x->conf, on_nodes, x);
    if (r == 0 && !x->nodes && x->finding && !x->greeting)
        x->greeting = a;
    else
        greet_finish(a, r, &why);
}

static void slurm_greet(struct executor *base, int64_t epoch, exec_greet_fn *done, void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct asked *a = slurm_asked_new(x, "", NULL, arg);
    x->epoch = epoch;
    a->greeted = done;
    struct agent_head head = head_of(x, x->conf.call_deadline_ms);
    a->call = client_start(x->conf.agent, agent_hello_json(&head), -1, x->conf.call_deadline_ms,
                           on_hello, a);
}

/* ---- looking */

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
        slurm_attempt_settle(&e->attempt, now_ms(), x->conf.settle_ms);
        slurm_tidy(x, e, now_ms());
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
        at->missed_ms = 0;
        at->phase = answer->status == 0 && r == 0
                        ? slurm_submission_read(&reply, &at->accepted, &said)
                    : answer->status == 0 ? SLURM_DOUBTFUL
                                          : slurm_submission_silence(answer, &said);
        if (at->phase == SLURM_DOUBTFUL && said.status == 0)
            said.status = -EAGAIN;
    }
    slurm_asked_finish(a, &said);
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
    struct slurm_argv argv = {0};
    struct err why = {{0}};
    name_of(&e->attempt, e->attempt.name, sizeof(e->attempt.name));
    int r = slurm_submission_argv(&x->conf, ask, e->attempt.name, &argv, &why);
    int fd = r < 0 ? r : slurm_submission_script(&x->conf, ask, &why);
    if (fd < 0) {
        slurm_argv_done(&argv);
        slurm_answer_later(x, done, arg, -EINVAL, why.text);
        x->asked->answer.is_refused = x->asked->answer.is_fault = true;
        return;
    }
    slurm_attempt_begin(&e->attempt);
    e->attempt.limit_ms = ask->limit_ms;
    e->attempt.grace_ms = ask->grace_ms;
    e->nodes = ask->nodes;
    FP("slurm.submitting");
    slurm_run_client(slurm_asked_new(x, ask->token, done, arg), e, &argv, fd, on_submitted);
}

static void slurm_start(struct executor *base, const struct exec_ask *ask, exec_done_fn *done,
                        void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = entry_for(x, ask);
    switch (e->attempt.phase) {
    case SLURM_KNOWN:
        slurm_answer_later(x, done, arg, 0, "");
        return;
    case SLURM_DOUBTFUL:
    case SLURM_ASKING:
        slurm_answer_later(x, done, arg, -EAGAIN,
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
    e->attempt.limit_ms = known->limit_ms;
    e->attempt.is_adopted = true;
    e->attempt.grace_ms = known->grace_ms;
    e->nodes = known->nodes;
    name_of(&e->attempt, e->attempt.name, sizeof(e->attempt.name));
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
        slurm_attempt_status(&entry->attempt, out);
    return 0;
}

static void slurm_forget(struct executor *base, const char *token, exec_done_fn *done,
                         void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    struct exec_status now = {0};
    if (e)
        slurm_attempt_status(&e->attempt, &now);
    if (now.state == EXEC_STARTING || now.state == EXEC_RUNNING || now.state == EXEC_UNKNOWN) {
        slurm_answer_later(x, done, arg, -EBUSY, "it goes on, or nobody knows whether it does");
        return;
    }
    if (e)
        slurm_table_remove(x->table, e);
    slurm_answer_later(x, done, arg, 0, "");
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
        slurm_asked_free(x->asked);
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
