// SPDX-License-Identifier: Apache-2.0
/* "NAME=value" lines from what runnerd asked for; names and alphabets were checked when it was
 * read. */
#include "runner/proto/circumstances.h"

#include <stdlib.h>

#include "runner/base/buf.h"

enum { LINE_BYTES = 32 * 1024 };

static void put(struct circumstances *c, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct circumstances *c, const char *name, const char *format, ...)
{
    char *value = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&value, format, args) < 0 ||
        asprintf(&c->lines[c->count++], "%s=%s", name, value) < 0)
        abort();
    va_end(args);
    free(value);
}

static void put_gpus(struct circumstances *c, const struct agent_start *ask)
{
    AUTO(buf_done) struct buf b = BUF_INIT(LINE_BYTES);
    for (size_t i = 0; i < ask->gpu_count; i++) {
        const struct agent_gpu *gpu = &ask->gpus[i];
        if (gpu->uuid)
            buf_printf(&b, "%s%s", i ? "," : "", gpu->uuid);
        else
            buf_printf(&b, "%s%lld", i ? "," : "", (long long)gpu->index);
    }
    put(c, "FIREFLY_GPUS", "%s", buf_text(&b));
}

static void put_nodes(struct circumstances *c, const struct agent_start *ask)
{
    AUTO(buf_done) struct buf b = BUF_INIT(LINE_BYTES);
    for (size_t i = 0; i < ask->node_count; i++)
        buf_printf(&b, "%s%s", i ? "," : "", ask->nodes[i]);
    put(c, "FIREFLY_NODES", "%s", buf_text(&b));
    put(c, "FIREFLY_NODE", "%lld", (long long)ask->node);
}

void circumstances_init(struct circumstances *c, const struct circumstances_place *at,
                        const struct agent_start *ask)
{
    const long long job = ask->job;
    *c = (struct circumstances){.count = 0};
    put(c, "PATH", "/usr/local/bin:/usr/bin:/bin");
    put(c, "LANG", "C.UTF-8");
    put(c, "SHELL", "/bin/bash");
    put(c, "HOME", "%s/%lld", at->jobs_root, job);
    put(c, "USER", "%s", ask->account.name);
    put(c, "LOGNAME", "%s", ask->account.name);
    if (at->has_private_tmp)
        put(c, "TMPDIR", "/tmp");
    else
        put(c, "TMPDIR", "%s/%lld/.firefly/tmp", at->jobs_root, job);
    put(c, "FIREFLY_TOKEN", "%s", ask->token);
    put(c, "FIREFLY_JOB_ID", "%lld", job);
    put(c, "FIREFLY_ATTEMPT", "%lld", (long long)ask->attempt);
    put(c, "FIREFLY_JOB_DIR", "%s/%lld", at->jobs_root, job);
    put(c, "FIREFLY_PROJECT", "%s", ask->project);
    put(c, "FIREFLY_PROJECT_DIR", "%s/%s", at->projects_root, ask->project);
    put(c, "FIREFLY_RESUME", "%d", ask->resume);
    put(c, "FIREFLY_TIME_LIMIT_S", "%lld", (long long)(ask->limit_ms + 999) / 1000);
    put_gpus(c, ask);
    put_nodes(c, ask);
}

void circumstances_done(struct circumstances *c)
{
    while (c->count)
        free(c->lines[--c->count]);
}
