// SPDX-License-Identifier: Apache-2.0
/* ledger_bench CONF SIDE CLIENTS SECONDS PROJECTS PERSON SERVER: holds and settles, timed.
 *
 * Each client is a thread with connections of its own, which begins the next one when it has the
 * answer to the last. After one of each untimed, all hold for SECONDS, on the projects p0 … in
 * turn; then, untimed, each held job gets an attempt; then all is settled. SIDE:
 *   ours  what portald's workers and runnerd's journal do: who comes while a transaction of that
 *         kind is under way waits in line, and what waits is done in one, at most
 *         PLACE_MANY_MAX holds or SETTLE_MANY_MAX settles. One client never waits: its calls are
 *         ledger_place() and ledger_settle()
 *   many  the same, but the first client alone places, PLACE_MANY_MAX in one transaction
 *   bare  what a careful client without stored procedures would do, with prepared statements in the
 *         tables bare_budget and bare_transfer (made by ledger.py): conditional UPDATE, INSERT,
 *         COMMIT for the hold, and once more for the settle
 * SERVER is mariadbd's pid, for the processor time it took. Prints one line of JSON.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "quota/db/db_internal.h"
#include "quota/ledger.h"
#include "quota/ledger_place.h"
#include "runner/base/jget.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/secret.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"
#include "tests/bench/figures.h"

enum { CLIENTS_MAX = 256, SECONDS_MAX = 600, PROJECTS_MAX = 1000, LEASE_MS = 86400000 };
enum { HOLD_MS = 3600000, USED_MS = 1000 };

struct bench;
struct client;

/* One way of doing it. Each returns how many were done, or a negative errno with a sentence. */
struct side {
    const char *name;
    int (*open)(struct client *c, struct err *e);
    int (*hold)(struct client *c, struct err *e);
    int (*launch)(struct client *c, size_t i, struct err *e); /* untimed; NULL: nothing to do */
    int (*settle)(struct client *c, size_t i, struct err *e);
};

struct held {
    int64_t job, attempt;
};

struct client {
    struct bench *bench;
    pthread_t thread;
    int64_t number, turn;
    struct held *held;
    size_t count, room;
    struct db *portal, *runner;
    MYSQL *mysql;
    MYSQL_STMT *hold, *hold_row, *settle, *settle_rows;
    struct err why;
    bool has_failed;
};

struct bench {
    struct db_conf db;
    const struct side *side;
    struct spec **specs;
    int64_t clients, seconds, projects, person, server, epoch;
    int month;
    struct client *all;
    struct work_line *placing, *settling;
    pthread_barrier_t warm, step; /* of the clients; of the clients and main */
    atomic_bool is_over;
};

static int64_t next_project(struct client *c)
{
    return (c->number + c->turn++) % c->bench->projects;
}

static void keep(struct client *c, int64_t job)
{
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 1024;
        c->held = xgrow(c->held, c->room, sizeof(*c->held));
    }
    c->held[c->count++] = (struct held){.job = job};
}

/* ---- ours */

static int ours_open(struct client *c, struct err *e)
{
    int r = db_open(&c->bench->db, DB_PORTAL, &c->portal, e);
    return r < 0 ? r : db_open(&c->bench->db, DB_RUNNER, &c->runner, e);
}

struct hold_pass {
    struct place_ask ask;
    struct place_result result;
    int status;
    struct err why;
};

static void run_holds(void *local, void *const *args, size_t count)
{
    struct client *c = local;
    struct place_ask asks[PLACE_MANY_MAX] = {0};
    struct place_result results[PLACE_MANY_MAX];
    struct err why;
    for (size_t i = 0; i < count; i++)
        asks[i] = ((struct hold_pass *)args[i])->ask;
    int r = count == 1 ? ledger_place(c->portal, asks, results, &why)
                       : ledger_place_many(c->portal, asks, count, results, &why);
    for (size_t i = 0; i < count; i++) {
        struct hold_pass *p = args[i];
        p->status = r;
        if (r < 0)
            p->why = why;
        else
            p->result = results[i];
    }
}

static int ours_hold(struct client *c, struct err *e)
{
    char key[LEDGER_KEY_LEN + 1];
    struct hold_pass p = {.ask = {c->bench->person, key, c->bench->specs[next_project(c)]}};
    random_hex(key, LEDGER_KEY_LEN / 2);
    work_line_pass(c->bench->placing, c, &p);
    if (p.status < 0)
        return err_set(e, p.status, "%s", p.why.text);
    if (p.result.answer != PLACE_DONE)
        return err_set(e, -1, "a hold was refused: answer %d", (int)p.result.answer);
    keep(c, p.result.job);
    return 0;
}

static int many_hold(struct client *c, struct err *e)
{
    static char keys[PLACE_MANY_MAX][LEDGER_KEY_LEN + 1];
    static struct place_result results[PLACE_MANY_MAX];
    struct place_ask asks[PLACE_MANY_MAX];
    if (c->number != 0) /* all the others wait in its line */
        return usleep(1000);
    for (int i = 0; i < PLACE_MANY_MAX; i++) {
        random_hex(keys[i], LEDGER_KEY_LEN / 2);
        asks[i] = (struct place_ask){c->bench->person, keys[i], c->bench->specs[0]};
    }
    int r = ledger_place_many(c->portal, asks, PLACE_MANY_MAX, results, e);
    for (int i = 0; r == 0 && i < PLACE_MANY_MAX; i++) {
        if (results[i].answer != PLACE_DONE)
            return err_set(e, -1, "a hold was refused: answer %d", (int)results[i].answer);
        keep(&c->bench->all[i % c->bench->clients], results[i].job);
    }
    return r;
}

static int ours_launch(struct client *c, size_t i, struct err *e)
{
    struct held *h = &c->held[i];
    char token[LEDGER_TOKEN_LEN + 1];
    struct attempt_made made;
    struct attempt_ask ask = {h->job, 2, token, "fake", "{}", 1, 1000};
    random_hex(token, LEDGER_TOKEN_LEN / 2);
    int r = ledger_attempt(c->runner, c->bench->epoch, &ask, &made, e);
    h->attempt = made.id;
    struct move_ask move = {h->job, 3, made.id, EVENT_STARTED, JOB_RUNNING, now_ms(), ""};
    return r < 0 ? r : ledger_move(c->runner, c->bench->epoch, &move, e);
}

struct settle_pass {
    struct settle_ask ask;
    int status;
    struct err why;
};

static void run_settles(void *local, void *const *args, size_t count)
{
    struct client *c = local;
    struct settle_ask asks[SETTLE_MANY_MAX] = {0};
    struct err why;
    bool is_done = false;
    for (size_t i = 0; i < count; i++)
        asks[i] = ((struct settle_pass *)args[i])->ask;
    int r = count == 1
                ? 0
                : ledger_settle_many(c->runner, c->bench->epoch, asks, count, &is_done, &why);
    for (size_t i = 0; i < count; i++) {
        struct settle_pass *p = args[i];
        p->status = r;
        if (r < 0)
            p->why = why;
        else if (!is_done)
            p->status = ledger_settle(c->runner, c->bench->epoch, &asks[i], &p->why);
    }
}

static int ours_settle(struct client *c, size_t i, struct err *e)
{
    const struct held *h = &c->held[i];
    struct settle_pass p = {
        .ask = {
            .end = {h->job, 4, h->attempt, EVENT_ENDED, JOB_COMPLETING, now_ms(), ""},
            .figures = {USED_MS, USED_MS, USED_MS, 0, 0, "exit", 0, 0},
            .charge = {h->attempt, c->bench->month, USED_MS, USED_MS},
            .finish = {h->job, 5, 0, EVENT_COMPLETED, JOB_COMPLETED, 0, "exit code 0"},
        }};
    work_line_pass(c->bench->settling, c, &p);
    return p.status < 0 ? err_set(e, p.status, "%s", p.why.text) : 0;
}

/* ---- bare */

static int bare_fail(struct client *c, MYSQL_STMT *s, struct err *e)
{
    return err_set(e, -1, "bare: %s", s ? mysql_stmt_error(s) : mysql_error(c->mysql));
}

static int bare_prepare(struct client *c, const char *text, MYSQL_STMT **out, struct err *e)
{
    *out = mysql_stmt_init(c->mysql);
    return mysql_stmt_prepare(*out, text, strlen(text)) ? bare_fail(c, *out, e) : 0;
}

#define BARE_ROW                                                                               \
    "INSERT INTO bare_transfer (type, debit_budget, debit_bucket, credit_budget,"              \
    " credit_bucket, gpums, job_id, person_id, month, at_ms, actor, reason, request_key, leg)" \
    " VALUES "

static int bare_open(struct client *c, struct err *e)
{
    char *password = NULL;
    int r = secret_read(c->bench->db.portal_password_file, &password, e);
    if (r < 0)
        return r;
    r = db_connect(&c->bench->db,
                   &(struct db_login){
                       .user = "firefly_portal", .password = password, .database = "firefly"},
                   &c->mysql, e);
    secret_free(password);
    if (r == 0 && mysql_autocommit(c->mysql, 0))
        r = bare_fail(c, NULL, e);
    if (r == 0)
        r = bare_prepare(c,
                         "UPDATE bare_budget SET free = free - 3600000, held = held + 3600000"
                         " WHERE id = ? AND free >= 3600000",
                         &c->hold, e);
    if (r == 0)
        r = bare_prepare(c,
                         BARE_ROW "('hold', ?, 'free', ?, 'held', 3600000, ?, 1, 202611, ?,"
                                  " 'north/alice', 'submit', ?, 0)",
                         &c->hold_row, e);
    if (r == 0)
        r = bare_prepare(c,
                         "UPDATE bare_budget SET held = held - 3600000, used = used + 1000,"
                         " free = free + 3599000 WHERE id = ? AND held >= 3600000",
                         &c->settle, e);
    if (r == 0)
        r = bare_prepare(c,
                         BARE_ROW "('charge', ?, 'held', ?, 'used', 1000, ?, 1, 202611, ?,"
                                  " 'runnerd', 'run time', ?, 0),"
                                  " ('release', ?, 'held', ?, 'free', 3599000, ?, 1, 202611, ?,"
                                  " 'runnerd', 'completed', ?, 0)",
                         &c->settle_rows, e);
    return r;
}

static int bare_run(struct client *c, MYSQL_STMT *s, MYSQL_BIND *binds, struct err *e)
{
    return mysql_stmt_bind_param(s, binds) || mysql_stmt_execute(s) ? bare_fail(c, s, e) : 0;
}

#define BIND_I64(p) ((MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = (p)})
#define BIND_TEXT(p)                                                                           \
    ((MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .buffer = (p), .buffer_length = strlen(p)})

static int bare_update(struct client *c, MYSQL_STMT *s, int64_t *budget, struct err *e)
{
    MYSQL_BIND bind[] = {BIND_I64(budget)};
    int r = bare_run(c, s, bind, e);
    if (r == 0 && mysql_stmt_affected_rows(s) != 1)
        r = err_set(e, -1, "bare: no budget");
    return r;
}

static int bare_hold(struct client *c, struct err *e)
{
    static atomic_llong jobs;
    int64_t job = getpid() * INT64_C(100000000) + ++jobs, at_ms = now_ms();
    int64_t budget = 1 + next_project(c);
    char key[40];
    snprintf(key, sizeof(key), "hold:%" PRId64, job);
    MYSQL_BIND row[] = {BIND_I64(&budget), BIND_I64(&budget), BIND_I64(&job), BIND_I64(&at_ms),
                        BIND_TEXT(key)};
    int r = bare_update(c, c->hold, &budget, e);
    if (r == 0)
        r = bare_run(c, c->hold_row, row, e);
    if (r == 0 && mysql_commit(c->mysql))
        r = bare_fail(c, NULL, e);
    if (r == 0)
        keep(c, job);
    c->held[c->count - 1].attempt = budget;
    return r;
}

static int bare_settle(struct client *c, size_t i, struct err *e)
{
    struct held *h = &c->held[i];
    int64_t at_ms = now_ms();
    char charge[60], release[40];
    snprintf(charge, sizeof(charge), "charge:%" PRId64 ":202611", h->job);
    snprintf(release, sizeof(release), "release:%" PRId64, h->job);
    MYSQL_BIND rows[] = {BIND_I64(&h->attempt), BIND_I64(&h->attempt), BIND_I64(&h->job),
                         BIND_I64(&at_ms),      BIND_TEXT(charge),     BIND_I64(&h->attempt),
                         BIND_I64(&h->attempt), BIND_I64(&h->job),     BIND_I64(&at_ms),
                         BIND_TEXT(release)};
    int r = bare_update(c, c->settle, &h->attempt, e);
    if (r == 0)
        r = bare_run(c, c->settle_rows, rows, e);
    if (r == 0 && mysql_commit(c->mysql))
        r = bare_fail(c, NULL, e);
    return r;
}

static const struct side sides[] = {
    {"ours", ours_open, ours_hold, ours_launch, ours_settle},
    {"many", ours_open, many_hold, ours_launch, ours_settle},
    {"bare", bare_open, bare_hold, NULL, bare_settle},
};

/* ---- the run: between two steps of the barrier all clients do the same */

static void fail(struct client *c, int r)
{
    if (r >= 0)
        return;
    c->has_failed = true;
    c->bench->is_over = true;
}

/* Launches and settles all that is held. `begin` is reached between the two. */
static void end_all(struct client *c, pthread_barrier_t *begin)
{
    const struct side *side = c->bench->side;
    for (size_t i = 0; side->launch && i < c->count && !c->has_failed; i++)
        fail(c, side->launch(c, i, &c->why));
    pthread_barrier_wait(begin);
    for (size_t i = 0; i < c->count && !c->has_failed; i++)
        fail(c, side->settle(c, i, &c->why));
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    struct bench *b = c->bench;
    fail(c, b->side->open(c, &c->why));
    if (!c->has_failed) /* once untimed: the server compiles procedures for each connection */
        fail(c, b->side->hold(c, &c->why));
    pthread_barrier_wait(&b->warm);
    end_all(c, &b->warm);
    c->count = 0;
    pthread_barrier_wait(&b->step);
    while (!b->is_over && !c->has_failed)
        fail(c, b->side->hold(c, &c->why));
    pthread_barrier_wait(&b->step);
    end_all(c, &b->step);
    pthread_barrier_wait(&b->step);
    db_close(c->portal);
    db_close(c->runner);
    if (c->mysql)
        mysql_close(c->mysql);
    return NULL;
}

/* Processor time so far, in microseconds: ours and the server's. */
static int64_t cpu_us(const struct bench *b)
{
    struct rusage u;
    char path[64], text[1000] = "";
    long long user = 0, system = 0;
    getrusage(RUSAGE_SELF, &u);
    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", b->server);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    const char *rest = n ? strrchr(text, ')') : NULL;
    if (rest) /* fields 14 and 15; the state is the 3rd */
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user,
               &system);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec + (user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static void print_run(const struct bench *b, int64_t hold_us, int64_t settle_us, int64_t cpu)
{
    size_t jobs = 0;
    for (int64_t i = 0; i < b->clients; i++)
        jobs += b->all[i].count;
    double n = (double)jobs;
    printf("{\"jobs\": %zu, \"per_second\": %.1f, \"holds_per_second\": %.1f,"
           " \"settles_per_second\": %.1f, \"cpu_us_each\": %.1f, \"cpus_busy\": %.2f}\n",
           jobs, n * 1e6 / (double)(hold_us + settle_us), n * 1e6 / (double)hold_us,
           n * 1e6 / (double)settle_us, (double)cpu / n,
           (double)cpu / (double)(hold_us + settle_us));
}

static int run_all(struct bench *b, struct err *e)
{
    int r = 0;
    b->all = xnew_array(struct client, (size_t)b->clients);
    b->placing = work_line_new(run_holds, PLACE_AT_ONCE);
    b->settling = work_line_new(run_settles, 1);
    pthread_barrier_init(&b->warm, NULL, (unsigned)b->clients);
    pthread_barrier_init(&b->step, NULL, (unsigned)b->clients + 1);
    for (int64_t i = 0; i < b->clients; i++) {
        b->all[i] = (struct client){.bench = b, .number = i};
        if (pthread_create(&b->all[i].thread, NULL, run_client, &b->all[i]))
            abort();
    }
    pthread_barrier_wait(&b->step);
    int64_t begin = figures_now_us(), cpu = -cpu_us(b);
    nanosleep(&(struct timespec){.tv_sec = b->seconds}, NULL);
    b->is_over = true;
    pthread_barrier_wait(&b->step);
    int64_t hold_us = figures_now_us() - begin;
    cpu += cpu_us(b);
    pthread_barrier_wait(&b->step);
    begin = figures_now_us();
    cpu -= cpu_us(b);
    pthread_barrier_wait(&b->step);
    cpu += cpu_us(b);
    print_run(b, hold_us, figures_now_us() - begin, cpu);
    for (int64_t i = 0; i < b->clients; i++) {
        pthread_join(b->all[i].thread, NULL);
        if (b->all[i].has_failed)
            r = err_set(e, -1, "%s", b->all[i].why.text);
        free(b->all[i].held);
    }
    free(b->all);
    work_line_free(b->placing);
    work_line_free(b->settling);
    return r;
}

static int make_specs(struct bench *b, struct err *e)
{
    static const struct spec_limits limits = {1, 8, 8, HOLD_MS};
    struct spec_fault fault;
    b->specs = xnew_array(struct spec *, (size_t)b->projects);
    for (int64_t i = 0; i < b->projects; i++) {
        char name[32];
        snprintf(name, sizeof(name), "p%" PRId64, i);
        AUTO(json_freep)
        json_t *request = json_pack("{ss ss si ss s[s]}", "project", name, "name", "bench",
                                    "gpus_per_node", 1, "time_limit", "1h", "command", "true");
        if (spec_parse(request, &limits, &b->specs[i], &fault) < 0)
            return err_set(e, -1, "%s: %s", fault.field, fault.why.text);
    }
    return 0;
}

/* The lease, and the month of now. */
static int prepare(struct bench *b, struct err *e)
{
    AUTO(db_closep) struct db *db = NULL;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    struct lease lease;
    int r = db_open(&b->db, DB_RUNNER, &db, e);
    if (r == 0)
        r = ledger_lease(db, "bench", 0, LEASE_MS, &lease, e);
    if (r == 0)
        r = db_select(db, SQL_MONTHS, DB_ARGS(DB_I64(now_ms()), DB_I64(now_ms() + 1)), &rows,
                      e);
    if (r == 0)
        r = db_rows_next(rows, e);
    if (r <= 0)
        return r < 0 ? r : err_set(e, -1, "no month of now");
    b->epoch = lease.epoch;
    b->month = (int)db_rows_i64(rows, 0);
    return 0;
}

AUTO_FREE(conf_free, struct conf)

static int run(char **argv, struct err *e)
{
    AUTO(conf_freep) struct conf *conf = NULL;
    struct bench b = {0};
    for (size_t i = 0; i < COUNT(sides); i++)
        if (!strcmp(sides[i].name, argv[2]))
            b.side = &sides[i];
    if (!b.side || parse_i64(argv[3], 1, CLIENTS_MAX, &b.clients) < 0 ||
        parse_i64(argv[4], 1, SECONDS_MAX, &b.seconds) < 0 ||
        parse_i64(argv[5], 1, PROJECTS_MAX, &b.projects) < 0 ||
        parse_i64(argv[6], 1, INT32_MAX, &b.person) < 0 ||
        parse_i64(argv[7], 1, INT32_MAX, &b.server) < 0)
        return err_set(e, -1, "SIDE is ours, many or bare, and what follows are numbers");
    int r = conf_read(argv[1], &conf, e);
    if (r == 0)
        r = db_conf_read(conf, &b.db, e);
    if (r == 0)
        r = make_specs(&b, e);
    if (r == 0)
        r = prepare(&b, e);
    if (r == 0)
        r = run_all(&b, e);
    for (int64_t i = 0; b.specs && i < b.projects; i++)
        spec_free(b.specs[i]);
    free(b.specs);
    return r;
}

int main(int argc, char **argv)
{
    struct err e;
    if (argc != 8) {
        fprintf(stderr,
                "usage: ledger_bench CONF SIDE CLIENTS SECONDS PROJECTS PERSON SERVER\n");
        return 2;
    }
    if (run(argv, &e) < 0) {
        fprintf(stderr, "ledger_bench: %s\n", e.text);
        return 1;
    }
    return 0;
}
