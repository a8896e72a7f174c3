// SPDX-License-Identifier: Apache-2.0
/* What runner-task says about itself where no keeper does: files of .firefly/attempt-TOKEN/ in
 * the job's folder, for runnerd to read.
 *
 *   beat-N   every few seconds, from before the ranks' start on: node N lives
 *   exit-N   once, when they have ended
 *
 * Hints, never evidence: the folder is the user's, who can write there whatever he likes. What
 * is charged, and how an attempt ended, the batch system's accounting says; these files say
 * when to look, and what to show. A failure to write them is told in the log and ends nothing.
 *
 * Both are one JSON object:
 *   node host boot_id batch_id   where, and the batch system's number of the job
 *   gpus node_gpus               what the job sees ("0,1"), and which of the node's they are
 *   started_ms beat_ms           wall clock
 *   run_ms                       by CLOCK_BOOTTIME, so that a node asleep counts
 *   exit_code ended_ms           in exit-N alone: runner-task's own status, 128 + signal
 */
#ifndef FF_TASK_RECORD_H
#define FF_TASK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "runner/base/err.h"

enum { RECORD_BEAT_MS = 5000 };

struct batch_site;
struct record {
    const struct batch_site *site;
    int folder;
    int64_t started_ms, started_boot_ms;
    bool has_failed; /* said once */
};

/* Opens the folder and notes the time. `site` is borrowed. */
int record_start(struct record *r, const char *token, const struct batch_site *site,
                 struct err *e);
void record_beat(void *record); /* for ranks_plan.on_tick */
void record_exit(struct record *r, int status);

#endif
