// SPDX-License-Identifier: Apache-2.0
/* Asks one thing after the other and prints as it goes; what an answer means is
 * runner/exec/slurm_config.h's. A question without an answer is a line to be mended itself. */
#include "runner/daemon/check.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/base/command.h"
#include "runner/base/loop.h"
#include "runner/base/now.h"
#include "runner/base/parse.h"
#include "runner/base/xnew.h"
#include "runner/exec/slurm_config.h"
#include "runner/exec/slurm_look.h"
#include "runner/exec/slurm_words.h"

enum { ANSWER_MS = 60000, CLOCK_OFF_S = 2, TYPES_MAX = 32, WORDS_MAX = 400 };

struct type {
    char name[SLURM_TYPE_MAX + 1];
    int64_t nodes, gpus; /* of them up; GPUs of all */
    bool has_price;
};

struct check {
    const struct check_ask *ask;
    struct loop *loop;
    bool is_to_mend;
    char account[64]; /* runnerd's */
    bool is_operator;
    /* the last question and its answer */
    char program[16];
    int status;
    char *text;
    struct err why;
    struct type types[TYPES_MAX];
    size_t type_count;
};

static void print(enum slurm_verdict verdict, const char *text, void *arg)
{
    static const char *const words[] = {
        [SLURM_OK] = "ok:  ", [SLURM_NOTE] = "note:", [SLURM_MEND] = "mend:"};
    struct check *c = arg;
    printf("%s %s\n", words[verdict], text);
    fflush(stdout);
    c->is_to_mend = c->is_to_mend || verdict == SLURM_MEND;
}

#define SAY(c, verdict, ...) slurm_say(print, c, verdict, __VA_ARGS__)

/* ---- a question */

static void on_answer(const struct command_answer *answer, void *arg)
{
    struct check *c = arg;
    c->status = slurm_run_check(answer, c->program, &c->why);
    free(c->text);
    c->text = xdup(answer->out ? answer->out : "");
    loop_stop(c->loop);
}

/* The answer as text; NULL: there is none, and c->why says why. Valid until the next. */
static const char *run(struct check *c, struct slurm_argv *argv)
{
    snprintf(c->program, sizeof(c->program), "%s", argv->items[0]);
    c->status = err_set(&c->why, -EINTR, "stopped");
    struct command *command = slurm_run(c->loop, c->ask->slurm, argv, ANSWER_MS, on_answer, c);
    loop_run(c->loop);
    if (c->status == -EINTR)
        command_cancel(command);
    return c->status < 0 ? NULL : c->text;
}

static const char *ask(struct check *c, enum slurm_question what, const char *name)
{
    struct slurm_argv argv;
    c->status = slurm_config_argv(&argv, what, c->ask->slurm->cluster, name, &c->why);
    return c->status < 0 ? NULL : run(c, &argv);
}

/* ---- this machine */

static void check_programs(struct check *c)
{
    static const char *const names[] = {"squeue", "sacct", "sinfo", "scontrol", "sacctmgr"};
    const char *folder = c->ask->slurm->programs;
    bool are_all = true;
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (access(path, X_OK) == 0)
            continue;
        are_all = false;
        SAY(c, SLURM_MEND, "%s: %s. Install Slurm's client programs, or set [slurm] programs",
            path, strerror(errno));
    }
    if (are_all)
        SAY(c, SLURM_OK, "Slurm's client programs are in %s", folder);
}

static void check_version(struct check *c)
{
    struct slurm_argv argv;
    struct slurm_version v;
    const char *text = slurm_argv_version(&argv, &c->why) < 0 ? NULL : run(c, &argv);
    if (!text || slurm_version_read(text, &v, &c->why) < 0)
        SAY(c, SLURM_MEND, "Slurm's version: %s", c->why.text);
    else if (!v.is_known)
        SAY(c, SLURM_NOTE, "Slurm %d.%02d.%d: Firefly was written for 22.05 to 25.x", v.major,
            v.minor, v.patch);
    else
        SAY(c, SLURM_OK, "Slurm %d.%02d.%d", v.major, v.minor, v.patch);
}

static void check_folder(struct check *c, const char *key, const char *path)
{
    struct stat st;
    const char *agents = conf_text(c->ask->conf, "agent", NULL, key);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        SAY(c, SLURM_MEND,
            "[slurm] %s = %s: there is no such folder here. It must be on the shared file "
            "system, under the same path on every node; runner-agent makes it when it starts",
            key, path);
    else if (agents && strcmp(agents, path) != 0)
        SAY(c, SLURM_MEND, "[slurm] %s = %s, but [agent] %s = %s: write the same path in both",
            key, path, key, agents);
    else
        SAY(c, SLURM_OK, "[slurm] %s = %s; on every node, under the same path", key, path);
}

static void check_program(struct check *c, const char *key, const char *path)
{
    if (access(path, X_OK) < 0)
        SAY(c, SLURM_MEND, "[slurm] %s = %s: %s. Every node needs it there", key, path,
            strerror(errno));
    else
        SAY(c, SLURM_OK, "[slurm] %s = %s is here; every node needs it there", key, path);
}

/* Is the last part of one of the paths this name? It goes into `path`. */
static bool find_client(const char *list, const char *name, char *path, size_t size)
{
    for (const char *p = list + strspn(list, " \t"); *p; p += strspn(p, " \t")) {
        size_t len = strcspn(p, " \t");
        snprintf(path, size, "%.*s", (int)len, p);
        const char *slash = strrchr(path, '/');
        if (slash && !strcmp(slash + 1, name))
            return true;
        p += len;
    }
    return false;
}

/* What runner-agent was told: it cannot be asked without becoming the runnerd that it obeys. */
static void check_agent(struct check *c)
{
    static const char *const names[] = {"sbatch", "scancel"};
    const char *list = conf_text(c->ask->conf, "agent", NULL, "clients");
    const char *env = conf_text(c->ask->conf, "agent", NULL, "clients_environment");
    char path[512], wanted[300];
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!find_client(list ? list : "", names[i], path, sizeof(path)))
            SAY(c, SLURM_MEND,
                "[agent] clients lacks %s: no job can be submitted or ended. Write clients = "
                "/usr/bin/sbatch /usr/bin/scancel",
                names[i]);
        else if (access(path, X_OK) < 0)
            SAY(c, SLURM_MEND, "[agent] clients: %s: %s", path, strerror(errno));
        else
            SAY(c, SLURM_OK, "[agent] clients has %s", path);
    }
    snprintf(wanted, sizeof(wanted), "SLURM_CONF=%s", c->ask->slurm->slurm_conf);
    if (*c->ask->slurm->slurm_conf && !(env && strstr(env, wanted)))
        SAY(c, SLURM_MEND,
            "[agent] clients_environment lacks %s: sbatch would ask another Slurm than squeue",
            wanted);
}

/* runnerd's account: the one that the agent obeys, else whoever runs this. */
static void check_account(struct check *c)
{
    const char *said = conf_text(c->ask->conf, "agent", NULL, "service_uid");
    int64_t uid = geteuid();
    const struct passwd *pw = said ? getpwnam(said) : NULL;
    if (said && !pw)
        parse_i64(said, 0, UINT32_MAX - 1, &uid);
    if (!pw)
        pw = getpwuid((uid_t)uid);
    snprintf(c->account, sizeof(c->account), "%s", pw ? pw->pw_name : "");
    if (!pw)
        SAY(c, SLURM_MEND,
            "uid %lld, which runnerd runs as, has no name here: Slurm's clients refuse it. "
            "Make an account for it",
            (long long)uid);
    else if (pw->pw_uid != geteuid())
        SAY(c, SLURM_NOTE,
            "runnerd's account is %s, and this runs as another one: what is hidden from %s is "
            "not seen. Run it as %s",
            c->account, c->account, c->account);
}

/* ---- Slurm */

static void check_database(struct check *c, const char *cluster, const struct slurm_wishes *w)
{
    const char *text = ask(c, SLURM_ASK_CLUSTERS, "");
    if (!text)
        SAY(c, SLURM_MEND, "slurmdbd: %s", c->why.text);
    else if (!slurm_clusters_have(text, cluster))
        SAY(c, SLURM_MEND,
            "slurmdbd: does not know the cluster %s. Run: sacctmgr add cluster %s", cluster,
            cluster);
    else
        SAY(c, SLURM_OK, "slurmdbd answers and knows the cluster %s", cluster);
    text = text ? ask(c, SLURM_ASK_DATABASE, "") : NULL;
    if (text)
        slurm_database_check(text, w, print, c);
    if (!ask(c, SLURM_ASK_RECORDS, ""))
        SAY(c, SLURM_MEND, "the records of jobs: %s", c->why.text);
}

/* Before the findings that depend on it. */
static void check_rights(struct check *c)
{
    const char *text = *c->account ? ask(c, SLURM_ASK_USER, c->account) : NULL;
    bool is_there = text && *text; /* as a user of Slurm's accounting */
    c->is_operator = text && slurm_user_is_operator(text, c->account);
    if (c->is_operator)
        SAY(c, SLURM_OK, "%s is an operator of Slurm's and may lengthen a job that runs",
            c->account);
    else if (*c->account)
        SAY(c, SLURM_NOTE,
            "%s is not an operator of Slurm's: the time limit of a job that runs cannot be "
            "raised. To allow it: sacctmgr %s user %s %sadminlevel=Operator",
            c->account, is_there ? "modify" : "add", c->account,
            is_there ? "set " : "account=root ");
}

/* slurmctld's clock says when jobs start and end; Munge takes nobody's word who is minutes
 * off. */
static void check_clock(struct check *c, int64_t theirs_s, int64_t ours_s)
{
    int64_t off_s = theirs_s > ours_s ? theirs_s - ours_s : ours_s - theirs_s;
    if (theirs_s < 0)
        SAY(c, SLURM_NOTE, "slurmctld's clock was not told");
    else if (off_s > CLOCK_OFF_S)
        SAY(c, SLURM_MEND,
            "slurmctld's clock is %lld s off from ours, and charges go by it. Run chrony on "
            "both",
            (long long)off_s);
    else
        SAY(c, SLURM_OK, "slurmctld's clock is ours, to %d s; the nodes' cannot be asked",
            CLOCK_OFF_S);
}

/* False: slurmctld says nothing, and the rest is not worth asking. */
static bool check_config(struct check *c)
{
    AUTO(slurm_config_done) struct slurm_config config = {0};
    const struct exec_slurm_conf *s = c->ask->slurm;
    const char *text = ask(c, SLURM_ASK_CONFIG, "");
    if (!text) {
        SAY(c, SLURM_MEND, "its configuration: %s", c->why.text);
        return false;
    }
    slurm_config_read(&config, text);
    check_clock(c, config.clock_s, now_ms() / 1000);
    check_rights(c);
    struct slurm_wishes w = {.submit_deadline_ms = s->submit_deadline_ms,
                             .is_operator = c->is_operator,
                             .has_accounts = s->accounts == SLURM_ACCOUNTS_PROJECTS,
                             .account = c->account};
    slurm_config_check(&config, &w, print, c);
    check_database(c, *s->cluster ? s->cluster : slurm_config_get(&config, "ClusterName"), &w);
    if (!ask(c, SLURM_ASK_QUEUE, ""))
        SAY(c, SLURM_MEND, "the queue: %s", c->why.text);
    return true;
}

static void check_partition(struct check *c)
{
    const char *name = c->ask->slurm->partition;
    const char *text = ask(c, SLURM_ASK_PARTITIONS, "");
    if (text)
        slurm_partition_check(text, name, print, c);
    else
        SAY(c, SLURM_MEND, "the partitions: %s", c->why.text);
}

/* ---- nodes and their price */

static struct type *type_of(struct check *c, const char *name)
{
    for (size_t i = 0; i < c->type_count; i++)
        if (!strcmp(c->types[i].name, name))
            return &c->types[i];
    if (c->type_count == TYPES_MAX)
        return NULL;
    struct type *t = &c->types[c->type_count++];
    *t = (struct type){0};
    snprintf(t->name, sizeof(t->name), "%s", name);
    return t;
}

static void on_nodes(int status, const struct exec_node *nodes, size_t count,
                     const struct err *why, void *arg)
{
    struct check *c = arg;
    size_t idle = 0;
    c->status = status;
    c->why = *why;
    for (size_t i = 0; i < count; i++) {
        struct type *t = nodes[i].gpus > 0 ? type_of(c, nodes[i].gpu_type) : NULL;
        idle += nodes[i].gpus == 0;
        if (t)
            t->nodes += nodes[i].is_up;
        if (t)
            t->gpus += nodes[i].gpus;
        if (!nodes[i].is_up)
            SAY(c, SLURM_NOTE, "node %s: %s", nodes[i].name, nodes[i].enforced);
    }
    if (idle)
        SAY(c, SLURM_NOTE, "%zu nodes have no GPUs and get no jobs", idle);
    loop_stop(c->loop);
}

static int read_prices(struct check *c, struct err *e)
{
    AUTO(db_closep) struct db *db = NULL;
    AUTO(db_rows_freep) struct db_rows *rows = NULL;
    int r = db_open(c->ask->db, DB_RUNNER, &db, e);
    if (r == 0)
        r = db_select(db, SQL_RUNNER_PRICED, DB_NO_ARGS, &rows, e);
    while (r == 0 && (r = db_rows_next(rows, e)) > 0) {
        r = 0;
        for (size_t i = 0; i < c->type_count; i++)
            if (!strcmp(c->types[i].name, db_rows_text(rows, 0)))
                c->types[i].has_price = true;
    }
    return r;
}

static void check_type(struct check *c, const struct type *t, bool are_prices_known)
{
    if (!*t->name || !strcmp(t->name, "mixed"))
        SAY(c, SLURM_MEND,
            "%lld GPUs %s: such nodes get no jobs. Write one type per node: Gres=gpu:a100:8 in "
            "slurm.conf, Type=a100 in gres.conf",
            (long long)t->gpus, *t->name ? "are of several types in one node" : "have no type");
    else if (are_prices_known && !t->has_price)
        SAY(c, SLURM_MEND, "GPU type %s has no price. Run: quota price set %s 1", t->name,
            t->name);
    else
        SAY(c, t->nodes ? SLURM_OK : SLURM_MEND, "GPU type %s%s: %lld GPUs, %lld nodes up",
            t->name, are_prices_known ? ", which has a price" : "", (long long)t->gpus,
            (long long)t->nodes);
}

static void check_nodes(struct check *c)
{
    struct err why;
    c->status = err_set(&c->why, -EINTR, "stopped");
    struct slurm_nodes *n = slurm_nodes_start(c->loop, c->ask->slurm, on_nodes, c);
    if (n)
        loop_run(c->loop);
    if (c->status < 0) {
        if (c->status == -EINTR)
            slurm_nodes_cancel(n);
        SAY(c, SLURM_MEND, "the nodes: %s", c->why.text);
        return;
    }
    if (c->type_count == 0)
        SAY(c, SLURM_MEND, "no node of the partition has GPUs");
    int r = read_prices(c, &why);
    if (r < 0)
        SAY(c, SLURM_NOTE, "the price list could not be read: %s", why.text);
    for (size_t i = 0; i < c->type_count; i++)
        check_type(c, &c->types[i], r == 0);
}

int check_slurm(const struct check_ask *what)
{
    struct check c = {.ask = what, .loop = loop_new()};
    const struct exec_slurm_conf *s = what->slurm;
    if (!what->is_executor)
        SAY(&c, SLURM_NOTE, "[runner] executor is not slurm: jobs do not go to Slurm yet");
    check_account(&c);
    check_programs(&c);
    check_version(&c);
    check_agent(&c);
    check_folder(&c, "jobs_root", s->jobs);
    check_folder(&c, "projects_root", s->projects);
    check_program(&c, "task", s->task);
    check_program(&c, "launcher", s->launcher);
    const char *text = ask(&c, SLURM_ASK_PING, "");
    slurm_ping_check(text ? text : "", print, &c);
    if (text && check_config(&c)) {
        check_partition(&c);
        check_nodes(&c);
    }
    free(c.text);
    loop_free(c.loop);
    return c.is_to_mend ? 1 : 0;
}
