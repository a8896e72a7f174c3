// SPDX-License-Identifier: Apache-2.0
/* Whatever Slurm's clients print: every reader on the same bytes. A job that comes out has an
 * id, and every number is known or -1; a list of nodes never gives more names than were
 * allowed. */
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/exec/slurm_nodes.h"
#include "runner/exec/slurm_seen.h"
#include "tests/fuzz/fuzz.h"

static const char nonce[] = "k3f9a1b2";

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_job(const struct slurm_seen *s, void *arg)
{
    const int64_t known[] = {
        s->submit_ms, s->start_ms, s->end_ms,    s->limit_ms, s->node_count,
        s->gpus,      s->restarts, s->elapsed_s, s->uid,      s->cancelled_by_uid};
    (void)arg;
    require(s->id >= 1 && s->id <= SLURM_ID_MAX);
    for (size_t i = 0; i < COUNT(known); i++)
        require(known[i] >= -1);
    require(s->submit_ms != 0 && s->start_ms != 0 && s->end_ms != 0 && s->node_count != 0);
    require(!*s->token || strlen(s->token) == SLURM_TOKEN_LEN);
    require(s->exit_code >= -1 && s->exit_code <= 255 && s->signal_no >= 0);
    require(s->exit_code != 0 || s->state == SLURM_COMPLETED);
    require(strlen(s->cluster) < SIZE_MAX && strlen(s->nodes) < SIZE_MAX);
}

static void check_node(const struct slurm_node *n, void *arg)
{
    (void)arg;
    require(*n->name && n->cpus >= -1 && n->memory_bytes >= -1 && n->gpus >= 0);
    require(strlen(n->gpu_type) <= SLURM_TYPE_MAX && n->reason && n->partition);
}

static void check_host(const char *name, void *arg)
{
    (void)arg;
    require(*name && strlen(name) <= SLURM_HOST_MAX);
}

static void read_texts(const char *text)
{
    struct slurm_accepted accepted;
    struct slurm_version version;
    char token[SLURM_TOKEN_LEN + 1], type[SLURM_TYPE_MAX + 1];
    struct err why;
    int64_t n = 0;
    slurm_answer_read(text, &why);
    require(!strchr(why.text, '\n'));
    if (slurm_accepted_read(text, &accepted, &why) == 0)
        require(accepted.id >= 1 && accepted.id <= SLURM_ID_MAX);
    slurm_version_read(text, &version, &why);
    slurm_state_read(text);
    slurm_node_state_read(text);
    slurm_token_read(text, token);
    if (slurm_tres_gpus(text, &n, type) == 0)
        require(n >= -1 && strlen(type) <= SLURM_TYPE_MAX);
    if (slurm_gres_gpus(text, &n, type) == 0)
        require(n >= 0 && strlen(type) <= SLURM_TYPE_MAX);
    if (slurm_duration_read(text, &n) == 0)
        require(n >= 0);
    require(slurm_hosts(text, 100, check_host, NULL) <= 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slurm_taker jobs = {check_job, NULL};
    const struct slurm_node_taker nodes = {check_node, NULL};
    const char *bytes = (const char *)data;
    struct slurm_count count;
    struct err why;
    AUTO(cleanup_free) char *text = malloc(size + 1);
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    slurm_squeue_read(bytes, size, nonce, &jobs, &count);
    slurm_sacct_read(bytes, size, nonce, &jobs, &count);
    slurm_sinfo_read(bytes, size, nonce, &nodes, &count);
    slurm_squeue_json(bytes, size, &jobs, &count, &why);
    slurm_sacct_json(bytes, size, &jobs, &count, &why);
    slurm_sinfo_json(bytes, size, &nodes, &count, &why);
    read_texts(text);
    return 0;
}
