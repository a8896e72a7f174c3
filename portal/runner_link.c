// SPDX-License-Identifier: Apache-2.0
/* One connection to runnerd for everything, and for each question about files one to its
 * runner-files. */
#include "portal/runner_link.h"

#include <errno.h>
#include <stdlib.h>

#include "portal/request.h"
#include "runner/base/cleanup.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/xnew.h"
#include "runner/proto/client.h"

enum { ANSWER_MS = 3000, FILES_MS = 5000 };

struct runner_link {
    struct loop *loop;
    struct client *runnerd;
    bool is_knocking, knocks_again;
    bool is_away; /* the last question did not reach runnerd; logged once */
    struct runner_ask *asks;
};

struct runner_ask {
    struct runner_ask *next;
    struct runner_link *link;
    struct request *r;
    struct client_call *call;
    struct client *files; /* to runner-files, once there is one */
    json_t *question;
    runner_done_fn *done;
    void *arg;
};

/* Files, in the order it happens; a log ends with the first answer. */
static void on_runnerd(struct client_answer *answer, void *arg);
static void on_files(struct client_answer *answer, void *arg);

struct runner_link *runner_link_new(struct loop *l, const char *socket)
{
    struct runner_link *k = xnew(struct runner_link);
    *k = (struct runner_link){.loop = l, .runnerd = client_new(l, socket)};
    return k;
}

static void ask_free(struct runner_ask *a)
{
    struct runner_ask **place = &a->link->asks;
    while (*place != a)
        place = &(*place)->next;
    *place = a->next;
    client_cancel(a->call);
    client_free(a->files);
    json_decref(a->question);
    free(a);
}

void runner_ask_cancel(struct runner_ask *a)
{
    if (a)
        ask_free(a);
}

void runner_link_free(struct runner_link *k)
{
    if (!k)
        return;
    while (k->asks) {
        struct request *r = k->asks->r;
        ask_free(k->asks);
        if (r)
            request_drop(r);
    }
    client_free(k->runnerd);
    free(k);
}

/* ---- knocking */

static void note(struct runner_link *k, const struct client_answer *answer)
{
    bool is_away = answer->status < 0 && !answer->is_reply;
    if (is_away && !k->is_away)
        log_warning("runnerd: %s; logs and files cannot be shown", answer->why.text);
    else if (!is_away && k->is_away)
        log_info("runnerd: answers again");
    k->is_away = is_away;
}

static void on_knocked(struct client_answer *answer, void *arg)
{
    struct runner_link *k = arg;
    note(k, answer);
    k->is_knocking = false;
    if (k->knocks_again)
        runner_knock(k);
}

void runner_knock(struct runner_link *k)
{
    k->knocks_again = k->is_knocking;
    if (k->is_knocking)
        return;
    k->is_knocking = true;
    client_start(k->runnerd, json_pack("{s:s}", "verb", "knock"), -1, ANSWER_MS, on_knocked, k);
}

/* ---- asking */

static void finish(struct runner_ask *a, struct client_answer *answer)
{
    runner_done_fn *done = a->done;
    void *arg = a->arg;
    a->call = NULL;
    struct client *files = TAKE(a->files);
    ask_free(a);
    done(answer->status, &answer->packet, &answer->why, arg);
    client_free(files);
}

static struct runner_ask *ask_new(struct runner_link *k, struct request *r,
                                  runner_done_fn *done, void *arg)
{
    struct runner_ask *a = xnew(struct runner_ask);
    *a = (struct runner_ask){.next = k->asks, .link = k, .r = r, .done = done, .arg = arg};
    k->asks = a;
    return a;
}

struct runner_ask *runner_log_start(struct runner_link *k, struct request *r, int64_t job,
                                    int64_t attempt, runner_done_fn *done, void *arg)
{
    struct runner_ask *a = ask_new(k, r, done, arg);
    json_t *question = json_pack("{s:s, s:I, s:I}", "verb", "log", "job", (json_int_t)job,
                                 "attempt", (json_int_t)attempt);
    a->call = client_start(k->runnerd, question, -1, ANSWER_MS, on_runnerd, a);
    return a;
}

struct runner_ask *runner_files_start(struct runner_link *k, struct request *r, int64_t job,
                                      json_t *question, runner_done_fn *done, void *arg)
{
    struct runner_ask *a = ask_new(k, r, done, arg);
    a->question = question;
    a->call = client_start(k->runnerd,
                           json_pack("{s:s, s:I}", "verb", "files", "job", (json_int_t)job), -1,
                           FILES_MS, on_runnerd, a);
    return a;
}

static void on_runnerd(struct client_answer *answer, void *arg)
{
    struct runner_ask *a = arg;
    a->call = NULL;
    note(a->link, answer);
    if (answer->status < 0 && !answer->is_reply)
        answer->status = -ENOTCONN; /* EACCES of connecting is not that of a file */
    if (answer->status == 0 && answer->packet.fd < 0)
        answer->status = err_set(&answer->why, -EBADMSG, "runnerd sent no descriptor");
    if (answer->status < 0 || !a->question) {
        finish(a, answer);
        return;
    }
    a->files = client_new_on(a->link->loop, packet_take_fd(&answer->packet));
    a->call = client_start(a->files, TAKE(a->question), -1, FILES_MS, on_files, a);
}

static void on_files(struct client_answer *answer, void *arg)
{
    finish(arg, answer);
}
