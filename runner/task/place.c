// SPDX-License-Identifier: Apache-2.0
/* Environment in, environment out. Names and values of the request were checked when it was
 * placed; what would be unsafe here (a name with '=') is still refused. */
#include "runner/task/place.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/base/parse.h"
#include "runner/base/xnew.h"

/* Below the kernel's own ephemeral ports, so that a rank finds it free on every node. */
enum { PORT_FIRST = 10000, PORT_COUNT = 20000 };

static int read_text(const char *name, const char **out, struct err *e)
{
    *out = getenv(name);
    return *out ? 0
                : err_set(e, -EINVAL, "%s is not set: runner-task is started by Firefly", name);
}

static int read_number(const char *name, int64_t *out, struct err *e)
{
    const char *text;
    int r = read_text(name, &text, e);
    if (r == 0 && parse_i64(text, 0, INT64_MAX, out) < 0)
        r = err_set(e, -EINVAL, "%s = %s: must be a number", name, text);
    return r;
}

/* Items of "a,b,c"; "" has none. */
static int64_t count_items(const char *list)
{
    int64_t count = *list != '\0';
    for (; *list; list++)
        count += *list == ',';
    return count;
}

int place_read(struct place *p, struct err *e)
{
    const char *nodes = "";
    *p = (struct place){0};
    int r = read_text("FIREFLY_TOKEN", &p->token, e);
    if (r == 0)
        r = read_text("FIREFLY_JOB_DIR", &p->job_dir, e);
    if (r == 0)
        r = read_text("FIREFLY_GPUS", &p->gpus, e);
    if (r == 0)
        r = read_text("FIREFLY_NODES", &nodes, e);
    if (r == 0)
        r = read_number("FIREFLY_JOB_ID", &p->job, e);
    if (r == 0)
        r = read_number("FIREFLY_ATTEMPT", &p->attempt, e);
    if (r == 0)
        r = read_number("FIREFLY_NODE", &p->node, e);
    if (r < 0)
        return r;
    if (!parse_is_slug(p->token, 64))
        return err_set(e, -EINVAL, "FIREFLY_TOKEN: must be letters, digits and '-'");
    p->gpu_count = count_items(p->gpus);
    p->node_count = count_items(nodes);
    p->first_node = xdup(nodes);
    p->first_node[strcspn(nodes, ",")] = '\0';
    return 0;
}

void place_done(struct place *p)
{
    free(TAKE(p->first_node));
}

int64_t place_ranks(const struct place *p, enum spec_kind kind)
{
    if (kind == SPEC_BATCH)
        return p->node == 0;
    return p->gpu_count ? p->gpu_count : 1;
}

/* One node: a port that is free now. Several: one that all of them can work out. */
static int master_port(const struct place *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int port = (int)(PORT_FIRST + (p->job * 7919 + p->attempt) % PORT_COUNT);
    if (p->node_count > 1)
        return port;
    AUTO(cleanup_close) int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock >= 0 && bind(sock, (struct sockaddr *)&a, size) == 0 &&
        getsockname(sock, (struct sockaddr *)&a, &size) == 0)
        port = ntohs(a.sin_port);
    return port;
}

static void set_number(const char *name, int64_t n)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)n);
    setenv(name, text, 1);
}

static int set_request(const struct spec *s, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(s->json, "env"), name, value) {
        const char *text = json_string_value(value);
        if (!text || !strncmp(name, "FIREFLY_", strlen("FIREFLY_")) ||
            setenv(name, text, 1) < 0)
            return err_set(e, -EINVAL, "env: %s cannot be set", name);
    }
    return 0;
}

/* Also when the request has a variable of that name. */
static void set_visible(const struct place *p, const char *found)
{
    if (!p->is_confined) {
        setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1); /* so that CUDA counts as NVML does */
        setenv("CUDA_VISIBLE_DEVICES", p->gpus, 1);
    } else if (found) {
        setenv("CUDA_VISIBLE_DEVICES", found, 1);
    } else {
        unsetenv("CUDA_VISIBLE_DEVICES");
    }
}

int place_enter(const struct place *p, const struct spec *s, struct err *e)
{
    char folder[4096];
    AUTO(cleanup_free) char *visible = xdup(getenv("CUDA_VISIBLE_DEVICES"));
    int r = set_request(s, e);
    if (r < 0)
        return r;
    snprintf(folder, sizeof(folder), "%s/checkpoint", p->job_dir);
    setenv("FIREFLY_CHECKPOINT_DIR", folder, 1);
    set_visible(p, visible);
    setenv("MASTER_ADDR", p->node_count > 1 ? p->first_node : "127.0.0.1", 1);
    set_number("MASTER_PORT", master_port(p));
    unsetenv("FIREFLY_TOKEN");
    return 0;
}

void place_enter_rank(const struct place *p, enum spec_kind kind, int64_t local_rank)
{
    int64_t here = place_ranks(p, kind);
    set_number("RANK", p->node * here + local_rank);
    set_number("WORLD_SIZE", kind == SPEC_BATCH ? 1 : here * p->node_count);
    set_number("LOCAL_RANK", local_rank);
    set_number("LOCAL_WORLD_SIZE", here);
}
