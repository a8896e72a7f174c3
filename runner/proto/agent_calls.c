// SPDX-License-Identifier: Apache-2.0
/* Each call to JSON and back. Only form is checked here (types, ranges, alphabets); whether the
 * caller may have what it asks for is the agent's decision. */
#include "runner/proto/agent_calls.h"

#include <errno.h>
#include <string.h>

#include "runner/base/parse.h"

enum {
    BOOT_ID_MAX = BOOT_ID_LEN,
    HOST_MAX = 255,
    DEVICE_MAX = 31,
    UUID_MAX = 95,
    GPU_INDEX_MAX = 4095,
    SIGNAL_MAX = 127, /* all that a wait status has room for */
};

static const int64_t id_max = UINT32_MAX - 1; /* (uid_t)-1 means "leave it" to the kernel */
static const int64_t day_ms = 86400000, limit_max_ms = INT64_C(3660) * 86400000;

/* An object with the verb and the head. */
static json_t *call_new(const char *verb, const struct agent_head *h)
{
    return json_pack("{sssIsI}", "verb", verb, "epoch", (json_int_t)h->epoch, "deadline_ms",
                     (json_int_t)h->deadline_ms);
}

static void set_int(json_t *o, const char *field, int64_t n)
{
    json_object_set_new(o, field, json_integer(n));
}

/* A NULL text is left out. */
static void set_text(json_t *o, const char *field, const char *text)
{
    if (text)
        json_object_set_new(o, field, json_string(text));
}

static json_t *account_json(const struct agent_account *a)
{
    json_t *o = json_pack("{sssIsI}", "name", a->name, "uid", (json_int_t)a->uid, "gid",
                          (json_int_t)a->gid);
    json_t *groups = json_array();
    for (size_t i = 0; i < a->group_count; i++)
        json_array_append_new(groups, json_integer(a->groups[i]));
    json_object_set_new(o, "groups", groups);
    return o;
}

json_t *agent_hello_json(const struct agent_head *h)
{
    return call_new("hello", h);
}

static json_t *gpus_json(const struct agent_start *s)
{
    json_t *gpus = json_array();
    for (size_t i = 0; i < s->gpu_count; i++) {
        json_t *gpu = json_pack("{sI}", "index", (json_int_t)s->gpus[i].index);
        set_text(gpu, "device", s->gpus[i].device);
        set_text(gpu, "uuid", s->gpus[i].uuid);
        json_array_append_new(gpus, gpu);
    }
    return gpus;
}

json_t *agent_start_json(const struct agent_start *s)
{
    json_t *o = call_new("start", &s->head);
    json_t *nodes = json_array();
    for (size_t i = 0; i < s->node_count; i++)
        json_array_append_new(nodes, json_string(s->nodes[i]));
    set_text(o, "token", s->token);
    set_int(o, "job", s->job);
    set_int(o, "attempt", s->attempt);
    json_object_set_new(o, "account", account_json(&s->account));
    set_text(o, "project", s->project);
    set_int(o, "project_gid", s->project_gid);
    json_object_set_new(o, "gpus", gpus_json(s));
    json_object_set_new(o, "nodes", nodes);
    set_int(o, "node", s->node);
    set_int(o, "cpus", s->cpus);
    set_int(o, "memory_bytes", s->memory_bytes);
    set_int(o, "pids_max", s->pids_max);
    set_int(o, "limit_ms", s->limit_ms);
    set_int(o, "grace_ms", s->grace_ms);
    set_int(o, "log_max", s->log_max);
    json_object_set_new(o, "resume", json_boolean(s->resume));
    return o;
}

json_t *agent_stop_json(const struct agent_stop *s)
{
    json_t *o = call_new("stop", &s->head);
    set_text(o, "token", s->token);
    set_text(o, "why", s->why);
    set_int(o, "grace_ms", s->grace_ms);
    return o;
}

json_t *agent_limit_json(const struct agent_limit *l)
{
    json_t *o = call_new("limit", &l->head);
    set_text(o, "token", l->token);
    set_int(o, "limit_ms", l->limit_ms);
    return o;
}

json_t *agent_list_json(const struct agent_list *l)
{
    json_t *o = call_new("list", &l->head);
    set_text(o, "after", l->after);
    return o;
}

json_t *agent_clean_json(const struct agent_token *t)
{
    json_t *o = call_new("clean", &t->head);
    set_text(o, "token", t->token);
    return o;
}

json_t *agent_files_json(const struct agent_files *f)
{
    json_t *o = call_new("files", &f->head);
    json_object_set_new(o, "account", account_json(&f->account));
    set_int(o, "job", f->job);
    set_text(o, "project", f->project);
    set_int(o, "project_gid", f->project_gid);
    return o;
}

json_t *agent_client_json(const struct agent_client *c)
{
    json_t *o = call_new("client", &c->head);
    json_t *args = json_array();
    for (size_t i = 0; i < c->arg_count; i++)
        json_array_append_new(args, json_string(c->args[i]));
    json_object_set_new(o, "account", account_json(&c->account));
    set_text(o, "program", c->program);
    json_object_set_new(o, "args", args);
    set_int(o, "job", c->job);
    set_text(o, "project", c->project);
    set_int(o, "project_gid", c->project_gid);
    return o;
}

int agent_head_read(const json_t *o, struct agent_head *out, struct err *e)
{
    int r = jget_i64(o, "epoch", 0, INT64_MAX, &out->epoch, e);
    return r < 0 ? r : jget_i64(o, "deadline_ms", 0, INT64_MAX, &out->deadline_ms, e);
}

/* A name that becomes a file's name or a line of the environment: [A-Za-z0-9._-], no '.' or '-'
 * first. */
static int read_name(const json_t *o, const char *field, const char **out, struct err *e)
{
    static const char alphabet[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "._-";
    int r = jget_text(o, field, AGENT_NAME_MAX, out, e);
    if (r < 0)
        return r;
    const char *name = *out;
    if (!*name || *name == '.' || *name == '-' || name[strspn(name, alphabet)])
        return err_set(e, -EINVAL, "%s: must be letters, digits, '.', '_' and '-'", field);
    return 0;
}

static int read_token(const json_t *o, const char **out, struct err *e)
{
    int r = jget_text(o, "token", SPOOL_TOKEN_MAX, out, e);
    if (r == 0 && !spool_token_is_valid(*out))
        return err_set(e, -EINVAL, "token: must be lower-case letters, digits and '-'");
    return r;
}

static int read_groups(const json_t *o, struct agent_account *out, struct err *e)
{
    const json_t *groups = json_object_get(o, "groups");
    out->group_count = json_array_size(groups); /* 0 when it is no array */
    if ((groups && !json_is_array(groups)) || out->group_count > AGENT_GROUPS_MAX)
        return err_set(e, -EINVAL, "groups: must be an array of at most %d", AGENT_GROUPS_MAX);
    for (size_t i = 0; i < out->group_count; i++) {
        const json_t *gid = json_array_get(groups, i);
        out->groups[i] = json_integer_value(gid);
        if (!json_is_integer(gid) || out->groups[i] < 0 || out->groups[i] > id_max)
            return err_set(e, -EINVAL, "groups: must be numbers of groups");
    }
    return 0;
}

static int read_account(const json_t *o, struct agent_account *out, struct err *e)
{
    const json_t *a = json_object_get(o, "account");
    if (!json_is_object(a))
        return err_set(e, -EINVAL, "account: missing");
    int r = read_name(a, "name", &out->name, e);
    if (r == 0)
        r = jget_i64(a, "uid", 0, id_max, &out->uid, e);
    if (r == 0)
        r = jget_i64(a, "gid", 0, id_max, &out->gid, e);
    return r < 0 ? err_wrap(e, r, "account") : read_groups(a, out, e);
}

static int read_gpu(const json_t *o, struct agent_gpu *out, struct err *e)
{
    if (!json_is_object(o))
        return err_set(e, -EINVAL, "gpus: must be objects");
    int r = jget_i64(o, "index", 0, GPU_INDEX_MAX, &out->index, e);
    if (r == 0)
        r = jget_text_or(o, "device", DEVICE_MAX, NULL, &out->device, e);
    if (r == 0)
        r = jget_text_or(o, "uuid", UUID_MAX, NULL, &out->uuid, e);
    return r < 0 ? err_wrap(e, r, "gpus") : 0;
}

static int read_gpus(const json_t *o, struct agent_start *out, struct err *e)
{
    const json_t *gpus = json_object_get(o, "gpus");
    out->gpu_count = json_array_size(gpus);
    if (!json_is_array(gpus) || out->gpu_count > AGENT_GPUS_MAX)
        return err_set(e, -EINVAL, "gpus: must be an array of at most %d", AGENT_GPUS_MAX);
    for (size_t i = 0; i < out->gpu_count; i++) {
        int r = read_gpu(json_array_get(gpus, i), &out->gpus[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_nodes(const json_t *o, struct agent_start *out, struct err *e)
{
    static const char bad[] = " ,=\t\n\r\"'\\";
    const json_t *nodes = json_object_get(o, "nodes");
    out->node_count = json_array_size(nodes);
    if (!out->node_count || out->node_count > AGENT_NODES_MAX)
        return err_set(e, -EINVAL, "nodes: must be an array of 1 to %d names", AGENT_NODES_MAX);
    for (size_t i = 0; i < out->node_count; i++) {
        const char *name = json_string_value(json_array_get(nodes, i));
        if (!name || !*name || strlen(name) > AGENT_NAME_MAX || name[strcspn(name, bad)] ||
            parse_has_control(name))
            return err_set(e, -EINVAL, "nodes: must be names of at most %d bytes",
                           AGENT_NAME_MAX);
        out->nodes[i] = name;
    }
    return jget_i64(o, "node", 0, (int64_t)out->node_count - 1, &out->node, e);
}

static int read_limits(const json_t *o, struct agent_start *out, struct err *e)
{
    const struct {
        const char *field;
        int64_t min, max;
        int64_t *out;
    } limits[] = {
        {"cpus", 0, 65536, &out->cpus},
        {"memory_bytes", 0, INT64_MAX, &out->memory_bytes},
        {"pids_max", 0, 4194304, &out->pids_max},
        {"limit_ms", 1, limit_max_ms, &out->limit_ms},
        {"grace_ms", 0, day_ms, &out->grace_ms},
        {"log_max", 0, INT64_C(1) << 40, &out->log_max},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT(limits); i++)
        r = jget_i64(o, limits[i].field, limits[i].min, limits[i].max, limits[i].out, e);
    return r < 0 ? r : jget_bool_or(o, "resume", false, &out->resume, e);
}

int agent_start_read(const json_t *o, struct agent_start *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    if (r == 0)
        r = read_token(o, &out->token, e);
    if (r == 0)
        r = jget_i64(o, "job", 1, INT64_MAX, &out->job, e);
    if (r == 0)
        r = jget_i64(o, "attempt", 1, INT32_MAX, &out->attempt, e);
    if (r == 0)
        r = read_account(o, &out->account, e);
    if (r == 0)
        r = read_name(o, "project", &out->project, e);
    if (r == 0)
        r = jget_i64_or(o, "project_gid", 0, id_max, 0, &out->project_gid, e);
    if (r == 0)
        r = read_gpus(o, out, e);
    if (r == 0)
        r = read_nodes(o, out, e);
    return r < 0 ? r : read_limits(o, out, e);
}

int agent_stop_read(const json_t *o, struct agent_stop *out, struct err *e)
{
    static const char cause_alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    int r = agent_head_read(o, &out->head, e);
    if (r == 0)
        r = read_token(o, &out->token, e);
    if (r == 0)
        r = jget_text(o, "why", SPOOL_CAUSE_MAX, &out->why, e);
    if (r == 0 && (!*out->why || out->why[strspn(out->why, cause_alphabet)]))
        r = err_set(e, -EINVAL, "why: must be lower-case letters, digits, '-' and '_'");
    return r < 0 ? r : jget_i64(o, "grace_ms", 0, day_ms, &out->grace_ms, e);
}

int agent_limit_read(const json_t *o, struct agent_limit *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    if (r == 0)
        r = read_token(o, &out->token, e);
    return r < 0 ? r : jget_i64(o, "limit_ms", 1, limit_max_ms, &out->limit_ms, e);
}

int agent_list_read(const json_t *o, struct agent_list *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    return r < 0 ? r : jget_text_or(o, "after", SPOOL_TOKEN_MAX, "", &out->after, e);
}

int agent_token_read(const json_t *o, struct agent_token *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    return r < 0 ? r : read_token(o, &out->token, e);
}

int agent_files_read(const json_t *o, struct agent_files *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    if (r == 0)
        r = read_account(o, &out->account, e);
    if (r == 0)
        r = jget_i64_or(o, "job", 0, INT64_MAX, 0, &out->job, e);
    if (r == 0)
        r = jget_i64_or(o, "project_gid", 0, id_max, 0, &out->project_gid, e);
    out->project = NULL;
    return r < 0 || out->job ? r : read_name(o, "project", &out->project, e);
}

/* Each is text without NUL, and all of them fit. */
static int read_args(const json_t *o, struct agent_client *out, struct err *e)
{
    const json_t *args = json_object_get(o, "args");
    size_t bytes = 0;
    out->arg_count = json_array_size(args);
    if (!json_is_array(args) || out->arg_count > AGENT_ARGS_MAX)
        return err_set(e, -EINVAL, "args: must be an array of at most %d", AGENT_ARGS_MAX);
    for (size_t i = 0; i < out->arg_count; i++) {
        const json_t *arg = json_array_get(args, i);
        const char *text = json_string_value(arg);
        if (!text || strlen(text) != json_string_length(arg))
            return err_set(e, -EINVAL, "args: must be texts without NUL");
        bytes += strlen(text) + 1;
        out->args[i] = text;
    }
    if (bytes > AGENT_ARGS_BYTES)
        return err_set(e, -E2BIG, "args: %zu bytes, at most %d in all", bytes,
                       AGENT_ARGS_BYTES);
    return 0;
}

int agent_client_read(const json_t *o, struct agent_client *out, struct err *e)
{
    int r = agent_head_read(o, &out->head, e);
    if (r == 0)
        r = read_account(o, &out->account, e);
    if (r == 0)
        r = read_name(o, "program", &out->program, e);
    if (r == 0)
        r = read_args(o, out, e);
    if (r == 0)
        r = jget_i64(o, "job", 1, INT64_MAX, &out->job, e);
    if (r == 0)
        r = read_name(o, "project", &out->project, e);
    return r < 0 ? r : jget_i64_or(o, "project_gid", 0, id_max, 0, &out->project_gid, e);
}

json_t *agent_hello_reply(const struct agent_hello *h)
{
    return json_pack("{sssssssIsbs{ssssssssss}s{sbsbsb}}", "host", h->host, "boot_id",
                     h->boot_id, "version", h->version, "uid", (json_int_t)h->uid, "is_root",
                     h->is_root, "enforced", "kill", h->kill, "memory", h->memory, "pids",
                     h->pids, "devices", h->devices, "cpu", h->cpu, "private", "tmp",
                     h->private_tmp, "ipc", h->private_ipc, "proc", h->private_proc);
}

static int read_enforced(const json_t *o, struct agent_hello *out, struct err *e)
{
    const struct {
        const char *field;
        const char **out;
    } kinds[] = {{"kill", &out->kill},
                 {"memory", &out->memory},
                 {"pids", &out->pids},
                 {"devices", &out->devices},
                 {"cpu", &out->cpu}};
    const json_t *enforced = json_object_get(o, "enforced");
    int r = 0;
    for (size_t i = 0; r == 0 && i < COUNT(kinds); i++)
        r = jget_text(enforced, kinds[i].field, 8, kinds[i].out, e);
    return r;
}

int agent_hello_reply_read(const json_t *o, struct agent_hello *out, struct err *e)
{
    const json_t *private = json_object_get(o, "private");
    int r = jget_text(o, "host", HOST_MAX, &out->host, e);
    if (r == 0)
        r = jget_text(o, "boot_id", BOOT_ID_MAX, &out->boot_id, e);
    if (r == 0)
        r = jget_text(o, "version", AGENT_NAME_MAX, &out->version, e);
    if (r == 0)
        r = jget_i64(o, "uid", 0, id_max, &out->uid, e);
    if (r == 0)
        r = jget_bool_or(o, "is_root", false, &out->is_root, e);
    if (r == 0)
        r = read_enforced(o, out, e);
    if (r == 0)
        r = jget_bool_or(private, "tmp", false, &out->private_tmp, e);
    if (r == 0)
        r = jget_bool_or(private, "ipc", false, &out->private_ipc, e);
    return r < 0 ? r : jget_bool_or(private, "proc", false, &out->private_proc, e);
}

json_t *agent_list_reply_json(const struct agent_list_reply *r)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(entries,
                              json_pack("{ssss}", "token", r->entries[i].token, "state",
                                        spool_state_name(r->entries[i].state)));
    return json_pack("{sosb}", "entries", entries, "more", r->more);
}

static int read_listed(const json_t *o, struct agent_listed *out, struct err *e)
{
    const char *state;
    int r = read_token(o, &out->token, e);
    if (r == 0)
        r = jget_text(o, "state", 16, &state, e);
    if (r < 0)
        return r;
    for (int s = SPOOL_STARTING; s <= SPOOL_DEAD; s++) {
        if (strcmp(spool_state_name((enum spool_state)s), state))
            continue;
        out->state = (enum spool_state)s;
        return 0;
    }
    return err_set(e, -EINVAL, "state: '%s' is none that is known", state);
}

int agent_list_reply_read(const json_t *o, struct agent_list_reply *out, struct err *e)
{
    const json_t *entries = json_object_get(o, "entries");
    out->count = json_array_size(entries);
    if (!json_is_array(entries) || out->count > AGENT_LIST_MAX)
        return err_set(e, -EINVAL, "entries: must be an array of at most %d", AGENT_LIST_MAX);
    for (size_t i = 0; i < out->count; i++) {
        int r = read_listed(json_array_get(entries, i), &out->entries[i], e);
        if (r < 0)
            return r;
    }
    return jget_bool_or(o, "more", false, &out->more, e);
}

json_t *agent_client_reply_json(const struct agent_client_reply *r)
{
    return json_pack("{sIsIsssssI}", "exit_code", (json_int_t)r->exit_code, "signal",
                     (json_int_t)r->signal, "out", r->out, "err", r->err, "dropped_bytes",
                     (json_int_t)r->dropped_bytes);
}

int agent_client_reply_read(const json_t *o, struct agent_client_reply *out, struct err *e)
{
    int r = jget_i64(o, "exit_code", -1, 255, &out->exit_code, e);
    if (r == 0)
        r = jget_i64(o, "signal", 0, SIGNAL_MAX, &out->signal, e);
    if (r == 0)
        r = jget_text(o, "out", AGENT_OUTPUT_MAX, &out->out, e);
    if (r == 0)
        r = jget_text(o, "err", AGENT_OUTPUT_MAX, &out->err, e);
    return r < 0 ? r : jget_i64(o, "dropped_bytes", 0, INT64_MAX, &out->dropped_bytes, e);
}
