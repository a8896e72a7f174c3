// SPDX-License-Identifier: Apache-2.0
/* pass_bench LIVE WAITING NODES PASSES: what runnerd does each second, with that many jobs.
 *
 * The supervisor as it is, over the fake executor in memory and a store of its own, which takes
 * no time: what is measured is runnerd's work alone. The store's first look brings LIVE jobs
 * that run and WAITING ones that find no room; later looks bring nothing. A pass is
 * supervisor_tick() until nobody has anything to answer any more; a second of the world's time
 * goes by between two. LIVE 0 measures instead how all WAITING are started on empty nodes.
 *
 * Prints one line of JSON; memory is what the process had resident before the passes and after.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runner/base/log.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/random.h"
#include "runner/base/xnew.h"
#include "runner/daemon/store.h"
#include "runner/daemon/supervise.h"
#include "runner/exec/fake.h"
#include "runner/exec/fake_cluster.h"
#include "tests/bench/figures.h"

enum {
    GPUS = 8, /* of a node */
    PEOPLE = 1000,
    PROJECTS = 100,
    TENANTS = 5,
    COUNT_MAX = 1000000,
    SECOND_MS = 1000,
    SETTLING = 3 /* rounds until it is active: lease, greeting, loading */
};
static const int64_t month_ms = INT64_C(30) * 86400000;
static const char forever[] = "{\"command\":[\"sleep\",\"2000000\"]}";

struct bench {
    struct store store;
    int64_t live, waiting, nodes, passes;
    int64_t skipped_ms; /* the world's clocks are ahead by this */
    struct exec_node *node_list;
    struct fake_cluster *cluster;
    struct world world;
    struct supervise_conf conf;
    struct supervisor *supervisor;
    struct look *look; /* under way */
    struct journal_op **ops;
    size_t op_count;
};

/* ---- clocks */

static int64_t wall_ms(void *arg)
{
    const struct bench *b = arg;
    return now_ms() + b->skipped_ms;
}

static int64_t mono_ms(void *arg)
{
    const struct bench *b = arg;
    return now_mono_ms() + b->skipped_ms;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t resident_kib(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- the jobs */

static struct live *make_job(int64_t id)
{
    struct live *j = xnew(struct live);
    *j = (struct live){.id = id,
                       .seq = 1,
                       .state = JOB_QUEUED,
                       .nodes = 1,
                       .gpus_per_node = 1,
                       .time_limit_ms = month_ms,
                       .weight_permille = 1000,
                       .priority = 1,
                       .gpu_type = "any",
                       .person_id = id % PEOPLE + 1,
                       .project_id = id % PROJECTS + 1,
                       .tenant_id = id % TENANTS + 1,
                       .account = {.name = "someone", .gids = "300001", .uid = 200001},
                       .attempt = {.exit_code = -1}};
    snprintf(j->project, sizeof(j->project), "project%d", (int)j->project_id);
    snprintf(j->tenant, sizeof(j->tenant), "tenant%d", (int)j->tenant_id);
    return j;
}

/* The job holds one GPU, and the executor knows its attempt. */
static void let_run(struct bench *b, struct live *j)
{
    struct live_attempt *a = &j->attempt;
    j->state = JOB_RUNNING;
    a->id = a->no = j->id;
    random_hex(a->token, EXEC_TOKEN_LEN / 2);
    snprintf(a->executor, sizeof(a->executor), "fake");
    a->gpus = 1;
    a->weight_permille = j->weight_permille;
    a->created_ms = a->started_ms = wall_ms(b);
    a->limit_ms = j->time_limit_ms;
    a->place.slots = xnew(struct exec_slot);
    a->place.count = 1;
    snprintf(a->place.slots->node, sizeof(a->place.slots->node), "%s",
             b->node_list[j->id / GPUS % b->nodes].name);
    a->place.slots->gpus = UINT64_C(1) << j->id % GPUS;
    struct fake_attempt *runs = fake_cluster_add(b->cluster, a->token);
    runs->asked_ms = runs->begin_ms = a->started_ms;
    runs->play_ms = runs->limit_ms = a->limit_ms;
    runs->has_begun = true;
}

static struct live *make_jobs(struct bench *b)
{
    struct live *list = NULL;
    for (int64_t id = 1; id <= b->live + b->waiting; id++) {
        struct live *j = make_job(id);
        if (id <= b->live)
            let_run(b, j);
        j->next = list;
        list = j;
    }
    return list;
}

/* ---- the store */

static void take_look(struct store *store, struct look *look)
{
    ((struct bench *)store)->look = look;
}

static void take_write(struct store *store, struct journal_op *op)
{
    struct bench *b = (struct bench *)store;
    if (b->op_count == (size_t)b->waiting) {
        fprintf(stderr, "pass_bench: more is written than there are jobs\n");
        exit(1);
    }
    b->ops[b->op_count++] = op;
}

static void free_store(struct store *store)
{
    (void)store;
}

static const struct store_ops store_ops = {take_look, take_write, free_store};

/* Everybody has a limit, and none of them is reached. */
static void make_rules(struct look *l)
{
    l->rule_count = PROJECTS + 1;
    l->rules = xnew_array(struct cap_rule, l->rule_count);
    l->rules[0] = (struct cap_rule){CAP_EVERYONE, 0, COUNT_MAX};
    for (int i = 1; i <= PROJECTS; i++)
        l->rules[i] = (struct cap_rule){CAP_PROJECT, i, COUNT_MAX};
}

static bool answer_look(struct bench *b)
{
    struct look *l = TAKE(b->look);
    if (!l)
        return false;
    l->lease = (struct lease){.is_held = true, .epoch = 1};
    make_rules(l);
    if (l->is_first)
        l->jobs = make_jobs(b);
    l->done(l);
    return true;
}

/* The answers to what was asked until now; what is asked then waits for the next call. */
static bool answer_writes(struct bench *b)
{
    size_t count = b->op_count;
    struct journal_op **ops = TAKE(b->ops);
    b->ops = xnew_array(struct journal_op *, (size_t)b->waiting);
    b->op_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind == JOURNAL_ATTEMPT) {
            ops[i]->attempt = ops[i]->job;
            ops[i]->attempt_no = 1;
            ops[i]->spec = xdup(forever);
        }
        ops[i]->done(ops[i]);
    }
    free(ops);
    return count > 0;
}

/* ---- measuring */

static void answer_all(struct bench *b)
{
    while (answer_look(b) || exec_fake_answer(b->world.executor) ||
           (b->op_count && answer_writes(b)))
        ;
}

static void pass(struct bench *b)
{
    b->skipped_ms += SECOND_MS;
    supervisor_tick(b->supervisor);
    answer_all(b);
}

static void measure_passes(struct bench *b)
{
    struct figures f = {0};
    int64_t begin = figures_now_us();
    for (int i = 0; i < SETTLING; i++)
        pass(b);
    int64_t load_us = figures_now_us() - begin, before = resident_kib(), cpu = cpu_us();
    begin = figures_now_us();
    for (int64_t i = 0; i < b->passes; i++) {
        int64_t at = figures_now_us();
        pass(b);
        figures_add(&f, figures_now_us() - at);
    }
    int64_t whole = figures_now_us() - begin;
    printf("{\"live\": %" PRId64 ", \"waiting\": %" PRId64 ", \"load_ms\": %.1f, "
           "\"cpu_ms\": %.3f, \"before_kib\": %" PRId64 ", \"after_kib\": %" PRId64
           ", \"pass\": ",
           b->live, b->waiting, (double)load_us / 1000,
           (double)(cpu_us() - cpu) / 1000 / (double)b->passes, before, resident_kib());
    figures_print(&f, whole);
    printf("}\n");
    figures_done(&f);
}

/* Until it has the jobs they are nobody's; the tick that brings them starts them. */
static void measure_start(struct bench *b)
{
    supervisor_tick(b->supervisor);
    while (!b->look || !b->look->is_first)
        if (!answer_look(b) && !exec_fake_answer(b->world.executor))
            break;
    int64_t begin = figures_now_us();
    answer_look(b);
    int64_t planned = figures_now_us();
    size_t started = b->op_count, alive = 0;
    answer_all(b);
    int64_t end = figures_now_us();
    fake_cluster_count(b->cluster, &alive);
    printf("{\"waiting\": %" PRId64 ", \"started\": %zu, \"run\": %zu, \"plan_ms\": %.1f, "
           "\"answers_ms\": %.1f}\n",
           b->waiting, started, alive, (double)(planned - begin) / 1000,
           (double)(end - planned) / 1000);
}

/* ---- */

static int set_up(struct bench *b, struct err *e)
{
    b->store.ops = &store_ops;
    b->ops = xnew_array(struct journal_op *, (size_t)b->waiting);
    b->node_list = xnew_array(struct exec_node, (size_t)b->nodes);
    for (int64_t i = 0; i < b->nodes; i++) {
        struct exec_node *n = &b->node_list[i];
        *n = (struct exec_node){.gpu_type = "a100", .gpus = GPUS, .cpus = 64, .is_up = true};
        snprintf(n->name, sizeof(n->name), "node-%05" PRId64, i);
    }
    int r = fake_cluster_new(&(struct fake_cluster_conf){.nodes = b->node_list,
                                                         .node_count = (size_t)b->nodes,
                                                         .wall_ms = wall_ms,
                                                         .arg = b},
                             &b->cluster, e);
    if (r < 0)
        return r;
    world_init(&b->world);
    b->world.wall_ms = wall_ms;
    b->world.mono_ms = mono_ms;
    b->world.arg = b;
    b->world.store = &b->store;
    b->world.executor = exec_fake_new(NULL, b->cluster);
    b->conf = (struct supervise_conf){.holder = "bench", .lease_ms = 15000, .grace_ms = 30000};
    b->supervisor = supervisor_new(&b->world, &b->conf);
    return 0;
}

static void tear_down(struct bench *b)
{
    look_free(b->look);
    for (size_t i = 0; i < b->op_count; i++)
        journal_op_free(b->ops[i]);
    free(b->ops);
    if (b->world.executor)
        b->world.executor->ops->free(b->world.executor);
    supervisor_free(b->supervisor);
    fake_cluster_free(b->cluster);
    free(b->node_list);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct err e = {0};
    log_open("pass_bench", LOG_WARNING);
    if (argc != 5 || parse_i64(argv[1], 0, COUNT_MAX, &b.live) < 0 ||
        parse_i64(argv[2], 1, COUNT_MAX, &b.waiting) < 0 ||
        parse_i64(argv[3], 1, COUNT_MAX, &b.nodes) < 0 ||
        parse_i64(argv[4], 1, COUNT_MAX, &b.passes) < 0) {
        fprintf(stderr, "usage: pass_bench LIVE WAITING NODES PASSES\n");
        return 2;
    }
    int r = set_up(&b, &e);
    if (r < 0)
        fprintf(stderr, "pass_bench: %s\n", e.text);
    else if (b.live)
        measure_passes(&b);
    else
        measure_start(&b);
    tear_down(&b);
    return r < 0;
}
