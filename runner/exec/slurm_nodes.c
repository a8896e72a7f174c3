// SPDX-License-Identifier: Apache-2.0
/* sinfo's rows and JSON. A node's state is a base word with marks, by '+' or one letter behind
 * ("idle+drain", "down*"); the worst of them says whether it can be counted on. */
#include "runner/exec/slurm_nodes.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "runner/base/cleanup.h"
#include "runner/base/parse.h"

static const char *const node_state_names[] = {
    [SLURM_NODE_UNKNOWN] = "unknown",
    [SLURM_NODE_UP] = "up",
    [SLURM_NODE_DRAINED] = "drained",
    [SLURM_NODE_DOWN] = "down",
};

static const struct {
    const char *word;
    enum slurm_node_state state;
} node_words[] = {
    {"idle", SLURM_NODE_UP},
    {"mixed", SLURM_NODE_UP},
    {"allocated", SLURM_NODE_UP},
    {"completing", SLURM_NODE_UP},
    {"planned", SLURM_NODE_UP},
    {"blocked", SLURM_NODE_UP},
    {"cloud", SLURM_NODE_UP},
    {"dynamic_norm", SLURM_NODE_UP},
    {"dynamic_future", SLURM_NODE_UP},
    {"powered_down", SLURM_NODE_UP}, /* Slurm powers it up for a job */
    {"powering_up", SLURM_NODE_UP},
    {"powering_down", SLURM_NODE_UP},
    {"power_up", SLURM_NODE_UP},
    {"power_down", SLURM_NODE_UP},
    {"power_drain", SLURM_NODE_DRAINED},
    {"drain", SLURM_NODE_DRAINED},
    {"drained", SLURM_NODE_DRAINED},
    {"draining", SLURM_NODE_DRAINED},
    {"maint", SLURM_NODE_DRAINED},
    {"maintenance", SLURM_NODE_DRAINED},
    {"reserved", SLURM_NODE_DRAINED},
    {"reboot", SLURM_NODE_DRAINED},
    {"reboot_requested", SLURM_NODE_DRAINED},
    {"reboot_issued", SLURM_NODE_DRAINED},
    {"undrain", SLURM_NODE_UP},
    {"resume", SLURM_NODE_UP},
    {"down", SLURM_NODE_DOWN},
    {"error", SLURM_NODE_DOWN},
    {"fail", SLURM_NODE_DOWN},
    {"failing", SLURM_NODE_DOWN},
    {"not_responding", SLURM_NODE_DOWN},
    {"no_respond", SLURM_NODE_DOWN},
    {"invalid_reg", SLURM_NODE_DOWN},
    {"inval", SLURM_NODE_DOWN},
    {"future", SLURM_NODE_DOWN},
    {"unknown", SLURM_NODE_DOWN},
    {"perfctrs", SLURM_NODE_UP},
};

/* The letters that sinfo puts behind a state: '*' not responding, '$' and '@' '^' maintenance
 * and reboot, the others of powering and planning. */
static const struct {
    char mark;
    enum slurm_node_state state;
} node_marks[] = {
    {'*', SLURM_NODE_DOWN},    {'$', SLURM_NODE_DRAINED}, {'@', SLURM_NODE_DRAINED},
    {'^', SLURM_NODE_DRAINED}, {'~', SLURM_NODE_UP},      {'#', SLURM_NODE_UP},
    {'!', SLURM_NODE_UP},      {'%', SLURM_NODE_UP},      {'-', SLURM_NODE_UP},
};

static enum slurm_node_state worse(enum slurm_node_state a, enum slurm_node_state b)
{
    return a > b ? a : b;
}

/* One word, in any case, its marks taken off. */
static enum slurm_node_state read_word(const char *word, size_t len)
{
    enum slurm_node_state marked = SLURM_NODE_UNKNOWN;
    for (size_t i = 0; i < COUNT(node_marks) && len > 0; i++)
        if (word[len - 1] == node_marks[i].mark) {
            marked = worse(marked, node_marks[i].state);
            len--;
            i = (size_t)-1; /* a state may carry several marks */
        }
    for (size_t i = 0; i < COUNT(node_words); i++)
        if (strlen(node_words[i].word) == len && !strncasecmp(node_words[i].word, word, len))
            return worse(marked, node_words[i].state);
    return marked == SLURM_NODE_UP ? SLURM_NODE_UNKNOWN : marked;
}

enum slurm_node_state slurm_node_state_read(const char *words)
{
    enum slurm_node_state state = SLURM_NODE_UNKNOWN;
    for (const char *p = words; *p; p += *p == '+') {
        size_t len = strcspn(p, "+");
        state = worse(state, read_word(p, len));
        p += len;
    }
    return state;
}

const char *slurm_node_state_name(enum slurm_node_state s)
{
    return node_state_names[s];
}

/* One item, "gpu:a100:8" or "gpu:8", without what is in parentheses. */
static int add_gres(const char *item, size_t len, int64_t *gpus, char type[SLURM_TYPE_MAX + 1])
{
    char text[80] = {0};
    int64_t n;
    if (len < 4 || strncmp(item, "gpu:", 4))
        return 0;
    if (len >= sizeof(text))
        return -EINVAL;
    memcpy(text, item, len);
    text[strcspn(text, "(")] = '\0';
    char *last = strrchr(text, ':'), *name = text + 3;
    if (parse_i64(last + 1, 0, INT32_MAX, &n) < 0)
        return -EINVAL;
    *gpus += n;
    *last = '\0';
    if (last == text + 3)
        return 0;
    name++;
    name[strcspn(name, ":")] = '\0'; /* "gpu:a100:no_consume:8" */
    if (!*name || strlen(name) > SLURM_TYPE_MAX)
        return -EINVAL;
    const char *shown = *type && strcmp(type, name) != 0 ? "mixed" : name;
    memmove(type, shown, strlen(shown) + 1);
    return 0;
}

int slurm_gres_gpus(const char *gres, int64_t *out_gpus, char type[SLURM_TYPE_MAX + 1])
{
    int64_t gpus = 0;
    char found[SLURM_TYPE_MAX + 1] = "";
    for (const char *p = gres; *p; p += *p == ',') {
        size_t len = 0;
        for (int depth = 0; p[len] && (depth > 0 || p[len] != ','); len++)
            depth += p[len] == '(' ? 1 : p[len] == ')' && depth > 0 ? -1 : 0;
        int r = add_gres(p, len, &gpus, found);
        if (r < 0)
            return r;
        p += len;
    }
    *out_gpus = gpus;
    memcpy(type, found, sizeof(found));
    return 0;
}

typedef int set_fn(struct slurm_node *n, char *value);

static int set_name(struct slurm_node *n, char *value)
{
    n->name = value;
    return !*value || strlen(value) > SLURM_HOST_MAX ? -EBADMSG : 0;
}

/* The default partition may come with a star. */
static int set_partition(struct slurm_node *n, char *value)
{
    size_t len = strlen(value);
    if (len > 0 && value[len - 1] == '*')
        value[len - 1] = '\0';
    n->partition = slurm_is_nothing(value) ? "" : value;
    return 0;
}

static int set_state(struct slurm_node *n, char *value)
{
    n->state = slurm_node_state_read(value);
    return 0;
}

static int set_cpus(struct slurm_node *n, char *value)
{
    if (slurm_is_nothing(value))
        return 0;
    return parse_i64(value, 0, INT32_MAX, &n->cpus) < 0 ? -EBADMSG : 0;
}

static int set_memory(struct slurm_node *n, char *value)
{
    int64_t mib;
    if (slurm_is_nothing(value))
        return 0;
    if (parse_i64(value, 0, INT64_MAX >> 20, &mib) < 0)
        return -EBADMSG;
    n->memory_bytes = mib << 20;
    return 0;
}

static int set_gres(struct slurm_node *n, char *value)
{
    const char *gres = slurm_is_nothing(value) ? "" : value;
    return slurm_gres_gpus(gres, &n->gpus, n->gpu_type) < 0 ? -EBADMSG : 0;
}

static int set_reason(struct slurm_node *n, char *value)
{
    n->reason = slurm_is_nothing(value) ? "" : value;
    return 0;
}

/* The name first, since a row begins with it; the operator's text last but one, a word last. */
static const struct {
    const char *name;
    set_fn *set;
} columns[] = {
    {"NodeList", set_name},       {"PartitionName", set_partition},
    {"CPUs", set_cpus},           {"Memory", set_memory},
    {"Gres", set_gres},           {"Reason", set_reason},
    {"StateComplete", set_state},
};

size_t slurm_sinfo_columns(const char *names[SLURM_COLUMNS_MAX])
{
    for (size_t i = 0; i < COUNT(columns); i++)
        names[i] = columns[i].name;
    return COUNT(columns);
}

static void node_init(struct slurm_node *n)
{
    *n = (struct slurm_node){
        .name = "", .partition = "", .cpus = -1, .memory_bytes = -1, .reason = ""};
}

static int fill(struct slurm_node *n, const struct slurm_rows *rows, struct err *why)
{
    node_init(n);
    for (size_t i = 0; i < COUNT(columns); i++) {
        int r = columns[i].set(n, rows->fields[i]);
        if (r < 0)
            return err_set(why, r, "node %.64s: %s: '%.64s' is not understood", rows->fields[0],
                           columns[i].name, rows->fields[i]);
    }
    return 0;
}

int slurm_sinfo_read(const char *text, size_t len, const char *nonce,
                     const struct slurm_node_taker *to, struct slurm_count *out)
{
    AUTO(slurm_rows_done) struct slurm_rows rows;
    int r = slurm_rows_init(&rows, text, len, nonce);
    *out = (struct slurm_count){0};
    if (r < 0)
        return r;
    rows.columns = COUNT(columns);
    rows.is_closed = true;
    while (slurm_rows_next(&rows, out)) {
        struct slurm_node n;
        struct err why;
        if (fill(&n, &rows, &why) < 0) {
            slurm_count_bad(out, &why);
            continue;
        }
        out->rows++;
        to->take(&n, to->arg);
    }
    return 0;
}
