// SPDX-License-Identifier: Apache-2.0
/* Whether GPUs are used by those who have them: now and then a worker asks the driver of this
 * machine about the GPUs of the attempts that run, and the answers are added up in the
 * attempts.
 *
 * A sample stands for the run time since the one before. What was not looked at (a runnerd that
 * was down, a GPU that does not say) counts neither as busy nor as idle. Loop thread only.
 */
#ifndef FF_DAEMON_SAMPLE_H
#define FF_DAEMON_SAMPLE_H

#include "runner/daemon/live.h"

enum {
    SAMPLE_MS = 10000,
    SAMPLE_IDLE_PERCENT = 5 /* below it a GPU does nothing: a desktop's or monitor's own load */
};

struct sampler;
struct loop;
struct agent_gpu;

struct sampler_conf {
    const char *library;          /* NVML; NULL: this machine's own */
    const char *node;             /* this machine's name … */
    const struct agent_gpu *gpus; /* … and GPUs, by their numbers in places */
    int64_t every_ms;             /* SAMPLE_MS but in tests */
};

/* Looks at the attempts among `jobs`. Everything is borrowed. */
struct sampler *sampler_new(struct loop *l, struct live_table *jobs,
                            const struct sampler_conf *conf);
void sampler_free(struct sampler *p);

/* Adds one sample of `seen` GPUs, `idle` of them idle, taken now. Pure. */
void sample_add(struct live_attempt *a, int seen, int idle);

#endif
