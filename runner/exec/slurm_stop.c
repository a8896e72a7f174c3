// SPDX-License-Identifier: Apache-2.0
/* How attempts below Slurm are ended by us, and held to another limit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runner/base/command.h"
#include "runner/base/fault_point.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/exec/slurm_internal.h"

enum {
    LIMIT_RETRY_MS = 30000,
    LATE_MS = 3000 /* runner-task kills at the end of the grace, and Slurm is to notice that */
};

enum cancel_kind { CANCEL, CANCEL_NOTICE, CANCEL_WAITING, CANCEL_NAMELESS };

/* Slurm's number of it; 0: not known yet. */
static int64_t id_of(const struct slurm_attempt *at)
{
    return at->run.id ? at->run.id : at->accepted;
}

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
    if (e && said.status == 0 && e->cancelling == e->attempt.surplus)
        e->attempt.surplus = 0;
    if (e)
        e->cancelling = 0;
    if (said.status < 0 && !a->done)
        log_warning("slurm: scancel: %s", said.why.text);
    slurm_asked_finish(a, &said);
}

/* `a` waits for the answer; NULL: it is our own wish. */
static void cancel(struct slurm *x, struct slurm_entry *e, int64_t id, enum cancel_kind kind,
                   struct asked *a)
{
    struct slurm_argv argv;
    struct slurm_target target = {.id = id,
                                  .cluster = slurm_choice(x->conf.cluster),
                                  .name = kind == CANCEL_NAMELESS ? NULL : e->attempt.name,
                                  .is_spread = e->nodes > 1,
                                  .is_waiting = kind == CANCEL_WAITING};
    struct err why;
    int r = slurm_argv_scancel(&argv, &target, kind == CANCEL_NOTICE, &why);
    if (!a)
        a = slurm_asked_new(x, e->attempt.token, NULL, NULL);
    if (r < 0) {
        slurm_answer_asked(a, r, why.text);
        return;
    }
    e->cancelling = id;
    FP("slurm.cancelling");
    slurm_run_client(a, e, &argv, -1, on_cancelled);
}

/* The ranks are told, and have the grace; whatever is left then is cancelled. */
static void begin_stop(struct slurm *x, struct slurm_entry *e, const char *why,
                       int64_t grace_ms, struct asked *a)
{
    struct slurm_attempt *at = &e->attempt;
    bool has_grace = grace_ms > 0 && slurm_attempt_is_running(at);
    at->is_stopped = true;
    snprintf(at->why, sizeof(at->why), "%s", why);
    e->kill_at_ms = now_mono_ms() + (has_grace ? grace_ms + LATE_MS : SLURM_SHORT_MS);
    cancel(x, e, id_of(at), has_grace ? CANCEL_NOTICE : CANCEL, a);
}

void slurm_stop(struct executor *base, const char *token, const char *why, int64_t grace_ms,
                exec_done_fn *done, void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    if (e && !id_of(&e->attempt)) { /* an earlier runnerd may have told it before */
        e->attempt.is_stopped = true;
        snprintf(e->attempt.why, sizeof(e->attempt.why), "%s", why);
    }
    if (!e || !id_of(&e->attempt)) {
        slurm_answer_later(x, done, arg, e ? -EAGAIN : -ENOENT,
                           e ? "Slurm's number of it is not known yet" : "not known here");
        return;
    }
    begin_stop(x, e, why, grace_ms, slurm_asked_new(x, token, done, arg));
}

static void on_limited(const struct command_answer *answer, void *arg)
{
    struct asked *a = arg;
    struct slurm_entry *e = slurm_table_find(a->x->table, a->token);
    struct exec_answer said = {0};
    a->command = NULL;
    said.status = slurm_run_check(answer, "scontrol", &said.why);
    if (said.status == -EIO && slurm_answer_read(answer->err, &said.why) == SLURM_FAULT)
        said.status = err_set(&said.why, -EPERM,
                              "Slurm lets only its operators change a limit, and runnerd's "
                              "account is none of them");
    if (e && said.status == 0)
        e->attempt.limit_ms = a->limit_ms;
    else if (e)
        e->limit_retry_ms = now_mono_ms() + LIMIT_RETRY_MS;
    slurm_asked_finish(a, &said);
}

void slurm_limit(struct executor *base, const char *token, int64_t limit_ms, exec_done_fn *done,
                 void *arg)
{
    struct slurm *x = (struct slurm *)base;
    struct slurm_entry *e = slurm_table_find(x->table, token);
    struct slurm_argv argv;
    struct err why;
    if (!e || !e->attempt.run.id || now_mono_ms() < e->limit_retry_ms) {
        slurm_answer_later(x, done, arg, -EAGAIN, "Slurm is asked for the new limit later");
        return;
    }
    if (e->attempt.run.limit_ms >= limit_ms) { /* Slurm's own is long enough */
        e->attempt.limit_ms = limit_ms;
        slurm_answer_later(x, done, arg, 0, "");
        return;
    }
    struct slurm_target target = {.id = e->attempt.run.id,
                                  .cluster = slurm_choice(x->conf.cluster)};
    if (slurm_argv_limit(&argv, &target, slurm_minutes(limit_ms + e->attempt.grace_ms), &why) <
        0) {
        slurm_answer_later(x, done, arg, -EPERM, why.text);
        return;
    }
    struct asked *a = slurm_asked_new(x, token, done, arg);
    a->limit_ms = limit_ms;
    a->command = slurm_run(x->loop, &x->conf, &argv, SLURM_SHORT_MS, on_limited, a);
}

/* ---- what must not be */

static void cancel_surplus(struct slurm *x, struct slurm_entry *e)
{
    int64_t id = e->attempt.surplus;
    log_warning("job %lld: Slurm has it twice, or would run it again: %lld is cancelled",
                (long long)e->attempt.job, (long long)id);
    cancel(x, e, id, CANCEL, NULL);
}

static void withdraw(struct slurm *x, struct slurm_entry *e)
{
    struct slurm_attempt *at = &e->attempt;
    at->is_withdrawn = true;
    snprintf(at->waited_for, sizeof(at->waited_for), "%s", at->run.reason);
    cancel(x, e, at->run.id, CANCEL_WAITING, NULL);
}

void slurm_tidy(struct slurm *x, struct slurm_entry *e, int64_t now)
{
    int64_t since = slurm_attempt_waits_since(&e->attempt);
    if (e->cancelling)
        return;
    if (e->attempt.surplus) {
        cancel_surplus(x, e);
    } else if (e->kill_at_ms && now_mono_ms() >= e->kill_at_ms) {
        e->kill_at_ms =
            now_mono_ms() + SLURM_SHORT_MS; /* once more, unless it has ended then */
        /* its owner may have given it another name; the last look has seen that it is this one */
        if (slurm_attempt_is_running(&e->attempt))
            cancel(x, e, e->attempt.run.id, CANCEL_NAMELESS, NULL);
    } else if (!e->attempt.is_stopped && slurm_attempt_is_over_limit(&e->attempt, now)) {
        begin_stop(x, e, "limit", e->attempt.grace_ms, NULL);
    } else if (since && now - since > x->conf.pending_max_ms) {
        withdraw(x, e);
    }
}
