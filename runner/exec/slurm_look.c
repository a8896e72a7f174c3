// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/command.h"
#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"
#include "runner/exec/slurm_argv.h"
#include "runner/exec/slurm_nodes.h"

enum {
    TIMEOUT_MS = 60000, /* sacct blocks for 45 s while slurmdbd does not answer */
    OUTPUT_MAX = 256 * 1024 * 1024,
    NONCE_LEN = 16,
    PATH_TEXT_MAX = 512
};

/* ---- running a program */

struct command *slurm_run(struct loop *l, const struct exec_slurm_conf *conf,
                          struct slurm_argv *argv, int64_t timeout_ms,
                          void (*done)(const struct command_answer *answer, void *arg),
                          void *arg)
{
    char path[PATH_TEXT_MAX], slurm_conf[PATH_TEXT_MAX];
    const char *env[] = {
        "SLURM_TIME_FORMAT=%s", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", NULL, NULL};
    const char *args[SLURM_ARGV_MAX + 1] = {path};
    snprintf(path, sizeof(path), "%s/%s", conf->programs, argv->items[0]);
    snprintf(slurm_conf, sizeof(slurm_conf), "SLURM_CONF=%s", conf->slurm_conf);
    if (*conf->slurm_conf)
        env[4] = slurm_conf;
    for (size_t i = 1; i < argv->count; i++)
        args[i] = argv->items[i];
    struct command *c = command_start(
        l,
        &(struct command_ask){
            .argv = args, .env = env, .timeout_ms = timeout_ms, .out_max = OUTPUT_MAX},
        done, arg);
    slurm_argv_done(argv);
    return c;
}

int slurm_run_check(const struct command_answer *a, const char *program, struct err *e)
{
    struct err why;
    if (a->status < 0)
        return err_set(e, a->status, "%s: %s", program, a->why.text);
    if (a->is_cut)
        return err_set(e, -E2BIG, "%s: more than %d MiB of output", program,
                       OUTPUT_MAX / 1024 / 1024);
    if (a->exit_code == 0)
        return 0;
    slurm_answer_read(a->err, &why);
    return err_set(e, -EIO, "%s: exit status %d: %s", program, a->exit_code, why.text);
}

/* ---- a look */

struct slurm_look {
    struct loop *loop;
    const struct exec_slurm_conf *conf;
    struct slurm_table *table;
    slurm_looked_fn *done;
    void *arg;
    struct command *command;
    struct loop_timer *timer;
    int64_t began_ms;
    bool is_sacct;
    char nonce[NONCE_LEN + 1];
};

/* In the order it happens. */
static void begin(void *arg);
static void on_squeue(const struct command_answer *answer, void *arg);
static void ask_sacct(struct slurm_look *k);
static void on_sacct(const struct command_answer *answer, void *arg);

static void look_free(struct slurm_look *k)
{
    loop_timer_free(k->timer);
    command_cancel(k->command);
    free(k);
}

static void look_finish(struct slurm_look *k, int status, const struct err *why)
{
    const struct err said = *why;
    slurm_looked_fn *done = k->done;
    void *arg = k->arg;
    int64_t began_ms = k->began_ms;
    look_free(k);
    done(status, began_ms, &said, arg);
}

static void take(const struct slurm_seen *seen, void *arg)
{
    struct slurm_look *k = arg;
    struct slurm_entry *e = slurm_table_match(k->table, seen);
    if (e)
        slurm_attempt_see(&e->attempt, seen, k->is_sacct, now_ms());
}

/* False: there is nothing to ask for. */
static bool make_ask(struct slurm_look *k, struct slurm_need *need, struct slurm_ask *ask)
{
    slurm_table_need(k->table, k->is_sacct, k->began_ms, need);
    random_hex(k->nonce, NONCE_LEN / 2);
    int64_t ago_ms = k->began_ms > need->oldest_ms ? k->began_ms - need->oldest_ms : 0;
    bool by_id = !need->is_doubtful && need->count <= SLURM_IDS_MAX;
    *ask = (struct slurm_ask){.nonce = k->nonce,
                              .cluster = slurm_choice(k->conf->cluster),
                              .ids = by_id ? need->ids : NULL,
                              .id_count = by_id ? need->count : 0,
                              .oldest_ago_s = ago_ms / 1000};
    return need->is_any;
}

static void ask(struct slurm_look *k,
                int (*make)(struct slurm_argv *, const struct slurm_ask *, struct err *),
                command_done_fn *then)
{
    AUTO(slurm_need_done) struct slurm_need need;
    struct slurm_ask what;
    struct slurm_argv argv;
    struct err why = {{0}};
    if (!make_ask(k, &need, &what)) {
        look_finish(k, 0, &why);
        return;
    }
    int r = make(&argv, &what, &why);
    if (r < 0)
        look_finish(k, r, &why);
    else
        k->command = slurm_run(k->loop, k->conf, &argv, TIMEOUT_MS, then, k);
}

static void begin(void *arg)
{
    struct slurm_look *k = arg;
    loop_timer_free(TAKE(k->timer));
    ask(k, slurm_argv_squeue, on_squeue);
}

/* Rows that could not be read may have been ours: then the look was not complete. */
static int check_rows(const char *program, int r, const struct slurm_count *count,
                      struct err *e)
{
    if (r < 0)
        return err_set(e, r, "%s: its output cannot be read", program);
    return count->bad ? err_set(e, -EBADMSG, "%s: %zu rows cannot be read, the first: %s",
                                program, count->bad, count->first.text)
                      : 0;
}

static void on_squeue(const struct command_answer *answer, void *arg)
{
    struct slurm_look *k = arg;
    struct slurm_count count = {0};
    struct slurm_taker to = {take, k};
    struct err why = {{0}};
    k->command = NULL;
    int r = slurm_run_check(answer, "squeue", &why);
    if (r == -EIO && slurm_answer_read(answer->err, NULL) == SLURM_GONE)
        r = 0; /* the one that was asked for is not there */
    else if (r == 0)
        r = check_rows("squeue",
                       slurm_squeue_read(answer->out, answer->out_len, k->nonce, &to, &count),
                       &count, &why);
    if (r < 0)
        look_finish(k, r, &why);
    else
        ask_sacct(k);
}

static void ask_sacct(struct slurm_look *k)
{
    k->is_sacct = true;
    ask(k, slurm_argv_sacct, on_sacct);
}

static void on_sacct(const struct command_answer *answer, void *arg)
{
    struct slurm_look *k = arg;
    struct slurm_count count = {0};
    struct slurm_taker to = {take, k};
    struct err why = {{0}};
    k->command = NULL;
    int r = slurm_run_check(answer, "sacct", &why);
    if (r == 0)
        r = check_rows("sacct",
                       slurm_sacct_read(answer->out, answer->out_len, k->nonce, &to, &count),
                       &count, &why);
    look_finish(k, r, &why);
}

struct slurm_look *slurm_look_start(struct loop *l, const struct exec_slurm_conf *conf,
                                    struct slurm_table *table, slurm_looked_fn *done, void *arg)
{
    struct slurm_look *k = xnew(struct slurm_look);
    *k = (struct slurm_look){.loop = l,
                             .conf = conf,
                             .table = table,
                             .done = done,
                             .arg = arg,
                             .began_ms = now_ms()};
    k->timer = loop_timer_new(l, 0, 0, begin, k);
    return k;
}

void slurm_look_cancel(struct slurm_look *k)
{
    if (k)
        look_free(k);
}

/* ---- the nodes */

struct slurm_nodes {
    const struct exec_slurm_conf *conf;
    struct command *command;
    slurm_nodes_fn *done;
    void *arg;
    char nonce[NONCE_LEN + 1];
    struct exec_node *nodes;
    size_t count;
};

static void nodes_free(struct slurm_nodes *n)
{
    command_cancel(n->command);
    free(n->nodes);
    free(n);
}

static void take_node(const struct slurm_node *seen, void *arg)
{
    struct slurm_nodes *n = arg;
    if (*n->conf->partition && strcmp(n->conf->partition, seen->partition) != 0)
        return;
    if (strlen(seen->name) > EXEC_NODE_NAME_MAX)
        return;
    n->nodes = xgrow(n->nodes, n->count + 1, sizeof(*n->nodes));
    struct exec_node *out = &n->nodes[n->count++];
    *out = (struct exec_node){.gpus = seen->gpus > EXEC_NODE_GPUS_MAX ? EXEC_NODE_GPUS_MAX
                                      : seen->gpus > 0                ? seen->gpus
                                                                      : 0,
                              .cpus = seen->cpus,
                              .memory_bytes = seen->memory_bytes,
                              .is_up = seen->state == SLURM_NODE_UP};
    snprintf(out->name, sizeof(out->name), "%s", seen->name);
    snprintf(out->gpu_type, sizeof(out->gpu_type), "%s", seen->gpu_type);
    snprintf(out->enforced, sizeof(out->enforced), "by Slurm: %s%s%.200s",
             slurm_node_state_name(seen->state), *seen->reason ? ", " : "", seen->reason);
}

static int by_name(const void *left, const void *right)
{
    const struct exec_node *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* A node of several partitions is told once for each. */
static void keep_once(struct slurm_nodes *n)
{
    size_t kept = 0;
    if (n->count)
        qsort(n->nodes, n->count, sizeof(*n->nodes), by_name);
    for (size_t i = 0; i < n->count; i++)
        if (kept == 0 || strcmp(n->nodes[kept - 1].name, n->nodes[i].name) != 0)
            n->nodes[kept++] = n->nodes[i];
    n->count = kept;
}

static void on_sinfo(const struct command_answer *answer, void *arg)
{
    struct slurm_nodes *n = arg;
    struct slurm_count count = {0};
    struct slurm_node_taker to = {take_node, n};
    struct err why = {{0}};
    n->command = NULL;
    int r = slurm_run_check(answer, "sinfo", &why);
    if (r == 0)
        r = check_rows("sinfo",
                       slurm_sinfo_read(answer->out, answer->out_len, n->nonce, &to, &count),
                       &count, &why);
    keep_once(n);
    n->done(r, n->nodes, n->count, &why, n->arg);
    nodes_free(n);
}

struct slurm_nodes *slurm_nodes_start(struct loop *l, const struct exec_slurm_conf *conf,
                                      slurm_nodes_fn *done, void *arg)
{
    struct slurm_nodes *n = xnew(struct slurm_nodes);
    struct slurm_argv argv;
    struct err why;
    *n = (struct slurm_nodes){.conf = conf, .done = done, .arg = arg};
    random_hex(n->nonce, NONCE_LEN / 2);
    struct slurm_ask what = {.nonce = n->nonce, .cluster = slurm_choice(conf->cluster)};
    int r = slurm_argv_sinfo(&argv, &what, &why);
    if (r < 0) { /* the configuration was checked: a name that no command line takes */
        log_error("sinfo: %s", why.text);
        free(n);
        return NULL;
    }
    n->command = slurm_run(l, conf, &argv, TIMEOUT_MS, on_sinfo, n);
    return n;
}

void slurm_nodes_cancel(struct slurm_nodes *n)
{
    if (n)
        nodes_free(n);
}
