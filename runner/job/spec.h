// SPDX-License-Identifier: Apache-2.0
/* A job's request: what a person asked for, checked, in one canonical form.
 *
 * It comes in as JSON (from the form, the API or the command line), leaves as JSON for
 * runner-task, and is hashed so that the same key with other content can be told from a repeat.
 * Pure: no clock, no files; what the site allows comes in as `struct spec_limits`.
 *
 * JSON fields (names as stored and as in the API), * required:
 *   project*  name*  gpus_per_node*  time_limit* ("2h", or milliseconds in time_limit_ms)
 *   script or command* (text run by its #! line or /bin/bash; or an array of arguments)
 *   kind batch|distributed   nodes 1   gpu_type any   cpus 0 (by GPUs)   memory 0 bytes (by GPUs)
 *   (memory may come as "64G", durations as "2h" without _ms; a field not listed is refused)
 *   allocation 0   env {NAME: value}   retries 0   checkpoint false   checkpoint_interval_ms 0
 *   priority idle|normal|urgent
 */
#ifndef FF_JOB_SPEC_H
#define FF_JOB_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "runner/base/cleanup.h"
#include "runner/base/digest.h"
#include "runner/base/err.h"

enum {
    SPEC_NAME_MAX = 80,          /* bytes of UTF-8 */
    SPEC_SCRIPT_MAX = 64 * 1024, /* bytes of script, or of all arguments together */
    SPEC_JSON_MAX = 128 * 1024,
    SPEC_ENV_MAX = 64, /* variables */
};

enum spec_kind {
    SPEC_BATCH,       /* one rank, on the first node */
    SPEC_DISTRIBUTED, /* one rank per GPU (per node when there are no GPUs) */
};

enum spec_priority { SPEC_IDLE, SPEC_NORMAL, SPEC_URGENT };

struct spec {
    enum spec_kind kind;
    const char *name, *project;
    int64_t allocation; /* 0: the one ending first that covers it */
    int64_t nodes, gpus_per_node;
    const char *gpu_type;       /* "any" or a type of the price list */
    int64_t cpus, memory_bytes; /* per node; 0: in proportion to the GPUs */
    int64_t time_limit_ms;
    const char *script; /* NULL when `command` is given */
    const json_t *command;
    bool checkpoint;
    int64_t checkpoint_interval_ms;
    int64_t retries;
    enum spec_priority priority;
    json_t *json; /* the canonical request; every pointer above lives in it */
};

/* The largest request the site takes. */
struct spec_limits {
    int64_t nodes, gpus_per_node, gpus, time_limit_ms;
};

/* What was wrong, field by field, so that a form can mark it. */
struct spec_fault {
    char field[32];
    struct err why; /* "gpus_per_node: 9999 is not from 1 to 8" */
};

/* Checks `request` and makes the canonical form. -EINVAL: the first fault is in `fault`. The
 * result is independent of `request`; caller frees with spec_free(). */
int spec_parse(const json_t *request, const struct spec_limits *limits, struct spec **out,
               struct spec_fault *fault);

/* Reads the canonical form again, as it came from our own database. */
int spec_load(const char *text, size_t len, struct spec **out, struct err *e);

void spec_free(struct spec *s);
AUTO_FREE(spec_free, struct spec)

char *spec_text(const struct spec *s);                      /* canonical JSON; caller frees */
void spec_hash(const struct spec *s, char out[DIGEST_HEX]); /* of the canonical JSON */

int64_t spec_gpus(const struct spec *s);  /* nodes × gpus_per_node */
int64_t spec_ranks(const struct spec *s); /* processes of one attempt, on all nodes */
const char *spec_kind_name(enum spec_kind k);
const char *spec_priority_name(enum spec_priority p);

#endif
