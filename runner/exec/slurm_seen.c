// SPDX-License-Identifier: Apache-2.0
/* Rows of squeue and sacct. One table per client says what is asked for and where it goes; the
 * comment is the last but one and a number the last, so that a comment of several lines is held
 * between two separators. */
#include "runner/exec/slurm_seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

/* The year 9999. */
static const int64_t TIME_MAX_S = INT64_C(253402300799);

/* 0, -EBADMSG: the value is none of its kind, -EREMOTE: the row is of an array. */
typedef int set_fn(struct slurm_seen *s, const char *value);

struct column {
    const char *name;
    set_fn *set;
};

static int read_number(const char *value, int64_t max, int64_t *out)
{
    if (slurm_is_nothing(value))
        return 0;
    return parse_i64(value, 0, max, out) < 0 ? -EBADMSG : 0;
}

static int read_time(const char *value, int64_t *out_ms)
{
    int64_t s = 0;
    int r = read_number(value, TIME_MAX_S, &s);
    if (r == 0 && s > 0)
        *out_ms = s * 1000;
    return r;
}

static int set_id(struct slurm_seen *s, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && digits <= 10 && strchr("_+", value[digits]) && value[digits])
        return -EREMOTE;
    return parse_i64(value, 1, SLURM_ID_MAX, &s->id) < 0 ? -EBADMSG : 0;
}

static int set_cluster(struct slurm_seen *s, const char *value)
{
    s->cluster = slurm_is_nothing(value) ? "" : value;
    return strlen(value) > SLURM_CLUSTER_MAX ? -EBADMSG : 0;
}

static int set_submit(struct slurm_seen *s, const char *value)
{
    return read_time(value, &s->submit_ms);
}

static int set_state(struct slurm_seen *s, const char *value)
{
    static const char by[] = "CANCELLED by ";
    s->state = slurm_state_read(value);
    if (strncmp(value, by, strlen(by)))
        return 0;
    return read_number(value + strlen(by), UINT32_MAX, &s->cancelled_by_uid);
}

static int set_reason(struct slurm_seen *s, const char *value)
{
    s->reason = slurm_is_nothing(value) ? "" : value;
    return 0;
}

static int set_start(struct slurm_seen *s, const char *value)
{
    return read_time(value, &s->start_ms);
}

static int set_end(struct slurm_seen *s, const char *value)
{
    return read_time(value, &s->end_ms);
}

static int set_elapsed(struct slurm_seen *s, const char *value)
{
    return read_number(value, TIME_MAX_S, &s->elapsed_s);
}

static int set_elapsed_clock(struct slurm_seen *s, const char *value)
{
    if (slurm_is_nothing(value))
        return 0;
    return slurm_duration_read(value, &s->elapsed_s) < 0 ? -EBADMSG : 0;
}

static int set_limit_minutes(struct slurm_seen *s, const char *value)
{
    int64_t minutes = -1;
    int r = read_number(value, INT32_MAX, &minutes);
    if (minutes > 0)
        s->limit_ms = minutes * 60000;
    return r;
}

static int set_limit_clock(struct slurm_seen *s, const char *value)
{
    int64_t seconds = 0;
    if (slurm_is_nothing(value))
        return 0;
    if (slurm_duration_read(value, &seconds) < 0)
        return -EBADMSG;
    if (seconds > 0)
        s->limit_ms = seconds * 1000;
    return 0;
}

/* "3:0" (code and signal), or the status as wait(2) gives it. */
static int set_exit(struct slurm_seen *s, const char *value)
{
    int64_t code = 0, signal_no = 0;
    char head[16] = {0};
    const char *colon = strchr(value, ':');
    if (slurm_is_nothing(value))
        return 0;
    if (!colon) {
        if (parse_i64(value, 0, 0xffff, &code) < 0)
            return -EBADMSG;
        s->exit_code = (int)(code >> 8);
        s->signal_no = (int)(code & 0x7f);
        return 0;
    }
    if (colon - value >= (ptrdiff_t)sizeof(head))
        return -EBADMSG;
    memcpy(head, value, (size_t)(colon - value));
    if (parse_i64(head, 0, 255, &code) < 0 || parse_i64(colon + 1, 0, 255, &signal_no) < 0)
        return -EBADMSG;
    s->exit_code = (int)code;
    s->signal_no = (int)signal_no;
    return 0;
}

static int set_nodes(struct slurm_seen *s, const char *value)
{
    s->nodes = slurm_is_nothing(value) ? "" : value;
    return 0;
}

static int set_node_count(struct slurm_seen *s, const char *value)
{
    int64_t n = -1;
    int r = read_number(value, INT32_MAX, &n);
    if (n > 0) /* 0: sacct has not heard yet */
        s->node_count = n;
    return r;
}

static int set_gpus(struct slurm_seen *s, const char *value)
{
    if (slurm_is_nothing(value))
        return 0;
    return slurm_tres_gpus(value, &s->gpus, s->gpu_type) < 0 ? -EBADMSG : 0;
}

static int set_restarts(struct slurm_seen *s, const char *value)
{
    return read_number(value, INT32_MAX, &s->restarts);
}

static int set_user(struct slurm_seen *s, const char *value)
{
    s->user = slurm_is_nothing(value) ? "" : value;
    return 0;
}

static int set_comment(struct slurm_seen *s, const char *value)
{
    slurm_token_read(value, s->token);
    return 0;
}

static int set_uid(struct slurm_seen *s, const char *value)
{
    return read_number(value, UINT32_MAX, &s->uid);
}

static const struct column squeue_columns[] = {
    {"JobArrayID", set_id},
    {"Cluster", set_cluster},
    {"SubmitTime", set_submit},
    {"State", set_state},
    {"Reason", set_reason},
    {"StartTime", set_start},
    {"EndTime", set_end},
    {"TimeUsed", set_elapsed_clock},
    {"TimeLimit", set_limit_clock},
    {"exit_code", set_exit},
    {"NodeList", set_nodes},
    {"NumNodes", set_node_count},
    {"tres-alloc", set_gpus},
    {"RestartCnt", set_restarts},
    {"UserName", set_user},
    {"Comment", set_comment},
    {"UserID", set_uid},
};

static const struct column sacct_columns[] = {
    {"JobID", set_id},       {"Cluster", set_cluster},    {"Submit", set_submit},
    {"State", set_state},    {"Reason", set_reason},      {"Start", set_start},
    {"End", set_end},        {"ElapsedRaw", set_elapsed}, {"TimelimitRaw", set_limit_minutes},
    {"ExitCode", set_exit},  {"NodeList", set_nodes},     {"NNodes", set_node_count},
    {"AllocTRES", set_gpus}, {"User", set_user},          {"Comment", set_comment},
    {"UID", set_uid},
};

static size_t names_of(const struct column *columns, size_t count,
                       const char *names[SLURM_COLUMNS_MAX])
{
    for (size_t i = 0; i < count; i++)
        names[i] = columns[i].name;
    return count;
}

size_t slurm_squeue_columns(const char *names[SLURM_COLUMNS_MAX])
{
    return names_of(squeue_columns, COUNT(squeue_columns), names);
}

size_t slurm_sacct_columns(const char *names[SLURM_COLUMNS_MAX])
{
    return names_of(sacct_columns, COUNT(sacct_columns), names);
}

void slurm_seen_init(struct slurm_seen *s)
{
    *s = (struct slurm_seen){
        .cluster = "",
        .submit_ms = -1,
        .uid = -1,
        .user = "",
        .reason = "",
        .start_ms = -1,
        .end_ms = -1,
        .elapsed_s = -1,
        .limit_ms = -1,
        .exit_code = -1,
        .nodes = "",
        .node_count = -1,
        .gpus = -1,
        .restarts = -1,
        .cancelled_by_uid = -1,
    };
}

static void forget_gpus(struct slurm_seen *s)
{
    s->gpus = -1;
    s->gpu_type[0] = '\0';
}

void slurm_seen_settle(struct slurm_seen *s)
{
    bool is_over = slurm_state_is_over(s->state);
    bool never_ran = is_over && !*s->nodes && s->elapsed_s <= 0;
    if (s->state == SLURM_PENDING || never_ran) {
        s->start_ms = -1; /* expected, or the moment of the cancellation */
        forget_gpus(s);   /* squeue shows those asked for */
    }
    if (!is_over && s->state != SLURM_COMPLETING)
        s->end_ms = -1; /* expected */
    if (s->end_ms >= 0 && s->start_ms > s->end_ms)
        s->end_ms =
            -1; /* a clock was set back, or a record was mended: not to be reckoned with */
    if (!is_over || never_ran) {
        s->exit_code = -1;
        s->signal_no = 0;
    }
    if (s->exit_code == 0 && s->state != SLURM_COMPLETED)
        s->exit_code = -1; /* sacct --json of 22.05 says 0 of any failure */
}

static int fill(struct slurm_seen *s, const struct column *columns,
                const struct slurm_rows *rows, struct err *why)
{
    slurm_seen_init(s);
    for (size_t i = 0; i < rows->columns; i++) {
        int r = columns[i].set(s, rows->fields[i]);
        if (r == -EBADMSG)
            err_set(why, r, "job %.24s: %s: '%.64s' is not understood", rows->fields[0],
                    columns[i].name, rows->fields[i]);
        if (r < 0)
            return r;
    }
    slurm_seen_settle(s);
    return 0;
}

static void read_rows(struct slurm_rows *rows, const struct column *columns,
                      const struct slurm_taker *to, struct slurm_count *out)
{
    while (slurm_rows_next(rows, out)) {
        struct slurm_seen seen;
        struct err why;
        int r = fill(&seen, columns, rows, &why);
        if (r == -EREMOTE)
            out->foreign++;
        else if (r < 0)
            slurm_count_bad(out, &why);
        else {
            out->rows++;
            to->take(&seen, to->arg);
        }
    }
}

int slurm_squeue_read(const char *text, size_t len, const char *nonce,
                      const struct slurm_taker *to, struct slurm_count *out)
{
    AUTO(slurm_rows_done) struct slurm_rows rows;
    int r = slurm_rows_init(&rows, text, len, nonce);
    *out = (struct slurm_count){0};
    if (r < 0)
        return r;
    rows.columns = COUNT(squeue_columns);
    rows.is_closed = true;
    read_rows(&rows, squeue_columns, to, out);
    return 0;
}

int slurm_sacct_read(const char *text, size_t len, const char *nonce,
                     const struct slurm_taker *to, struct slurm_count *out)
{
    AUTO(slurm_rows_done) struct slurm_rows rows;
    int r = slurm_rows_init(&rows, text, len, nonce);
    *out = (struct slurm_count){0};
    if (r < 0)
        return r;
    rows.columns = COUNT(sacct_columns);
    read_rows(&rows, sacct_columns, to, out);
    return 0;
}
