// SPDX-License-Identifier: Apache-2.0
/* A runnerd's way to the fake cluster: each call is done at once, its answer comes later. */
#include "runner/exec/fake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/exec/fake_cluster.h"

/* An answer on its way. */
struct answer {
    struct answer *next;
    exec_greet_fn *greeted; /* one of the two */
    exec_done_fn *done;
    void *arg;
    int status;
    bool is_refused, is_fault;
    struct err why;
};

struct fake {
    struct executor base;
    struct loop *loop; /* NULL: somebody calls exec_fake_answer() */
    struct loop_timer *timer;
    struct fake_cluster *cluster;
    int64_t epoch;
    struct answer *first, **last;
};

static void on_time(void *arg)
{
    struct fake *x = arg;
    loop_timer_free(TAKE(x->timer));
    while (exec_fake_answer(&x->base))
        ;
}

static void send(struct fake *x, const struct answer *a)
{
    struct answer *copy = xnew(struct answer);
    *copy = *a;
    *x->last = copy;
    x->last = &copy->next;
    if (x->loop && !x->timer)
        x->timer = loop_timer_new(x->loop, 0, 0, on_time, x);
}

bool exec_fake_answer(struct executor *base)
{
    struct fake *x = (struct fake *)base;
    struct answer *a = x->first;
    if (!a)
        return false;
    x->first = a->next;
    if (!x->first)
        x->last = &x->first;
    struct answer once = *a;
    free(a);
    const struct fake_cluster_conf *conf = fake_cluster_conf(x->cluster);
    if (once.greeted)
        once.greeted(
            &(struct exec_greeting){once.status, once.why, -1, conf->nodes, conf->node_count},
            once.arg);
    else
        once.done(&(struct exec_answer){once.status, once.is_refused, once.is_fault, once.why},
                  once.arg);
    return true;
}

/* ---- the play */

/* {"command": ["sleep", "90", "3"]} */
static void read_play(const char *spec, struct fake_attempt *a)
{
    AUTO(json_freep) json_t *j = json_loads(spec, 0, NULL);
    const json_t *words = json_object_get(j, "command");
    const char *verb = json_string_value(json_array_get(words, 0));
    const char *seconds = json_string_value(json_array_get(words, 1));
    const char *status = json_string_value(json_array_get(words, 2));
    int64_t run_s = 0;
    if (!verb || strcmp(verb, "sleep") != 0 || !seconds)
        return;
    if (parse_i64(seconds, 0, INT32_MAX, &run_s) == 0)
        a->play_ms = run_s * 1000;
    if (status)
        parse_i64(status, 0, 255, &a->exit_code);
}

/* ---- the calls */

static void fake_greet(struct executor *base, int64_t epoch, exec_greet_fn *done, void *arg)
{
    struct fake *x = (struct fake *)base;
    struct answer a = {.greeted = done, .arg = arg};
    x->epoch = epoch;
    a.status = fake_cluster_greet(x->cluster, epoch, &a.why);
    send(x, &a);
}

static void fake_start(struct executor *base, const struct exec_ask *ask, exec_done_fn *done,
                       void *arg)
{
    struct fake *x = (struct fake *)base;
    const struct fake_cluster_conf *conf = fake_cluster_conf(x->cluster);
    struct answer a = {.done = done, .arg = arg};
    a.status = fake_cluster_prove(x->cluster, x->epoch, &a.why);
    if (a.status == 0 && !fake_cluster_find(x->cluster, ask->token)) {
        struct fake_attempt *new = fake_cluster_add(x->cluster, ask->token);
        new->asked_ms = conf->wall_ms(conf->arg);
        new->begin_ms = new->asked_ms + conf->start_ms;
        new->limit_ms = ask->limit_ms;
        read_play(ask->spec, new);
        a.status = fake_cluster_save(x->cluster, new, &a.why);
    }
    send(x, &a);
}

/* The attempt, or what the answer is without it. */
static struct fake_attempt *find(struct fake *x, const char *token, struct answer *a)
{
    a->status = fake_cluster_prove(x->cluster, x->epoch, &a->why);
    struct fake_attempt *found = a->status < 0 ? NULL : fake_cluster_find(x->cluster, token);
    if (a->status == 0 && !found)
        a->status = err_set(&a->why, -ENOENT, "attempt %s: not known here", token);
    return found;
}

static void fake_stop(struct executor *base, const char *token, const char *why,
                      int64_t grace_ms, exec_done_fn *done, void *arg)
{
    struct fake *x = (struct fake *)base;
    struct answer a = {.done = done, .arg = arg};
    struct fake_attempt *found = find(x, token, &a);
    const struct fake_cluster_conf *conf = fake_cluster_conf(x->cluster);
    (void)grace_ms;
    if (found && !found->stopped_ms) {
        found->stopped_ms = conf->wall_ms(conf->arg);
        snprintf(found->why, sizeof(found->why), "%s", why);
        a.status = fake_cluster_save(x->cluster, found, &a.why);
    }
    send(x, &a);
}

static void fake_limit(struct executor *base, const char *token, int64_t limit_ms,
                       exec_done_fn *done, void *arg)
{
    struct fake *x = (struct fake *)base;
    struct answer a = {.done = done, .arg = arg};
    struct fake_attempt *found = find(x, token, &a);
    struct exec_status now;
    if (found)
        fake_attempt_status(x->cluster, found, &now);
    if (found && now.state != EXEC_STARTING && now.state != EXEC_RUNNING) {
        a.status = err_set(&a.why, -EALREADY, "it has ended");
    } else if (found) {
        found->limit_ms = limit_ms;
        a.status = fake_cluster_save(x->cluster, found, &a.why);
    }
    send(x, &a);
}

static void fake_forget(struct executor *base, const char *token, exec_done_fn *done, void *arg)
{
    struct fake *x = (struct fake *)base;
    struct answer a = {.done = done, .arg = arg};
    struct fake_attempt *found = find(x, token, &a);
    struct exec_status now;
    if (found)
        fake_attempt_status(x->cluster, found, &now);
    if (found && (now.state == EXEC_STARTING || now.state == EXEC_RUNNING))
        a.status = err_set(&a.why, -EBUSY, "it goes on");
    else if (found)
        a.status = fake_cluster_remove(x->cluster, found, &a.why);
    send(x, &a);
}

static int fake_poll(struct executor *base, const char *token, struct exec_status *out,
                     struct err *e)
{
    struct fake *x = (struct fake *)base;
    struct fake_attempt *a = fake_cluster_find(x->cluster, token);
    (void)e;
    *out = (struct exec_status){.exit_code = -1};
    if (a)
        fake_attempt_status(x->cluster, a, out);
    return 0;
}

static int fake_recover(struct executor *base, void (*found)(const char *token, void *arg),
                        void *arg, struct err *e)
{
    struct fake *x = (struct fake *)base;
    (void)e;
    for (struct fake_attempt *a = fake_cluster_next(x->cluster, NULL); a;
         a = fake_cluster_next(x->cluster, a))
        found(a->token, arg);
    return 0;
}

static bool fake_owns(const struct executor *base, const struct exec_place *place)
{
    (void)base;
    (void)place;
    return true;
}

static void fake_free(struct executor *base)
{
    struct fake *x = (struct fake *)base;
    loop_timer_free(x->timer);
    for (struct answer *a = x->first, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(x);
}

static const struct executor_ops ops = {
    .name = "fake",
    .greet = fake_greet,
    .start = fake_start,
    .stop = fake_stop,
    .limit = fake_limit,
    .forget = fake_forget,
    .poll = fake_poll,
    .recover = fake_recover,
    .owns = fake_owns,
    .free = fake_free,
};

struct executor *exec_fake_new(struct loop *l, struct fake_cluster *c)
{
    struct fake *x = xnew(struct fake);
    x->base.ops = &ops;
    x->loop = l;
    x->cluster = c;
    x->last = &x->first;
    return &x->base;
}
