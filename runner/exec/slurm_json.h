// SPDX-License-Identifier: Apache-2.0
/* The --json of Slurm's clients: values in either of their forms. 22.05 writes plain numbers
 * and null; from 23.02 on numbers come as {set, infinite, number}. Both are taken everywhere,
 * so that no release has to be told from another. For slurm_seen_json.c and
 * slurm_nodes_json.c. */
#ifndef FF_EXEC_SLURM_JSON_H
#define FF_EXEC_SLURM_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "runner/base/jget.h"

enum { SLURM_JSON_MAX = 256 * 1024 * 1024 };

/* -EINVAL, -E2BIG: no JSON object, or over 256 MiB; -EIO: it carries an error of Slurm's, which
 * `e` tells. Caller frees with json_decref(). */
int slurm_json_open(const char *data, size_t len, json_t **out_root, struct err *e);

/* A whole number; -1: null, not set, infinite, negative, or no number. */
int64_t slurm_json_number(const json_t *v);

/* "" for anything that is no text, and for Slurm's words for nothing. */
const char *slurm_json_text(const json_t *v);

/* A field of a field; NULL when either is missing. */
const json_t *slurm_json_below(const json_t *o, const char *field, const char *inner);

#endif
