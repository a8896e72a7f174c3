// SPDX-License-Identifier: Apache-2.0
/* The ledger, asked by a script: every function that moves GPU-time, one a line; and what an
 * administrator asks runnerd to do, or closes.
 *
 *   ledger_probe CONF
 *
 * Reads one JSON object a line: {"op": NAME, …}, with the fields of that operation's struct
 * (quota/ledger.h, quota/posting.h, quota/request.h, quota/month.h) by their names. Answers
 * each with one line: {"r": 0, "answer": the enum's number, "number": …, "moved": …, "there":
 * …} or {"r": negative errno, "error": sentence}. A connection of each role is opened when it
 * is first needed; "lease" opens all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "quota/answer.h"
#include "quota/ledger.h"
#include "quota/ledger_place.h"
#include "quota/month.h"
#include "quota/posting.h"
#include "quota/request.h"
#include "runner/base/jget.h"

static struct db_conf conf;
static struct db *portal, *runner, *admin;

struct reply {
    int64_t answer, number, moved, there;
};

static int need(enum db_role role, struct db **db, struct err *e)
{
    return *db ? 0 : db_open(&conf, role, db, e);
}

static int connect_all(struct err *e)
{
    int r = need(DB_PORTAL, &portal, e);
    if (r == 0)
        r = need(DB_RUNNER, &runner, e);
    return r == 0 ? need(DB_ADMIN, &admin, e) : r;
}

static int64_t number(const json_t *ask, const char *name)
{
    return json_integer_value(json_object_get(ask, name));
}

static const char *text(const json_t *ask, const char *name)
{
    const char *value = json_string_value(json_object_get(ask, name));
    return value ? value : "";
}

/* ---- portald */

static int make_spec(const json_t *ask, struct spec **out, struct err *e)
{
    static const struct spec_limits limits = {64, 64, 64, INT64_C(2678400000)};
    struct spec_fault fault;
    char limit[32];
    snprintf(limit, sizeof(limit), "%llds", (long long)number(ask, "limit_ms") / 1000);
    AUTO(json_freep)
    json_t *request = json_pack("{s:s, s:s, s:I, s:s, s:[s]}", "project", text(ask, "project"),
                                "name", "probe", "gpus_per_node", number(ask, "gpus"),
                                "time_limit", limit, "command", "true");
    if (number(ask, "allocation"))
        json_object_set_new(request, "allocation", json_integer(number(ask, "allocation")));
    if (spec_parse(request, &limits, out, &fault) < 0)
        return err_set(e, -EINVAL, "%s: %s", fault.field, fault.why.text);
    return 0;
}

static int op_place(const json_t *ask, struct reply *out, struct err *e)
{
    AUTO(spec_freep) struct spec *spec = NULL;
    struct place_result result;
    int r = need(DB_PORTAL, &portal, e);
    if (r == 0)
        r = make_spec(ask, &spec, e);
    if (r == 0)
        r = ledger_place(portal,
                         &(struct place_ask){number(ask, "person_id"), text(ask, "key"), spec},
                         &result, e);
    if (r == 0)
        *out = (struct reply){result.answer, result.job, result.hold_gpums, result.free_gpums};
    return r;
}

/* ---- runnerd; the lease is a test's, for a day */

static int epoch_get(int64_t *out, struct err *e)
{
    static int64_t epoch;
    struct db_again again = DB_AGAIN(ANSWER_PATIENCE_MS);
    struct lease lease = {0};
    int r = need(DB_RUNNER, &runner, e);
    while (r == 0 && !epoch) {
        r = ledger_lease(runner, "probe", 0, 86400000, &lease, e);
        epoch = r == 0 && lease.is_held ? lease.epoch : 0;
        r = db_again(runner, &again, r) ? 0 : r;
    }
    *out = epoch;
    return r;
}

static int op_lease(const json_t *ask, struct reply *out, struct err *e)
{
    (void)ask;
    int r = connect_all(e);
    return r < 0 ? r : epoch_get(&out->number, e);
}

static struct move_ask move_of(const json_t *ask, int64_t after, enum job_event event,
                               enum job_state state)
{
    return (struct move_ask){
        .job = number(ask, "job"),
        .seq = number(ask, "seq") + after,
        .attempt = number(ask, "attempt"),
        .event = event,
        .state = state,
        .at_ms = number(ask, "at_ms"),
        .note = "",
    };
}

static int op_attempt(const json_t *ask, struct reply *out, struct err *e)
{
    struct attempt_made made;
    struct attempt_ask a = {
        number(ask, "job"),  number(ask, "seq"),   text(ask, "token"), "fake", "{}",
        number(ask, "gpus"), number(ask, "weight")};
    int r = ledger_attempt(runner, number(ask, "epoch"), &a, &made, e);
    if (r == 0)
        out->number = made.id;
    return r;
}

static int op_started(const json_t *ask, struct reply *out, struct err *e)
{
    struct move_ask m = move_of(ask, 0, EVENT_STARTED, JOB_RUNNING);
    (void)out;
    return ledger_move(runner, number(ask, "epoch"), &m, e);
}

static int op_charge(const json_t *ask, struct reply *out, struct err *e)
{
    struct charge_ask c = {number(ask, "attempt"), (int)number(ask, "month"),
                           number(ask, "gpums"), number(ask, "gpums")};
    (void)out;
    return ledger_charge(runner, number(ask, "epoch"), &c, e);
}

static int op_end(const json_t *ask, struct reply *out, struct err *e)
{
    struct move_ask m = move_of(ask, 0, EVENT_ENDED, JOB_COMPLETING);
    struct attempt_end end = {
        .run_ms = number(ask, "run_ms"),
        .chargeable_ms = number(ask, "run_ms"),
        .charge_gpums = number(ask, "gpums"),
        .cause = "lost",
        .exit_code = -1,
    };
    (void)out;
    return ledger_end(runner, number(ask, "epoch"), &m, &end, e);
}

static int op_give_back(const json_t *ask, struct reply *out, struct err *e)
{
    (void)out;
    return ledger_refund(runner, number(ask, "epoch"), number(ask, "attempt"),
                         number(ask, "gpums"), text(ask, "cause"), e);
}

static int op_lost(const json_t *ask, struct reply *out, struct err *e)
{
    struct move_ask m = move_of(ask, 0, EVENT_LOST, JOB_LOST);
    (void)out;
    m.attempt = 0;
    return ledger_finish(runner, number(ask, "epoch"), &m, -1, e);
}

static int op_settle(const json_t *ask, struct reply *out, struct err *e)
{
    int64_t run_ms = number(ask, "run_ms"), gpums = number(ask, "gpums");
    const char *cause = text(ask, "refund_cause");
    struct settle_ask s = {
        .end = move_of(ask, 0, EVENT_ENDED, JOB_COMPLETING),
        .figures = {run_ms, run_ms, gpums, 0, 0, "exit", 0, 0},
        .charge = {number(ask, "attempt"), (int)number(ask, "month"), number(ask, "post"),
                   number(ask, "post")},
        .refund_cause = *cause ? cause : NULL,
        .refund_gpums = number(ask, "refund"),
        .finish = move_of(ask, 1, EVENT_COMPLETED, JOB_COMPLETED),
    };
    s.finish.attempt = 0;
    (void)out;
    return ledger_settle(runner, number(ask, "epoch"), &s, e);
}

static int op_cancel(const json_t *ask, struct reply *out, struct err *e)
{
    struct move_ask m = move_of(ask, 0, EVENT_CANCELLED, JOB_CANCELLED);
    (void)out;
    return ledger_finish(runner, number(ask, "epoch"), &m, -1, e);
}

static int op_expire_all(const json_t *ask, struct reply *out, struct err *e)
{
    struct ledger_expired expired;
    int r = ledger_expire(runner, number(ask, "epoch"), &expired, e);
    out->number = expired.done;
    out->there = expired.failed;
    return r;
}

/* ---- quota */

static struct change_by by_of(const json_t *ask)
{
    return (struct change_by){"probe", "quota test", "a test", text(ask, "key"),
                              json_is_true(json_object_get(ask, "dry"))};
}

static int request(enum request_kind kind, const json_t *ask, struct reply *out, struct err *e)
{
    struct change_by by = by_of(ask);
    struct request_ask q = {.kind = kind, .job = number(ask, "job")};
    enum change_answer answer = CHANGE_DONE;
    int r = need(DB_ADMIN, &admin, e);
    if (r == 0)
        r = request_add(admin, &by, &q, &answer, e);
    out->answer = answer;
    return r;
}

static int op_release(const json_t *ask, struct reply *out, struct err *e)
{
    return request(REQUEST_RELEASE, ask, out, e);
}

static int op_reconcile(const json_t *ask, struct reply *out, struct err *e)
{
    return request(REQUEST_RECONCILE, ask, out, e);
}

static int op_close(const json_t *ask, struct reply *out, struct err *e)
{
    struct change_by by = by_of(ask);
    struct month_ask m = {(int)number(ask, "month"),
                          json_is_true(json_object_get(ask, "anyway"))};
    struct month_result result = {0};
    int r = need(DB_ADMIN, &admin, e);
    if (r == 0)
        r = month_close(admin, &by, &m, &result, e);
    *out = (struct reply){.answer = result.answer, .number = result.uncharged};
    return r;
}

static int post(posting_fn *fn, const json_t *ask, struct reply *out, struct err *e)
{
    struct change_by by = by_of(ask);
    struct posting_ask p = {
        .project = text(ask, "project"),
        .from_ms = number(ask, "from_ms"),
        .until_ms = number(ask, "until_ms"),
        .allocation = number(ask, "allocation"),
        .to_allocation = number(ask, "to_allocation"),
        .job = number(ask, "job"),
        .person_id = number(ask, "person_id"),
        .month = (int)number(ask, "month"),
        .gpums = number(ask, "gpums"),
        .more_ms = number(ask, "more_ms"),
        .cause = text(ask, "cause"),
        .reference = "",
    };
    struct posting_result result = {0};
    int r = need(DB_ADMIN, &admin, e);
    if (r == 0)
        r = fn(admin, &by, &p, &result, e);
    if (r == 0)
        *out = (struct reply){result.answer, result.number, result.moved_gpums,
                              result.there_gpums};
    return r;
}

static const struct op {
    const char *name;
    int (*run)(const json_t *ask, struct reply *out, struct err *e);
    posting_fn *post;
} ops[] = {
    {"place", op_place, NULL},         {"lease", op_lease, NULL},
    {"attempt", op_attempt, NULL},     {"started", op_started, NULL},
    {"charge", op_charge, NULL},       {"settle", op_settle, NULL},
    {"cancel", op_cancel, NULL},       {"expire_all", op_expire_all, NULL},
    {"open", NULL, posting_open},      {"grant", NULL, posting_grant},
    {"revoke", NULL, posting_revoke},  {"transfer", NULL, posting_transfer},
    {"refund", NULL, posting_refund},  {"adjust", NULL, posting_adjust},
    {"expire", NULL, posting_expire},  {"share", NULL, posting_share},
    {"extend", NULL, posting_extend},  {"end", op_end, NULL},
    {"give_back", op_give_back, NULL}, {"lost", op_lost, NULL},
    {"release", op_release, NULL},     {"reconcile", op_reconcile, NULL},
    {"close", op_close, NULL},
};

static int run(const json_t *ask, struct reply *out, struct err *e)
{
    const char *name = text(ask, "op");
    for (size_t i = 0; i < COUNT(ops); i++) {
        if (strcmp(ops[i].name, name))
            continue;
        if (ops[i].post)
            return post(ops[i].post, ask, out, e);
        int r = need(DB_RUNNER, &runner, e);
        return r < 0 ? r : ops[i].run(ask, out, e);
    }
    return err_set(e, -EINVAL, "%s: no such operation", name);
}

int main(int argc, char **argv)
{
    struct conf *c = NULL;
    AUTO(cleanup_free) char *line = NULL;
    size_t size = 0;
    struct err e = {""};
    if (argc != 2 || conf_read(argv[1], &c, &e) < 0 || db_conf_read(c, &conf, &e) < 0) {
        fprintf(stderr, "ledger_probe CONF: %s\n", e.text);
        return 2;
    }
    while (getline(&line, &size, stdin) > 0) {
        AUTO(json_freep) json_t *ask = json_loads(line, 0, NULL);
        struct reply reply = {0};
        e.text[0] = '\0';
        int r = run(ask, &reply, &e);
        AUTO(json_freep)
        json_t *out = r < 0 ? json_pack("{s:i, s:s}", "r", r, "error", e.text)
                            : json_pack("{s:i, s:I, s:I, s:I, s:I}", "r", r, "answer",
                                        reply.answer, "number", reply.number, "moved",
                                        reply.moved, "there", reply.there);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    }
    db_close(portal);
    db_close(runner);
    db_close(admin);
    conf_free(c);
    return 0;
}
