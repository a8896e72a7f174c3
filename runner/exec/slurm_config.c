// SPDX-License-Identifier: Apache-2.0
/* A table of what slurm.conf must say, walked over what it says; and the few answers that are
 * no list of keys. */
#include "runner/exec/slurm_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/exec/slurm_words.h"

enum { MIN_JOB_AGE_S = 60 };

void slurm_say(slurm_finding_fn *say, void *arg, enum slurm_verdict verdict, const char *format,
               ...)
{
    char text[SLURM_FINDING_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say(verdict, text, arg);
}

/* ---- the questions */

/* %c: --clusters=CLUSTER, left out without one; %n: the name, left out when it is "". */
static const char *const questions[][12] = {
    [SLURM_ASK_PING] = {"scontrol", "%c", "ping"},
    [SLURM_ASK_CONFIG] = {"scontrol", "%c", "show", "config"},
    [SLURM_ASK_PARTITIONS] = {"scontrol", "%c", "--all", "--oneliner", "show", "partition"},
    [SLURM_ASK_QUEUE] = {"squeue", "%c", "--all", "--noheader", "--states=RUNNING",
                         "--format=%i"},
    [SLURM_ASK_RECORDS] = {"sacct", "%c", "--allusers", "--allocations", "--noheader",
                           "--parsable2", "--starttime=now", "--format=JobIDRaw"},
    [SLURM_ASK_CLUSTERS] = {"sacctmgr", "--parsable2", "--noheader", "show", "cluster",
                            "format=cluster"},
    [SLURM_ASK_DATABASE] = {"sacctmgr", "show", "configuration"},
    [SLURM_ASK_USER] = {"sacctmgr", "--parsable2", "--noheader", "show", "user", "%n",
                        "format=user,adminlevel"},
};

static bool is_name(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+-";
    size_t len = strspn(text, letters);
    return len > 0 && len <= SLURM_CLUSTER_MAX && !text[len] && text[0] != '-';
}

int slurm_config_argv(struct slurm_argv *out, enum slurm_question what, const char *cluster,
                      const char *name, struct err *e)
{
    if ((*cluster && !is_name(cluster)) || (*name && !is_name(name)))
        return err_set(e, -EINVAL, "'%.64s' is not allowed on Slurm's command line",
                       *cluster && !is_name(cluster) ? cluster : name);
    *out = (struct slurm_argv){0};
    for (const char *const *word = questions[what]; *word; word++) {
        char option[SLURM_CLUSTER_MAX + 16];
        snprintf(option, sizeof(option), "--clusters=%s", cluster);
        bool is_cluster = !strcmp(*word, "%c"), is_given = !strcmp(*word, "%n");
        if ((is_cluster && !*cluster) || (is_given && !*name))
            continue;
        out->items[out->count++] = xdup(is_cluster ? option : is_given ? name : *word);
    }
    return 0;
}

/* ---- keys and values */

void slurm_config_done(struct slurm_config *c)
{
    free(c->text);
    *c = (struct slurm_config){0};
}

/* "Key   = value" in place: both without blanks around them. False: it is no such line. */
static bool split(char *line, const char **out_key, const char **out_value)
{
    char *equals = strchr(line, '=');
    if (!equals || equals == line)
        return false;
    char *end = equals;
    while (end > line && end[-1] == ' ')
        end--;
    *end = '\0';
    char *value = equals + 1 + strspn(equals + 1, " ");
    size_t len = strlen(value);
    while (len > 0 && strchr(" \r", value[len - 1]))
        value[--len] = '\0';
    *out_key = line;
    *out_value = value;
    return *line != '\0';
}

void slurm_config_read(struct slurm_config *out, const char *text)
{
    static const char heading[] = "Configuration data as of ";
    *out = (struct slurm_config){.text = xdup(text), .clock_s = -1};
    char *rest = out->text, *line;
    while ((line = strsep(&rest, "\n")) && out->count < SLURM_LINES_MAX) {
        if (!strncmp(line, heading, strlen(heading))) {
            if (parse_i64(line + strlen(heading), 0, INT64_MAX / 1000, &out->clock_s) < 0)
                out->clock_s = -1;
        } else if (split(line, &out->keys[out->count], &out->values[out->count])) {
            out->count++;
        }
    }
}

const char *slurm_config_get(const struct slurm_config *c, const char *key)
{
    for (size_t i = 0; i < c->count; i++)
        if (!strcasecmp(c->keys[i], key))
            return slurm_is_nothing(c->values[i]) ? "" : c->values[i];
    return "";
}

/* Is `word` one of the values, with or without the kind of plugin before it ("task/cgroup")? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p; p += *p == ',') {
        size_t len = strcspn(p, ",");
        const char *slash = memchr(p, '/', len);
        if (len == n && !strncasecmp(p, word, n))
            return true;
        if (slash && (size_t)(p + len - slash - 1) == n && !strncasecmp(slash + 1, word, n))
            return true;
        p += len;
    }
    return false;
}

/* "300 sec"; -1: no number. */
static int64_t seconds_of(const char *value)
{
    char digits[16] = {0};
    int64_t s;
    size_t n = strspn(value, "0123456789");
    if (n == 0 || n >= sizeof(digits))
        return -1;
    memcpy(digits, value, n);
    return parse_i64(digits, 0, INT32_MAX, &s) < 0 ? -1 : s;
}

/* ---- slurm.conf */

enum fits {
    HAS,      /* `word` is among the values */
    CONTAINS, /* it stands in the value */
    LACKS,    /* it is not among the values */
    IS_SET,
};

/* In the order of runner/slurm.md. */
static const struct rule {
    const char *file, *key;
    enum fits fits;
    const char *word;
    enum slurm_verdict otherwise;
    const char *without, *how;
} rules[] = {
    {"slurm.conf", "AccountingStorageType", HAS, "slurmdbd", SLURM_MEND,
     "no record is left of a job that has ended, and it cannot be settled",
     "set up slurmdbd and write AccountingStorageType=accounting_storage/slurmdbd"},
    {"slurm.conf", "AccountingStoreFlags", HAS, "job_comment", SLURM_MEND,
     "a job that has ended is not found again by its token",
     "write AccountingStoreFlags=job_comment"},
    {"slurm.conf", "AccountingStorageTRES", HAS, "gres/gpu", SLURM_MEND,
     "sacct does not say how many GPUs a job had", "write AccountingStorageTRES=gres/gpu"},
    {"slurm.conf", "GresTypes", HAS, "gpu", SLURM_MEND, "no job can ask for GPUs",
     "write GresTypes=gpu, and the nodes' GPUs with their types in gres.conf"},
    {"slurm.conf", "SelectType", HAS, "cons_tres", SLURM_MEND,
     "GPUs are not given out one by one", "write SelectType=select/cons_tres"},
    {"slurm.conf", "SelectTypeParameters", CONTAINS, "MEMORY", SLURM_MEND,
     "jobs of one node are promised more memory than it has",
     "write SelectTypeParameters=CR_Core_Memory"},
    {"slurm.conf", "ProctrackType", HAS, "cgroup", SLURM_MEND,
     "what a job has put into the background outlives it",
     "write ProctrackType=proctrack/cgroup"},
    {"slurm.conf", "TaskPlugin", HAS, "cgroup", SLURM_MEND,
     "nothing keeps a job off the GPUs and the memory of others",
     "write TaskPlugin=task/cgroup,task/affinity"},
    {"cgroup.conf", "ConstrainDevices", HAS, "yes", SLURM_MEND,
     "a job can use the GPUs that others were given and pay for", "write ConstrainDevices=yes"},
    {"cgroup.conf", "ConstrainRAMSpace", HAS, "yes", SLURM_MEND,
     "one job can take the memory of all others on its node", "write ConstrainRAMSpace=yes"},
    {"slurm.conf", "EnforcePartLimits", LACKS, "no", SLURM_MEND,
     "a job that the partition never takes waits in the queue instead of being refused",
     "write EnforcePartLimits=ALL"},
    {"slurm.conf", "PreemptMode", LACKS, "suspend", SLURM_NOTE,
     "a job that Slurm suspends keeps its GPUs, and nobody else gets them",
     "write PreemptMode=CANCEL or REQUEUE"},
    {"slurm.conf", "Epilog", IS_SET, NULL, SLURM_NOTE,
     "nothing looks after a job's GPUs before the next job has them",
     "write Epilog= with the one of runner/slurm.md"},
};

static bool does_fit(const struct rule *r, const char *value)
{
    switch (r->fits) {
    case HAS:
        return has_word(value, r->word);
    case CONTAINS:
        return strcasestr(value, r->word) != NULL;
    case LACKS:
        return !has_word(value, r->word);
    default:
        return *value != '\0';
    }
}

/* How many runs a token may have is ours: --no-requeue goes along with every job. */
static void check_requeue(const struct slurm_config *c, slurm_finding_fn *say, void *arg)
{
    slurm_say(
        say, arg, SLURM_OK,
        "slurm.conf: JobRequeue = %s: either will do, jobs are submitted with --no-requeue",
        slurm_config_get(c, "JobRequeue"));
}

static void check_times(const struct slurm_config *c, const struct slurm_wishes *w,
                        slurm_finding_fn *say, void *arg)
{
    int64_t message_s = seconds_of(slurm_config_get(c, "MessageTimeout"));
    int64_t age_s = seconds_of(slurm_config_get(c, "MinJobAge"));
    bool is_quick = message_s >= 0 && message_s * 1000 < w->submit_deadline_ms;
    bool is_kept = age_s == 0 || age_s >= MIN_JOB_AGE_S; /* 0: never forgotten */
    slurm_say(say, arg, is_quick ? SLURM_OK : SLURM_MEND,
              "slurm.conf: MessageTimeout = %lld s, [slurm] submit_deadline = %lld s%s",
              (long long)message_s, (long long)(w->submit_deadline_ms / 1000),
              is_quick
                  ? ""
                  : ": sbatch is killed while it waits for slurmctld, and it is not known "
                    "whether the job is there. Write a submit_deadline that is longer than "
                    "MessageTimeout");
    slurm_say(say, arg, is_kept ? SLURM_OK : SLURM_MEND, "slurm.conf: MinJobAge = %lld s%s",
              (long long)age_s,
              is_kept ? ""
                      : ": squeue forgets a job before sacct knows its end, which then is "
                        "thought lost. Write MinJobAge=300");
}

/* Which of others' things Slurm hides from us. */
static void check_private(const char *file, const char *list, const struct slurm_wishes *w,
                          slurm_finding_fn *say, void *arg)
{
    static const char *const hiding[] = {"jobs", "nodes", "partitions"};
    const char *hidden = NULL;
    for (size_t i = 0; i < COUNT(hiding) && !hidden; i++)
        if (has_word(list, hiding[i]))
            hidden = hiding[i];
    if (!hidden || w->is_operator)
        slurm_say(say, arg, SLURM_OK, "%s: PrivateData = %s%s", file, *list ? list : "none",
                  hidden ? ", and we are an operator" : "");
    else
        slurm_say(say, arg, SLURM_MEND,
                  "%s: PrivateData = %s: the %s of others are hidden from the account %s. Take "
                  "%s out, or run: sacctmgr modify user %s set AdminLevel=Operator",
                  file, list, hidden, w->account, hidden, w->account);
}

static void check_accounts(const struct slurm_config *c, const struct slurm_wishes *w,
                           slurm_finding_fn *say, void *arg)
{
    const char *enforce = slurm_config_get(c, "AccountingStorageEnforce");
    bool is_enforced = has_word(enforce, "associations") || has_word(enforce, "limits") ||
                       has_word(enforce, "qos") || has_word(enforce, "safe");
    if (w->has_accounts && !is_enforced)
        slurm_say(
            say, arg, SLURM_NOTE,
            "slurm.conf: AccountingStorageEnforce = %s: whoever submits by himself can do "
            "so under any project's account. Write "
            "AccountingStorageEnforce=associations,limits,qos",
            *enforce ? enforce : "none");
    else
        slurm_say(say, arg, SLURM_OK, "slurm.conf: AccountingStorageEnforce = %s%s",
                  *enforce ? enforce : "none",
                  is_enforced ? ": each researcher needs an association (quota slurm sync)"
                              : "");
}

void slurm_config_check(const struct slurm_config *c, const struct slurm_wishes *w,
                        slurm_finding_fn *say, void *arg)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        const struct rule *r = &rules[i];
        const char *value = slurm_config_get(c, r->key);
        const char *shown = *value ? value : "(nothing)";
        if (does_fit(r, value))
            slurm_say(say, arg, SLURM_OK, "%s: %s = %s", r->file, r->key, shown);
        else
            slurm_say(say, arg, r->otherwise, "%s: %s = %s: %s. In %s %s", r->file, r->key,
                      shown, r->without, r->file, r->how);
    }
    check_times(c, w, say, arg);
    check_requeue(c, say, arg);
    check_accounts(c, w, say, arg);
    check_private("slurm.conf", slurm_config_get(c, "PrivateData"), w, say, arg);
}

void slurm_database_check(const char *text, const struct slurm_wishes *w, slurm_finding_fn *say,
                          void *arg)
{
    AUTO(slurm_config_done) struct slurm_config c = {0};
    const char *own = strstr(text, "SlurmDBD configuration:"); /* before it: our slurm.conf */
    slurm_config_read(&c, own ? own : "");
    check_private("slurmdbd.conf", slurm_config_get(&c, "PrivateData"), w, say, arg);
}

/* ---- a partition */

/* The value of Key in "Key=value Key=value"; "" when it is not there. */
static void value_of(const char *line, size_t len, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    *out = '\0';
    for (size_t at = 0; at < len; at += strcspn(line + at, " \n") + 1) {
        if (strncmp(line + at, key, n) != 0 || line[at + n] != '=')
            continue;
        const char *value = line + at + n + 1;
        snprintf(out, size, "%.*s", (int)strcspn(value, " \n"), value);
        return;
    }
}

/* The line of the partition; NULL: there is none. */
static const char *find_partition(const char *text, const char *name, size_t *out_len)
{
    for (const char *line = text; *line; line += *line == '\n') {
        char value[SLURM_CLUSTER_MAX + 1];
        *out_len = strcspn(line, "\n");
        value_of(line, *out_len, *name ? "PartitionName" : "Default", value, sizeof(value));
        if (!strcmp(value, *name ? name : "YES"))
            return line;
        line += *out_len;
    }
    return NULL;
}

/* What a partition of one's own would not have. */
static const struct {
    const char *key, *usual;
    enum slurm_verdict otherwise;
    const char *meaning;
} partition_rules[] = {
    {"State", "UP", SLURM_MEND,
     "it takes or starts no jobs. Run: scontrol update "
     "PartitionName=… State=UP"},
    {"RootOnly", "NO", SLURM_MEND, "no researcher can submit to it. Write RootOnly=NO"},
    {"AllowGroups", "ALL", SLURM_NOTE, "each researcher must be in one of these groups"},
    {"AllowAccounts", "ALL", SLURM_NOTE, "each project's account must be one of these"},
    {"AllowQos", "ALL", SLURM_NOTE, "[slurm] qos must be one of these"},
    {"MaxNodes", "UNLIMITED", SLURM_NOTE,
     "the form does not know this limit: Slurm refuses "
     "larger jobs"},
};

bool slurm_partition_check(const char *text, const char *name, slurm_finding_fn *say, void *arg)
{
    size_t len = 0;
    char value[256], shown[SLURM_CLUSTER_MAX + 1], time[64];
    const char *line = find_partition(text, name, &len);
    if (!line) {
        slurm_say(say, arg, SLURM_MEND,
                  "partition %s: there is none. Write [slurm] partition, "
                  "one of those that sinfo shows",
                  *name ? name : "(the default)");
        return false;
    }
    value_of(line, len, "PartitionName", shown, sizeof(shown));
    for (size_t i = 0; i < COUNT(partition_rules); i++) {
        value_of(line, len, partition_rules[i].key, value, sizeof(value));
        if (*value && strcasecmp(value, partition_rules[i].usual) != 0)
            slurm_say(say, arg, partition_rules[i].otherwise, "partition %s: %s = %s: %s",
                      shown, partition_rules[i].key, value, partition_rules[i].meaning);
    }
    value_of(line, len, "State", value, sizeof(value));
    value_of(line, len, "MaxTime", time, sizeof(time));
    if (!strcasecmp(value, "UP"))
        slurm_say(say, arg, SLURM_OK, "partition %s: up, jobs of at most %s", shown,
                  slurm_is_nothing(time) ? "any length" : time);
    return true;
}

/* ---- who is there */

void slurm_ping_check(const char *text, slurm_finding_fn *say, void *arg)
{
    bool is_any = false;
    for (const char *line = text; *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        bool is_up = memmem(line, len, " is UP", 6), is_down = memmem(line, len, " is DOWN", 8);
        if (is_up || is_down)
            slurm_say(say, arg, is_up ? SLURM_OK : SLURM_NOTE, "%.*s", (int)len, line);
        is_any = is_any || is_up;
        line += len;
    }
    if (!is_any)
        slurm_say(say, arg, SLURM_MEND,
                  "slurmctld: does not answer. Start it, or set [slurm] "
                  "conf to the right slurm.conf");
}

bool slurm_user_is_operator(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        const char *level = line + n + 1;
        if (len > n && !strncmp(line, name, n) && line[n] == '|' &&
            (!strncmp(level, "Operator", 8) || !strncmp(level, "Admin", 5)))
            return true;
        line += len;
    }
    return false;
}

bool slurm_clusters_have(const char *text, const char *cluster)
{
    for (const char *line = text; *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        if (len == strlen(cluster) && !strncasecmp(line, cluster, len))
            return true;
        line += len;
    }
    return false;
}
