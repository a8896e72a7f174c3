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

struct supervisor;
struct sampler;

/* Asks every every_ms, SAMPLE_MS but in tests. `library`, which is not copied, is NVML; NULL:
 * this machine's own. */
struct sampler *sampler_new(struct supervisor *s, const char *library, int64_t every_ms);
void sampler_free(struct sampler *p);

/* Adds one sample of `seen` GPUs, `idle` of them idle, taken now. Pure. */
void sample_add(struct live_attempt *a, int seen, int idle);

#endif
