// SPDX-License-Identifier: Apache-2.0
/* Slurm's environment and its launcher. A variable may be a user's own: each is checked for its
 * form, and what they say is never evidence. */
#include "runner/task/batch_slurm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/buf.h"
#include "runner/base/parse.h"
#include "runner/task/batch.h"

enum {
    LIST_MAX = 64 * 1024,   /* bytes of a compressed list */
    NAMES_MAX = 512 * 1024, /* bytes of all names */
    NAME_MAX_BYTES = 255,
    DIGITS_MAX = 9,
    GPUS_MAX = 4096 /* bytes of a list of GPUs */
};

static const char *first_of(const char *one, const char *other)
{
    const char *text = getenv(one);
    return text && *text ? text : getenv(other);
}

static int read_number(const char *name, const char *other, int64_t min, int64_t max,
                       int64_t *out, struct err *e)
{
    const char *text = first_of(name, other);
    if (!text)
        return err_set(e, -EINVAL, "%s is not set: this is no job of Slurm's", name);
    if (parse_i64(text, min, max, out) < 0)
        return err_set(e, -EINVAL, "%s = %s: must be a number from %lld to %lld", name, text,
                       (long long)min, (long long)max);
    return 0;
}

/* Slurm's word for a job without GPUs was once a name that no device has. */
static int read_gpus(const char *text, const char **out, struct err *e)
{
    static const char alphabet[] = "0123456789,abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ-/:.";
    *out = "";
    if (!text || !strcmp(text, "NoDevFiles"))
        return 0;
    if (strlen(text) > GPUS_MAX || text[strspn(text, alphabet)])
        return err_set(e, -EINVAL, "CUDA_VISIBLE_DEVICES: is no list of GPUs");
    *out = text;
    return 0;
}

int batch_slurm_read(struct batch_site *out, struct err *e)
{
    struct batch_site s = {.id = getenv("SLURM_JOB_ID")};
    const char *list = first_of("SLURM_JOB_NODELIST", "SLURM_NODELIST");
    const char *seen = getenv("CUDA_VISIBLE_DEVICES");
    const char *counted = first_of("SLURM_STEP_GPUS", "SLURM_JOB_GPUS");
    int64_t named = 0;
    if (!s.id || !list)
        return err_set(e, -EINVAL, "%s is not set: this is no job of Slurm's",
                       s.id ? "SLURM_JOB_NODELIST" : "SLURM_JOB_ID");
    int r = read_number("SLURM_JOB_NUM_NODES", "SLURM_NNODES", 1, BATCH_NODES_MAX,
                        &s.node_count, e);
    if (r == 0)
        r = read_number("SLURM_NODEID", "SLURM_NODEID", 0, s.node_count - 1, &s.node, e);
    if (r == 0)
        r = read_gpus(seen ? seen : counted, &s.gpus, e);
    if (r == 0)
        r = read_gpus(counted, &s.node_gpus, e);
    if (r == 0 && (r = batch_slurm_expand(list, BATCH_NODES_MAX, &s.nodes, &named, e)) < 0)
        err_wrap(e, r, "SLURM_JOB_NODELIST");
    if (r == 0 && named != s.node_count)
        r = err_set(e, -EINVAL, "SLURM_JOB_NODELIST = %.200s: names %lld nodes, not %lld", list,
                    (long long)named, (long long)s.node_count);
    if (r < 0)
        batch_site_done(&s);
    else
        *out = s;
    return r;
}

void batch_site_done(struct batch_site *s)
{
    free(TAKE(s->nodes));
}

/* What has been made of a list so far. */
struct expansion {
    struct buf names;
    int64_t count, max;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

static int put_name(struct expansion *x, const char *name, struct err *e)
{
    if (!*name || strlen(name) > NAME_MAX_BYTES)
        return err_set(e, -EINVAL, "list of nodes: a name is empty or too long");
    if (++x->count > x->max)
        return err_set(e, -E2BIG, "list of nodes: more than %lld", (long long)x->max);
    buf_printf(&x->names, "%s%s", x->names.len ? "," : "", name);
    return x->names.failed ? err_set(e, -E2BIG, "list of nodes: its names are too long") : 0;
}

static int expand(struct expansion *x, const char *done, const char *rest, struct err *e);

/* One number, or range, of a bracket: "7", "1-3", "07-12"; the width of the first is kept. */
struct range {
    int64_t from, to;
    int width;
};

static int read_digits(const char **p, int64_t *out)
{
    int n = 0;
    for (*out = 0; **p >= '0' && **p <= '9' && n <= DIGITS_MAX; (*p)++, n++)
        *out = *out * 10 + (**p - '0');
    return n;
}

static int read_range(const char **p, struct range *out, struct err *e)
{
    int to_width = 1;
    out->width = read_digits(p, &out->from);
    out->to = out->from;
    if (**p == '-') {
        ++*p;
        to_width = read_digits(p, &out->to);
    }
    if (!out->width || !to_width || out->width > DIGITS_MAX || to_width > DIGITS_MAX ||
        out->to < out->from || (**p != ',' && **p != ']'))
        return err_set(e, -EINVAL, "list of nodes: what is in [ ] must be numbers or ranges");
    return 0;
}

/* `rest` is behind a '['. */
static int expand_bracket(struct expansion *x, const char *done, const char *rest,
                          struct err *e)
{
    const char *end = strchr(rest, ']');
    int r = end ? 0 : err_set(e, -EINVAL, "list of nodes: a [ without its ]");
    while (r == 0 && rest <= end && rest[-1] != ']') {
        struct range range;
        r = read_range(&rest, &range, e);
        for (int64_t n = range.from; r == 0 && n <= range.to; n++) {
            char name[NAME_MAX_BYTES + 2];
            snprintf(name, sizeof(name), "%s%0*lld", done, range.width, (long long)n);
            r = expand(x, name, end + 1, e);
        }
        rest++;
    }
    return r;
}

/* All names that begin with `done` and go on as the item `rest` says, up to its comma. */
static int expand(struct expansion *x, const char *done, const char *rest, struct err *e)
{
    char name[NAME_MAX_BYTES + 2];
    size_t n = strlen(done);
    snprintf(name, sizeof(name), "%s", done);
    for (; *rest && *rest != ','; rest++) {
        if (*rest == '[') {
            name[n] = '\0';
            return expand_bracket(x, name, rest + 1, e);
        }
        if (!is_name_byte(*rest) || n >= NAME_MAX_BYTES)
            return err_set(e, -EINVAL, "list of nodes: a name is no name");
        name[n++] = *rest;
    }
    name[n] = '\0';
    return put_name(x, name, e);
}

/* The comma that ends an item, or the end. */
static const char *item_end(const char *p)
{
    bool is_inside = false;
    for (; *p && (is_inside || *p != ','); p++)
        is_inside = *p == '[' || (is_inside && *p != ']');
    return p;
}

int batch_slurm_expand(const char *list, int64_t max, char **out, int64_t *out_count,
                       struct err *e)
{
    AUTO(buf_done) struct buf names = BUF_INIT(NAMES_MAX);
    struct expansion x = {.names = names, .max = max};
    int r = strlen(list) <= LIST_MAX ? 0 : err_set(e, -E2BIG, "list of nodes: is too long");
    for (const char *p = list; r == 0; p = item_end(p) + 1) {
        r = expand(&x, "", p, e);
        if (!*item_end(p))
            break;
    }
    names = x.names;
    if (r < 0)
        return r;
    *out = buf_take(&names);
    *out_count = x.count;
    return 0;
}

/* --wait=0: a node whose ranks have ended, or that has none, waits for the others however long.
 * --cpu-bind=none: one task a node has all of its processors, and its ranks share them.
 * --mpi=none, --input=none: nothing of ours speaks through the launcher.
 * --quiet: what it says to the log are errors alone. */
void batch_slurm_spread(struct batch_spread *out, int64_t node_count, const char *launcher,
                        const char *program, const char *file)
{
    snprintf(out->nodes, sizeof(out->nodes), "--nodes=%lld", (long long)node_count);
    snprintf(out->tasks, sizeof(out->tasks), "--ntasks=%lld", (long long)node_count);
    const char *const argv[BATCH_ARGV_MAX] = {launcher ? launcher : "srun",
                                              out->nodes,
                                              out->tasks,
                                              "--ntasks-per-node=1",
                                              "--kill-on-bad-exit=1",
                                              "--wait=0",
                                              "--cpu-bind=none",
                                              "--mpi=none",
                                              "--input=none",
                                              "--quiet",
                                              "--export=ALL",
                                              program,
                                              "--node",
                                              file,
                                              NULL};
    memcpy(out->argv, argv, sizeof(argv));
}
