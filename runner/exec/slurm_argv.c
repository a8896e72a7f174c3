// SPDX-License-Identifier: Apache-2.0
/* Puts Slurm's command lines together. A value is always one argument with its option
 * ("--account=lab"), so none can be taken for an option; still what begins with '-' or holds a
 * letter that its place does not allow is refused, with the value. */
#include "runner/exec/slurm_argv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/parse.h"
#include "runner/exec/slurm_nodes.h"
#include "runner/exec/slurm_seen.h"
#include "runner/exec/slurm_words.h"
#include "runner/job/spec.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

enum {
    ARGUMENT_MAX = 128 * 1024 - 1, /* what Linux takes as one argument */
    WORD_MAX = 64,
    PATH_BYTES_MAX = 4096,
    NODELIST_MAX = 32 * 1024,
    COUNT_MAX = 1000000,   /* nodes, GPUs, CPUs */
    GRACE_MAX_S = 65535,   /* sbatch --signal takes no more */
    MINUTES_MAX = 5256000, /* ten years */
    DAY_S = 86400,
};

void slurm_argv_done(struct slurm_argv *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->items[i]);
    *a = (struct slurm_argv){0};
}

/* A vector under way: the first fault ends the rest. */
struct writer {
    struct slurm_argv argv;
    struct err *e;
    int r;
};

static void put(struct writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    if (w->r < 0)
        return;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0 || n > ARGUMENT_MAX || w->argv.count == SLURM_ARGV_MAX) {
        if (n >= 0)
            free(text);
        w->r = err_set(w->e, n < 0 ? -ENOMEM : -E2BIG, "a command line of Slurm's is too long");
        return;
    }
    w->argv.items[w->argv.count++] = text;
}

static int finish(struct writer *w, struct slurm_argv *out)
{
    if (w->r < 0)
        slurm_argv_done(&w->argv);
    else
        *out = w->argv;
    return w->r;
}

static void refuse(struct writer *w, const char *what, const char *value)
{
    if (w->r == 0)
        w->r = err_set(w->e, -EINVAL, "%s: '%.64s' is not allowed on Slurm's command line",
                       what, value);
}

/* "--OPTION=VALUE" of a value made of `letters`; NULL puts nothing. */
static void put_word(struct writer *w, const char *option, const char *value,
                     const char *letters, size_t max)
{
    if (!value)
        return;
    size_t len = strspn(value, letters);
    if (len == 0 || len > max || value[len] || value[0] == '-')
        refuse(w, option, value);
    put(w, "--%s=%s", option, value);
}

static void put_name(struct writer *w, const char *option, const char *value)
{
    put_word(w, option, value, LETTERS "_.@+-", WORD_MAX);
}

static void put_count(struct writer *w, const char *option, int64_t n, int64_t max)
{
    if ((n < 1 || n > max) && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "%s: %lld is not from 1 to %lld", option, (long long)n,
                       (long long)max);
    put(w, "--%s=%lld", option, (long long)n);
}

/* A person's text, or a path: any UTF-8 but control characters. */
static bool is_text(const char *value, size_t max)
{
    size_t len = strlen(value);
    return len > 0 && len <= max && value[0] != '-' && !parse_has_control(value) &&
           parse_is_utf8(value, len);
}

/* In a path sbatch replaces '%j' and the like, and takes '\' for the end of that. */
static void put_path(struct writer *w, const char *option, const char *value)
{
    if (!is_text(value, PATH_BYTES_MAX) || value[0] != '/' || strpbrk(value, "%\\"))
        refuse(w, option, value);
    put(w, "--%s=%s", option, value);
}

static void put_gpus(struct writer *w, const struct slurm_submit *s)
{
    bool has_type = s->gpu_type && *s->gpu_type && strcmp(s->gpu_type, "any") != 0;
    const char *type = has_type ? s->gpu_type : "";
    if (s->gpus_per_node == 0)
        return;
    if (has_type && (strspn(type, LETTERS "_.-") != strlen(type) || type[0] == '-' ||
                     strlen(type) > SLURM_TYPE_MAX))
        refuse(w, "gpu_type", type);
    if ((s->gpus_per_node < 0 || s->gpus_per_node > COUNT_MAX) && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "gpus_per_node: %lld is not from 0 to %d",
                       (long long)s->gpus_per_node, COUNT_MAX);
    put(w, "%s%s%s%lld", s->by_gpus_per_node ? "--gpus-per-node=" : "--gres=gpu:", type,
        has_type ? ":" : "", (long long)s->gpus_per_node);
}

static void put_times(struct writer *w, const struct slurm_submit *s)
{
    int64_t grace_s = s->grace_ms / 1000 + (s->grace_ms % 1000 > 0);
    if ((s->grace_ms < 0 || grace_s > GRACE_MAX_S) && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "grace: %lld ms are not from 0 to %d s",
                       (long long)s->grace_ms, GRACE_MAX_S);
    if ((s->limit_ms < 1 || slurm_minutes(s->limit_ms) > MINUTES_MAX) && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "limit: %lld ms are not from 1 ms to ten years",
                       (long long)s->limit_ms);
    if (w->r == 0)
        put(w, "--time=%lld", (long long)slurm_minutes(s->limit_ms + s->grace_ms));
    if (grace_s > 0)
        put(w, "--signal=%sTERM@%lld", s->nodes > 1 ? "" : "B:", (long long)grace_s);
}

static void put_size(struct writer *w, const struct slurm_submit *s)
{
    static const int64_t mib = 1 << 20;
    put_count(w, "nodes", s->nodes, COUNT_MAX);
    put(w, "--ntasks-per-node=1");
    put_gpus(w, s);
    if (s->cpus != 0)
        put_count(w, "cpus-per-task", s->cpus, COUNT_MAX);
    if (s->memory_bytes < 0 && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "memory: %lld bytes", (long long)s->memory_bytes);
    if (s->memory_bytes > 0) /* --mem=0 would be all that the node has */
        put(w, "--mem=%lldM", (long long)(s->memory_bytes / mib + (s->memory_bytes % mib > 0)));
}

int slurm_argv_sbatch(struct slurm_argv *out, const struct slurm_submit *s, struct err *e)
{
    struct writer w = {.e = e};
    char token[SLURM_TOKEN_LEN + 1];
    put(&w, "sbatch");
    put(&w, "--parsable");
    put(&w, "--no-requeue");
    put(&w, "--export=ALL");     /* of a clean environment: slurm_argv.h */
    put(&w, "--propagate=NONE"); /* the limits of whoever starts sbatch are not the job's */
    put(&w, "--open-mode=append");
    put(&w, "--comment=" SLURM_COMMENT "%s", s->token);
    if (w.r == 0 &&
        !slurm_token_read(w.argv.items[w.argv.count - 1] + strlen("--comment="), token))
        refuse(&w, "token", s->token);
    if (!is_text(s->name, SPEC_NAME_MAX))
        refuse(&w, "job-name", s->name);
    put(&w, "--job-name=%s", s->name);
    put_name(&w, "clusters", s->cluster);
    put_name(&w, "partition", s->partition);
    put_name(&w, "account", s->account);
    put_name(&w, "qos", s->qos);
    put_word(&w, "nodelist", s->nodelist, LETTERS "_.,[]-", NODELIST_MAX);
    put_size(&w, s);
    put_times(&w, s);
    put_path(&w, "output", s->output);
    put_path(&w, "chdir", s->folder);
    return finish(&w, out);
}

static void check_id(struct writer *w, int64_t id)
{
    if ((id < 1 || id > SLURM_ID_MAX) && w->r == 0)
        w->r = err_set(w->e, -EINVAL, "%lld is not the id of a job", (long long)id);
}

/* A comma in a name would be a list of names. */
static void put_job_name(struct writer *w, const char *name)
{
    if (name && (!is_text(name, SPEC_NAME_MAX) || strchr(name, ',')))
        refuse(w, "name", name);
    if (name)
        put(w, "--name=%s", name);
}

int slurm_argv_scancel(struct slurm_argv *out, const struct slurm_target *t, bool is_notice,
                       struct err *e)
{
    struct writer w = {.e = e};
    put(&w, "scancel");
    put_name(&w, "clusters", t->cluster);
    put_job_name(&w, t->name);
    if (is_notice)
        put(&w, "--signal=TERM");
    if (is_notice && !t->is_spread)
        put(&w, "--batch");
    if (t->is_waiting)
        put(&w, "--state=PENDING");
    check_id(&w, t->id);
    put(&w, "%lld", (long long)t->id);
    return finish(&w, out);
}

int slurm_argv_limit(struct slurm_argv *out, const struct slurm_target *t, int64_t minutes,
                     struct err *e)
{
    struct writer w = {.e = e};
    put(&w, "scontrol");
    put_name(&w, "clusters", t->cluster);
    put(&w, "update");
    check_id(&w, t->id);
    put(&w, "JobId=%lld", (long long)t->id);
    if ((minutes < 1 || minutes > MINUTES_MAX) && w.r == 0)
        w.r = err_set(e, -EINVAL, "a limit of %lld minutes", (long long)minutes);
    put(&w, "TimeLimit=%lld", (long long)minutes);
    return finish(&w, out);
}

static void check_nonce(struct writer *w, const char *nonce)
{
    size_t len = strspn(nonce, LETTERS);
    if (len < SLURM_NONCE_MIN || len > SLURM_NONCE_MAX || nonce[len])
        refuse(w, "nonce", nonce);
}

/* squeue and sinfo write each column with the separator behind it; without a width nothing is
 * cut. */
static void put_columns(struct writer *w, const char *const *names, size_t count,
                        const char *nonce)
{
    AUTO(buf_done) struct buf b = BUF_INIT(ARGUMENT_MAX);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s%s:|%s|", i ? "," : "", names[i], nonce);
    check_nonce(w, nonce);
    put(w, "--Format=%s", buf_text(&b));
}

static void put_ids(struct writer *w, const struct slurm_ask *ask)
{
    AUTO(buf_done) struct buf b = BUF_INIT(ARGUMENT_MAX);
    if (!ask->ids)
        return;
    if ((ask->id_count < 1 || ask->id_count > SLURM_IDS_MAX) && w->r == 0)
        w->r =
            err_set(w->e, -E2BIG, "%zu jobs are too many for one call, or none", ask->id_count);
    for (size_t i = 0; w->r == 0 && i < ask->id_count; i++) {
        check_id(w, ask->ids[i]);
        buf_printf(&b, "%s%lld", i ? "," : "", (long long)ask->ids[i]);
    }
    put(w, "--jobs=%s", buf_text(&b));
}

int slurm_argv_squeue(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e)
{
    struct writer w = {.e = e};
    const char *names[SLURM_COLUMNS_MAX];
    put(&w, "squeue");
    put(&w, "--all");
    put(&w, "--states=all");
    put_name(&w, "clusters", ask->cluster);
    put_job_name(&w, ask->name);
    put_ids(&w, ask);
    if (!ask->nonce) {
        put(&w, "--json");
        return finish(&w, out);
    }
    put(&w, "--noheader");
    put_columns(&w, names, slurm_squeue_columns(names), ask->nonce);
    return finish(&w, out);
}

int slurm_argv_sacct(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e)
{
    struct writer w = {.e = e};
    const char *names[SLURM_COLUMNS_MAX];
    AUTO(buf_done) struct buf b = BUF_INIT(1024);
    put(&w, "sacct");
    put(&w, "--allusers");
    put(&w, "--allocations");
    put(&w, "--duplicates");
    if (ask->oldest_ago_s < 0 || ask->oldest_ago_s > INT64_C(60) * MINUTES_MAX)
        w.r = err_set(e, -EINVAL, "sacct: %lld s ago", (long long)ask->oldest_ago_s);
    put(&w, "--starttime=now-%lldseconds", (long long)(ask->oldest_ago_s + DAY_S));
    put_name(&w, "clusters", ask->cluster);
    put_job_name(&w, ask->name);
    put_ids(&w, ask);
    if (!ask->nonce) {
        put(&w, "--json");
        return finish(&w, out);
    }
    put(&w, "--noheader");
    put(&w, "--parsable2");
    check_nonce(&w, ask->nonce);
    put(&w, "--delimiter=|%s|", ask->nonce);
    size_t count = slurm_sacct_columns(names);
    for (size_t i = 0; i < count; i++)
        buf_printf(&b, "%s%s", i ? "," : "", names[i]);
    put(&w, "--format=%s", buf_text(&b));
    return finish(&w, out);
}

int slurm_argv_sinfo(struct slurm_argv *out, const struct slurm_ask *ask, struct err *e)
{
    struct writer w = {.e = e};
    const char *names[SLURM_COLUMNS_MAX];
    put(&w, "sinfo");
    put(&w, "--all");
    put(&w, "--Node");
    put_name(&w, "clusters", ask->cluster);
    if (!ask->nonce) {
        put(&w, "--json");
        return finish(&w, out);
    }
    put(&w, "--noheader");
    put_columns(&w, names, slurm_sinfo_columns(names), ask->nonce);
    return finish(&w, out);
}

int slurm_argv_version(struct slurm_argv *out, struct err *e)
{
    struct writer w = {.e = e};
    put(&w, "sinfo");
    put(&w, "--version");
    return finish(&w, out);
}
