// SPDX-License-Identifier: Apache-2.0
/* The --json of squeue and sacct. 22.05 writes one word for a state, later releases a list of
 * words; the fields keep their names. */
#include "runner/exec/slurm_seen.h"

#include <errno.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/exec/slurm_json.h"

enum { WORDS_MAX = 16 };
static const int64_t TIME_MAX_S = INT64_C(253402300799); /* the year 9999 */

static enum slurm_state state(const json_t *v)
{
    enum slurm_state all = SLURM_UNKNOWN;
    if (json_is_string(v))
        return slurm_state_read(json_string_value(v));
    for (size_t i = 0; i < json_array_size(v) && i < WORDS_MAX; i++) {
        const json_t *word = json_array_get(v, i);
        if (json_is_string(word))
            all = slurm_state_join(all, slurm_state_read(json_string_value(word)));
    }
    return all;
}

/* Seconds since 1970; 0 is Slurm's "not yet". */
static int take_time(const json_t *v, const char *field, int64_t *out_ms, struct err *e)
{
    int64_t s = slurm_json_number(v);
    if (s > TIME_MAX_S)
        return err_set(e, -EBADMSG, "%s: %lld s is no time", field, (long long)s);
    if (s > 0)
        *out_ms = s * 1000;
    return 0;
}

/* A small number; what is larger than `max` is refused. */
static int take_number(const json_t *v, const char *field, int64_t max, int64_t *out,
                       struct err *e)
{
    int64_t n = slurm_json_number(v);
    if (n > max)
        return err_set(e, -EBADMSG, "%s: %lld is too large", field, (long long)n);
    *out = n;
    return 0;
}

/* {"return_code": 3, "signal": {"id" or "signal_id": 9}}, or the status as wait(2) gives it. */
static void take_exit(const json_t *v, struct slurm_seen *s)
{
    int64_t status = slurm_json_number(v);
    if (json_is_integer(v)) {
        if (status < 0 || status > 0xffff)
            return;
        s->exit_code = (int)(status >> 8);
        s->signal_no = (int)(status & 0x7f);
        return;
    }
    const json_t *signal = json_object_get(v, "signal");
    const json_t *id = json_object_get(signal, "id");
    int64_t code = slurm_json_number(json_object_get(v, "return_code"));
    int64_t signal_no = slurm_json_number(id ? id : json_object_get(signal, "signal_id"));
    s->exit_code = code >= 0 && code <= 255 ? (int)code : -1;
    s->signal_no = signal_no > 0 && signal_no <= 255 ? (int)signal_no : 0;
}

static int take_minutes(const json_t *v, struct slurm_seen *s, struct err *e)
{
    int64_t minutes = -1;
    int r = take_number(v, "time_limit", INT32_MAX, &minutes, e);
    if (minutes > 0)
        s->limit_ms = minutes * 60000;
    return r;
}

/* sacct's list of allotted resources, [{"type": "gres", "name": "gpu:a100", "count": 4}]. */
static void take_tres(const json_t *list, struct slurm_seen *s)
{
    AUTO(buf_done) struct buf b = BUF_INIT(SLURM_ROW_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *type = slurm_json_text(json_object_get(item, "type"));
        const char *name = slurm_json_text(json_object_get(item, "name"));
        int64_t count = slurm_json_number(json_object_get(item, "count"));
        if (!strcmp(type, "gres") && *name && !strchr(name, ',') && count >= 0)
            buf_printf(&b, "%sgres/%s=%lld", b.len ? "," : "", name, (long long)count);
    }
    if (!b.failed)
        slurm_tres_gpus(buf_text(&b), &s->gpus, s->gpu_type);
}

static int take_id(const json_t *job, bool is_foreign, struct slurm_seen *s, struct err *e)
{
    int64_t id = slurm_json_number(json_object_get(job, "job_id"));
    if (is_foreign)
        return -EREMOTE;
    if (id < 1 || id > SLURM_ID_MAX)
        return err_set(e, -EBADMSG, "job_id: missing, or no id of a job");
    s->id = id;
    return 0;
}

static int take_queued(const json_t *job, struct slurm_seen *s, struct err *e)
{
    bool is_foreign = slurm_json_number(json_object_get(job, "array_job_id")) > 0 ||
                      slurm_json_number(json_object_get(job, "het_job_id")) > 0;
    int r = take_id(job, is_foreign, s, e);
    s->cluster = slurm_json_text(json_object_get(job, "cluster"));
    s->user = slurm_json_text(json_object_get(job, "user_name"));
    s->state = state(json_object_get(job, "job_state"));
    s->reason = slurm_json_text(json_object_get(job, "state_reason"));
    s->nodes = slurm_json_text(json_object_get(job, "nodes"));
    slurm_token_read(slurm_json_text(json_object_get(job, "comment")), s->token);
    take_exit(json_object_get(job, "exit_code"), s);
    if (r == 0)
        r = take_time(json_object_get(job, "submit_time"), "submit_time", &s->submit_ms, e);
    if (r == 0)
        r = take_time(json_object_get(job, "start_time"), "start_time", &s->start_ms, e);
    if (r == 0)
        r = take_time(json_object_get(job, "end_time"), "end_time", &s->end_ms, e);
    if (r == 0)
        r = take_minutes(json_object_get(job, "time_limit"), s, e);
    if (r == 0)
        r = take_number(json_object_get(job, "user_id"), "user_id", UINT32_MAX, &s->uid, e);
    if (r == 0)
        r = take_number(json_object_get(job, "node_count"), "node_count", INT32_MAX,
                        &s->node_count, e);
    if (r == 0)
        r = take_number(json_object_get(job, "restart_cnt"), "restart_cnt", INT32_MAX,
                        &s->restarts, e);
    if (r == 0 && slurm_tres_gpus(slurm_json_text(json_object_get(job, "tres_alloc_str")),
                                  &s->gpus, s->gpu_type) < 0)
        r = err_set(e, -EBADMSG, "tres_alloc_str: a count that is no number");
    return r;
}

static int take_accounted(const json_t *job, struct slurm_seen *s, struct err *e)
{
    const json_t *time = json_object_get(job, "time");
    bool is_foreign = slurm_json_number(slurm_json_below(job, "array", "job_id")) > 0 ||
                      slurm_json_number(slurm_json_below(job, "het", "job_id")) > 0;
    int r = take_id(job, is_foreign, s, e);
    s->cluster = slurm_json_text(json_object_get(job, "cluster"));
    s->user = slurm_json_text(json_object_get(job, "user"));
    s->state = state(slurm_json_below(job, "state", "current"));
    s->reason = slurm_json_text(slurm_json_below(job, "state", "reason"));
    s->nodes = slurm_json_text(json_object_get(job, "nodes"));
    slurm_token_read(slurm_json_text(slurm_json_below(job, "comment", "job")), s->token);
    take_exit(json_object_get(job, "exit_code"), s);
    take_tres(slurm_json_below(job, "tres", "allocated"), s);
    if (r == 0)
        r = take_time(json_object_get(time, "submission"), "submission", &s->submit_ms, e);
    if (r == 0)
        r = take_time(json_object_get(time, "start"), "start", &s->start_ms, e);
    if (r == 0)
        r = take_time(json_object_get(time, "end"), "end", &s->end_ms, e);
    if (r == 0)
        r = take_number(json_object_get(time, "elapsed"), "elapsed", TIME_MAX_S, &s->elapsed_s,
                        e);
    if (r == 0)
        r = take_minutes(json_object_get(time, "limit"), s, e);
    if (r == 0)
        r = take_number(json_object_get(job, "allocation_nodes"), "allocation_nodes", INT32_MAX,
                        &s->node_count, e);
    return r;
}

typedef int take_fn(const json_t *job, struct slurm_seen *s, struct err *e);

static int read_jobs(const json_t *root, take_fn *take_job, const struct slurm_taker *to,
                     struct slurm_count *out, struct err *e)
{
    const json_t *jobs = json_object_get(root, "jobs");
    if (!json_is_array(jobs))
        return err_set(e, -EBADMSG, "Slurm's JSON has no list of jobs");
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        struct slurm_seen seen;
        struct err why;
        slurm_seen_init(&seen);
        int r = take_job(json_array_get(jobs, i), &seen, &why);
        if (r == -EREMOTE)
            out->foreign++;
        else if (r < 0)
            slurm_count_bad(out, &why);
        else {
            if (seen.node_count == 0)
                seen.node_count = -1;
            slurm_seen_settle(&seen);
            out->rows++;
            to->take(&seen, to->arg);
        }
    }
    return 0;
}

static int read_json(const char *data, size_t len, take_fn *take_job,
                     const struct slurm_taker *to, struct slurm_count *out, struct err *e)
{
    AUTO(json_freep) json_t *root = NULL;
    *out = (struct slurm_count){0};
    int r = slurm_json_open(data, len, &root, e);
    return r < 0 ? r : read_jobs(root, take_job, to, out, e);
}

int slurm_squeue_json(const char *data, size_t len, const struct slurm_taker *to,
                      struct slurm_count *out, struct err *e)
{
    return read_json(data, len, take_queued, to, out, e);
}

int slurm_sacct_json(const char *data, size_t len, const struct slurm_taker *to,
                     struct slurm_count *out, struct err *e)
{
    return read_json(data, len, take_accounted, to, out, e);
}
