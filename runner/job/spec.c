// SPDX-License-Identifier: Apache-2.0
/* Checks a request field by field and rebuilds it in canonical form: fixed fields, fixed order,
 * defaults written out. Two requests mean the same if and only if their canonical texts are
 * equal. */
#include "runner/job/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/jget.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"

static const char *const kind_names[] = {"batch", "distributed"};
static const char *const priority_names[] = {"idle", "normal", "urgent"};

static const char *const field_names[] = {
    "kind",
    "name",
    "project",
    "allocation",
    "nodes",
    "gpus_per_node",
    "gpu_type",
    "cpus",
    "memory",
    "memory_bytes",
    "time_limit",
    "time_limit_ms",
    "script",
    "command",
    "env",
    "checkpoint",
    "checkpoint_interval",
    "checkpoint_interval_ms",
    "retries",
    "priority",
    NULL,
};

enum { ARGUMENTS_MAX = 256, ENV_VALUE_MAX = 4096, RETRIES_MAX = 10 };

static const int64_t TIME_MIN_MS = 1000, TIME_MAX_MS = INT64_C(31) * 86400000;
static const int64_t MEMORY_MAX = INT64_C(1) << 46;

struct range {
    int64_t min, max;
};

/* One check after the other; the first that fails names its field and ends the rest. */
struct checker {
    const json_t *in;
    struct spec_fault *fault;
    int r;
};

static void fault_at(struct checker *c, const char *field, int r, const char *why)
{
    c->r = r;
    snprintf(c->fault->field, sizeof(c->fault->field), "%s", field);
    err_set(&c->fault->why, r, "%s", why);
}

static int64_t whole(struct checker *c, const char *field, int64_t min, int64_t max,
                     int64_t value)
{
    struct err why;
    int64_t n = value;
    if (c->r == 0) {
        int r = jget_i64_or(c->in, field, min, max, value, &n, &why);
        if (r < 0)
            fault_at(c, field, -EINVAL, why.text);
    }
    return n;
}

static const char *text(struct checker *c, const char *field, size_t max, const char *value)
{
    struct err why;
    const char *t = value;
    if (c->r == 0) {
        int r = jget_text_or(c->in, field, max, value, &t, &why);
        if (r < 0)
            fault_at(c, field, -EINVAL, why.text);
    }
    return t;
}

static int choice(struct checker *c, const char *field, const char *const *names, size_t count,
                  int value)
{
    const char *t = text(c, field, 64, names[value]);
    for (size_t i = 0; c->r == 0 && i < count; i++)
        if (!strcmp(t, names[i]))
            return (int)i;
    if (c->r == 0) {
        struct err why;
        err_set(&why, 0, "%s: '%.32s' is none of its values", field, t);
        fault_at(c, field, -EINVAL, why.text);
    }
    return value;
}

/* A duration comes as text ("2h") under `field` or as milliseconds under `field_ms`. */
static int64_t duration(struct checker *c, const char *field, const char *field_ms,
                        struct range range, int64_t value)
{
    const char *t = text(c, field, 64, NULL);
    if (!t)
        return whole(c, field_ms, range.min, range.max, value);
    int64_t ms = value;
    int r = c->r < 0 ? 0 : parse_duration_ms(t, range.min, range.max, &ms);
    if (r < 0) {
        struct err why;
        char low[32], high[32];
        parse_duration_text(range.min, low);
        parse_duration_text(range.max, high);
        if (r == -ERANGE)
            err_set(&why, r, "%s: '%.32s' is not from %s to %s", field, t, low, high);
        else
            err_set(&why, r,
                    "%s: '%.32s' is no duration; write 90, 90s, 30m, 2h, 1d12h or "
                    "HH:MM:SS",
                    field, t);
        fault_at(c, field, -EINVAL, why.text);
    }
    return ms;
}

static int64_t memory(struct checker *c)
{
    const char *t = text(c, "memory", 32, NULL);
    if (!t)
        return whole(c, "memory_bytes", 0, MEMORY_MAX, 0);
    int64_t bytes = 0;
    if (c->r == 0 && parse_size_bytes(t, 0, MEMORY_MAX, &bytes) < 0)
        fault_at(c, "memory", -EINVAL, "memory: write a size like 512M or 64G");
    return bytes;
}

static const char *job_name(struct checker *c)
{
    const char *name = text(c, "name", SPEC_NAME_MAX, "");
    if (c->r == 0 && (!*name || parse_has_control(name)))
        fault_at(c, "name", -EINVAL,
                 *name ? "name: control characters are not allowed" : "name: missing");
    return name;
}

static const char *project_name(struct checker *c)
{
    const char *project = text(c, "project", 64, "");
    if (c->r == 0 && !parse_is_slug(project, 32))
        fault_at(c, "project", -EINVAL,
                 *project ? "project: a project's name has lower-case letters, digits and '-'"
                          : "project: missing");
    return project;
}

static bool is_env_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n <= 64 && !name[n] && !(name[0] >= '0' && name[0] <= '9') &&
           strncmp(name, "FIREFLY_", 8);
}

/* The user's own environment variables, each a text; sorted by the canonical form's dump. */
static json_t *environment(struct checker *c)
{
    json_t *in = json_object_get(c->in, "env"), *out = json_object();
    if (c->r < 0 || !in || json_is_null(in))
        return out;
    if (!json_is_object(in) || json_object_size(in) > SPEC_ENV_MAX) {
        fault_at(c, "env", -EINVAL, "env: must be an object of at most 64 variables");
        return out;
    }
    const char *key;
    json_t *value;
    json_object_foreach (in, key, value) {
        if (is_env_name(key) && json_is_string(value) &&
            json_string_length(value) <= ENV_VALUE_MAX) {
            json_object_set(out, key, value);
            continue;
        }
        struct err why;
        err_set(&why, 0,
                "env: '%.64s': a name of letters, digits and '_' that does not begin "
                "with FIREFLY_, and a text of at most 4096 bytes",
                key);
        fault_at(c, "env", -EINVAL, why.text);
        break;
    }
    return out;
}

static void check_command(struct checker *c, const json_t *command)
{
    size_t i, bytes = 0;
    json_t *word;
    if (c->r < 0)
        return;
    if (!json_is_array(command) || json_array_size(command) == 0 ||
        json_array_size(command) > ARGUMENTS_MAX) {
        fault_at(c, "command", -EINVAL, "command: must be an array of 1 to 256 texts");
        return;
    }
    json_array_foreach (command, i, word) {
        if (!json_is_string(word) || (i == 0 && !json_string_length(word))) {
            fault_at(c, "command", -EINVAL,
                     "command: each argument must be text, the first not "
                     "empty");
            return;
        }
        bytes += json_string_length(word) + 1;
    }
    if (bytes > SPEC_SCRIPT_MAX)
        fault_at(c, "command", -EINVAL, "command: longer than 65536 bytes");
}

/* Exactly one of `script` and `command`; puts it into the canonical form. */
static void put_program(struct checker *c, json_t *out)
{
    const json_t *command = json_object_get(c->in, "command");
    const char *script = text(c, "script", SPEC_SCRIPT_MAX, NULL);
    if (json_is_null(command))
        command = NULL;
    if (c->r < 0)
        return;
    if (!command == !script || (script && !script[strspn(script, " \t\r\n")])) {
        fault_at(c, "script", -EINVAL, "script: give a script or a command");
        return;
    }
    if (command) {
        check_command(c, command);
        json_object_set_new(out, "command", json_deep_copy(command));
        return;
    }
    json_object_set_new(out, "script", json_string(script));
}

static void check_sum(struct checker *c, const struct spec_limits *max, int64_t nodes,
                      int64_t gpus_per_node)
{
    struct err why;
    if (c->r < 0 || nodes * gpus_per_node <= max->gpus)
        return;
    err_set(&why, 0, "gpus_per_node: %lld GPUs in all are more than the cluster's %lld",
            (long long)(nodes * gpus_per_node), (long long)max->gpus);
    fault_at(c, "gpus_per_node", -EINVAL, why.text);
}

static json_t *canonical(struct checker *c, const struct spec_limits *max)
{
    json_t *out = json_object();
    struct range limit = {TIME_MIN_MS, max->time_limit_ms}, interval = {0, TIME_MAX_MS};
    int64_t nodes = whole(c, "nodes", 1, max->nodes, 1);
    int64_t gpus = whole(c, "gpus_per_node", 1, max->gpus_per_node, -1);
    int64_t limit_ms = duration(c, "time_limit", "time_limit_ms", limit, -1);
    if (c->r == 0 && gpus < 0)
        fault_at(c, "gpus_per_node", -EINVAL, "gpus_per_node: missing");
    if (c->r == 0 && limit_ms < 0)
        fault_at(c, "time_limit", -EINVAL, "time_limit: missing");
    json_object_set_new(out, "kind",
                        json_string(kind_names[choice(c, "kind", kind_names, 2, 0)]));
    json_object_set_new(out, "name", json_string(job_name(c)));
    json_object_set_new(out, "project", json_string(project_name(c)));
    json_object_set_new(out, "allocation",
                        json_integer(whole(c, "allocation", 0, INT32_MAX, 0)));
    json_object_set_new(out, "nodes", json_integer(nodes));
    json_object_set_new(out, "gpus_per_node", json_integer(gpus));
    json_object_set_new(out, "gpu_type", json_string(text(c, "gpu_type", 32, "any")));
    json_object_set_new(out, "cpus", json_integer(whole(c, "cpus", 0, 100000, 0)));
    json_object_set_new(out, "memory_bytes", json_integer(memory(c)));
    json_object_set_new(out, "time_limit_ms", json_integer(limit_ms));
    put_program(c, out);
    json_object_set_new(out, "env", environment(c));
    struct err why;
    bool checkpoint = false;
    if (c->r == 0 && jget_bool_or(c->in, "checkpoint", false, &checkpoint, &why) < 0)
        fault_at(c, "checkpoint", -EINVAL, why.text);
    json_object_set_new(out, "checkpoint", json_boolean(checkpoint));
    json_object_set_new(out, "checkpoint_interval_ms",
                        json_integer(duration(c, "checkpoint_interval",
                                              "checkpoint_interval_ms", interval, 0)));
    json_object_set_new(out, "retries", json_integer(whole(c, "retries", 0, RETRIES_MAX, 0)));
    json_object_set_new(
        out, "priority",
        json_string(priority_names[choice(c, "priority", priority_names, 3, 1)]));
    check_sum(c, max, nodes, gpus);
    return out;
}

/* Points the struct's fields into its canonical JSON, which is known to be well-formed. */
static int lay_out(struct spec *s, struct err *e)
{
    json_int_t interval = 0;
    const char *kind, *priority;
    int checkpoint = 0;
    json_error_t why;
    json_t *command = json_object_get(s->json, "command");
    if (json_unpack_ex(s->json, &why, 0, "{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:I}",
                       "kind", &kind, "name", &s->name, "project", &s->project, "allocation",
                       &s->allocation, "nodes", &s->nodes, "gpus_per_node", &s->gpus_per_node,
                       "gpu_type", &s->gpu_type, "cpus", &s->cpus, "memory_bytes",
                       &s->memory_bytes, "time_limit_ms", &s->time_limit_ms) < 0 ||
        json_unpack_ex(s->json, &why, 0, "{s:b, s:I, s:I, s:s}", "checkpoint", &checkpoint,
                       "checkpoint_interval_ms", &interval, "retries", &s->retries, "priority",
                       &priority) < 0)
        return err_set(e, -EINVAL, "request: %s", why.text);
    s->script = json_string_value(json_object_get(s->json, "script"));
    s->command = command;
    s->checkpoint = checkpoint;
    s->checkpoint_interval_ms = interval;
    s->kind = strcmp(kind, kind_names[SPEC_DISTRIBUTED]) ? SPEC_BATCH : SPEC_DISTRIBUTED;
    s->priority = !strcmp(priority, "urgent") ? SPEC_URGENT
                  : !strcmp(priority, "idle") ? SPEC_IDLE
                                              : SPEC_NORMAL;
    return !s->script == !s->command ? err_set(e, -EINVAL, "request: no script or command") : 0;
}

int spec_parse(const json_t *request, const struct spec_limits *limits, struct spec **out,
               struct spec_fault *fault)
{
    struct checker c = {.in = request, .fault = fault};
    struct err why;
    if (!json_is_object(request))
        fault_at(&c, "", -EINVAL, "the request must be an object");
    else if (jget_only(request, field_names, &why) < 0)
        fault_at(&c, "", -EINVAL, why.text);
    if (c.r < 0)
        return c.r;
    AUTO(spec_freep) struct spec *s = xnew(struct spec);
    s->json = canonical(&c, limits);
    if (c.r == 0 && lay_out(s, &why) < 0)
        fault_at(&c, "", -EINVAL, why.text);
    if (c.r == 0)
        *out = TAKE(s);
    return c.r;
}

int spec_load(const char *data, size_t len, struct spec **out, struct err *e)
{
    AUTO(spec_freep) struct spec *s = xnew(struct spec);
    int r = jget_parse(data, len, SPEC_JSON_MAX, &s->json, e);
    if (r == 0)
        r = lay_out(s, e);
    if (r == 0)
        *out = TAKE(s);
    return r;
}

void spec_free(struct spec *s)
{
    if (!s)
        return;
    json_decref(s->json);
    free(s);
}

char *spec_text(const struct spec *s)
{
    char *dump = json_dumps(s->json, JSON_COMPACT | JSON_SORT_KEYS);
    return dump ? dump : xdup("{}");
}

void spec_hash(const struct spec *s, char out[DIGEST_HEX])
{
    char *dump = spec_text(s);
    digest_sha256_hex(dump, strlen(dump), out);
    free(dump);
}

int64_t spec_gpus(const struct spec *s)
{
    return s->nodes * s->gpus_per_node;
}

int64_t spec_ranks(const struct spec *s)
{
    if (s->kind == SPEC_BATCH)
        return 1;
    return s->gpus_per_node ? spec_gpus(s) : s->nodes;
}

const char *spec_kind_name(enum spec_kind k)
{
    return kind_names[k];
}

const char *spec_priority_name(enum spec_priority p)
{
    return priority_names[p];
}
