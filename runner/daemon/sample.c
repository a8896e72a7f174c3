// SPDX-License-Identifier: Apache-2.0
/* A timer, a worker of its own (a driver that hangs keeps nobody else waiting) and a list that
 * goes there and comes back. */
#include "runner/daemon/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"
#include "runner/base/work.h"
#include "runner/base/xnew.h"
#include "runner/gpu/gpu.h"
#include "runner/proto/agent_calls.h"

struct sampler {
    struct live_table *jobs;
    struct sampler_conf conf;
    struct work_pool *pool;
    struct loop_timer *timer;
    bool is_asking;
    char trouble[sizeof(((struct err *)0)->text)]; /* as last logged */
};

/* One attempt's GPUs on this machine. */
struct sampled {
    int64_t job, attempt;
    int64_t gpus[PLAN_GPUS_MAX]; /* as NVML counts */
    int count;
    int seen, idle; /* out */
};

struct sample {
    struct sampler *sampler;
    struct sampled attempts[PLAN_GPUS_MAX];
    size_t count;
    struct err why; /* of the last GPU that failed; "" */
};

/* A sample, in the order it happens. */
static void on_time(void *arg);
static void on_sample_run(void *local, void *arg); /* on the worker */
static void on_sampled(int status, void *arg);

/* The worker's own: the driver is opened when it is first needed, and again after a failure. */
struct watching {
    const char *library;
    struct gpu_watch *watch;
};

static void *open_local(void *library)
{
    struct watching *w = xnew(struct watching);
    w->library = library;
    return w;
}

static void close_local(void *local)
{
    struct watching *w = local;
    gpu_watch_close(w->watch);
    free(w);
}

/* False: the driver failed at one of them. */
static bool read_gpus(struct gpu_watch *w, struct sampled *a, struct err *e)
{
    bool is_well = true;
    for (int i = 0; i < a->count; i++) {
        int percent, r = gpu_watch_read(w, a->gpus[i], &percent, e);
        is_well = is_well && r != -EIO;
        if (r < 0)
            continue;
        a->seen++;
        a->idle += percent < SAMPLE_IDLE_PERCENT;
    }
    return is_well;
}

static void on_sample_run(void *local, void *arg)
{
    struct watching *w = local;
    struct sample *p = arg;
    int r = w->watch     ? 0
            : w->library ? gpu_watch_open_from(w->library, &w->watch, &p->why)
                         : gpu_watch_open(&w->watch, &p->why);
    if (r < 0)
        return;
    bool is_well = true;
    for (size_t i = 0; i < p->count; i++)
        is_well = read_gpus(w->watch, &p->attempts[i], &p->why) && is_well;
    if (!is_well)
        gpu_watch_close(TAKE(w->watch));
}

static void add_attempt(const struct sampler *m, const struct live *job, struct sample *p)
{
    uint64_t gpus = exec_place_gpus(&job->attempt.place, m->conf.node);
    if (job->state != JOB_RUNNING || !job->attempt.id || !gpus || p->count == PLAN_GPUS_MAX)
        return;
    struct sampled *a = &p->attempts[p->count++];
    a->job = job->id;
    a->attempt = job->attempt.id;
    for (int i = 0; i < PLAN_GPUS_MAX; i++)
        if (gpus >> i & 1)
            a->gpus[a->count++] = m->conf.gpus[i].index;
}

static void on_time(void *arg)
{
    struct sampler *m = arg;
    if (m->is_asking) /* the driver takes its time */
        return;
    struct sample *p = xnew(struct sample);
    p->sampler = m;
    for (const struct live *j = live_next(m->jobs, NULL); j; j = live_next(m->jobs, j))
        add_attempt(m, j, p);
    if (p->count == 0) {
        free(p);
        return;
    }
    m->is_asking = true;
    work_start(m->pool, on_sample_run, on_sampled, free, p);
}

void sample_add(struct live_attempt *a, int seen, int idle)
{
    int64_t ms = a->metered_ms - a->sampled_at_ms;
    if (ms <= 0)
        return;
    if (ms > 2 * SAMPLE_MS) /* nobody looked for longer than that: it is not known */
        ms = SAMPLE_MS;
    a->sampled_gpums += ms * seen;
    a->idle_gpums += ms * idle;
    a->sampled_at_ms = a->metered_ms;
}

static void on_sampled(int status, void *arg)
{
    struct sample *p = arg;
    struct sampler *m = p->sampler;
    m->is_asking = false;
    for (size_t i = 0; status == 0 && i < p->count; i++) {
        const struct sampled *a = &p->attempts[i];
        struct live *job = live_find(m->jobs, a->job);
        if (job && job->attempt.id == a->attempt)
            sample_add(&job->attempt, a->seen, a->idle);
    }
    if (p->why.text[0] && strcmp(m->trouble, p->why.text))
        log_warning("idle GPUs: %s", p->why.text);
    memcpy(m->trouble, p->why.text, sizeof(m->trouble));
    free(p);
}

struct sampler *sampler_new(struct loop *l, struct live_table *jobs,
                            const struct sampler_conf *conf)
{
    const struct work_local local = {open_local, close_local, (void *)conf->library};
    struct sampler *m = xnew(struct sampler);
    m->jobs = jobs;
    m->conf = *conf;
    m->pool = work_pool_new(l, 1, 1, &local);
    m->timer = loop_timer_new(l, conf->every_ms, conf->every_ms, on_time, m);
    return m;
}

void sampler_free(struct sampler *m)
{
    if (!m)
        return;
    loop_timer_free(m->timer);
    work_pool_free(m->pool);
    free(m);
}
