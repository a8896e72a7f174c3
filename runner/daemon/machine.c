// SPDX-License-Identifier: Apache-2.0
#include "runner/daemon/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base/log.h"
#include "runner/base/xnew.h"
#include "runner/daemon/world.h"
#include "runner/exec/fake.h"
#include "runner/exec/local.h"
#include "runner/exec/slurm.h"
#include "runner/gpu/gpu.h"

const char *const machine_executors[] = {"local", "fake", "slurm", NULL};
enum { LOCAL, FAKE, SLURM };

struct node_conf {
    const char *name, *gpu_type;
    int64_t gpus, cpus, memory_bytes;
};

static const struct conf_key node_keys[] = {
    {"name", CONF_TEXT, offsetof(struct node_conf, name), "", 0, EXEC_NODE_NAME_MAX, NULL,
     "this machine's name; the host name if empty"},
    {"gpus", CONF_INT, offsetof(struct node_conf, gpus), "0", 0, AGENT_GPUS_MAX, NULL,
     "declared slots, where NVML finds no GPUs"},
    {"gpu_type", CONF_TEXT, offsetof(struct node_conf, gpu_type), "gpu", 1, 32, NULL,
     "as in the price list"},
    {"cpus", CONF_INT, offsetof(struct node_conf, cpus), "0", 0, 4096, NULL,
     "0: all there are"},
    {"memory", CONF_SIZE, offsetof(struct node_conf, memory_bytes), "0", 0, INT64_C(1) << 50,
     NULL, "0: all there is"},
};

struct fake_conf {
    const char *folder;
    int64_t nodes, start_ms;
};

static const struct conf_key fake_keys[] = {
    {"folder", CONF_TEXT, offsetof(struct fake_conf, folder), "", 0, 255, NULL,
     "where its attempts are kept over a restart; in memory alone if empty"},
    {"nodes", CONF_INT, offsetof(struct fake_conf, nodes), "1", 1, 100000, NULL,
     "how many nodes it has, each as [node] says"},
    {"start", CONF_DURATION, offsetof(struct fake_conf, start_ms), "0", 0, 3600000, NULL,
     "from the asking until an attempt begins"},
};

static const char *const slurm_accounts[] = {"site", "projects", NULL};

#define FIELD(name) offsetof(struct exec_slurm_conf, name)
static const struct conf_key slurm_keys[] = {
    {"programs", CONF_PATH, FIELD(programs), "/usr/bin", 0, 0, NULL,
     "folder of squeue, sacct, sinfo, scontrol"},
    {"conf", CONF_TEXT, FIELD(slurm_conf), "", 0, 255, NULL,
     "slurm.conf, where it is not Slurm's own default; [agent] clients_environment says it too"},
    {"cluster", CONF_TEXT, FIELD(cluster), "", 0, 64, NULL, "the one of slurm.conf if empty"},
    {"partition", CONF_TEXT, FIELD(partition), "", 0, 64, NULL, "Slurm's default if empty"},
    {"account", CONF_TEXT, FIELD(account), "", 0, 64, NULL, "the user's default if empty"},
    {"accounts", CONF_CHOICE, FIELD(accounts), "site", 0, 0, slurm_accounts,
     "projects: each project's jobs go to an account of its own, which `quota slurm sync` "
     "makes; site: all to `account`"},
    {"account_prefix", CONF_TEXT, FIELD(account_prefix), "", 0, 32, NULL,
     "before a project's name in the name of its account"},
    {"qos", CONF_TEXT, FIELD(qos), "", 0, 64, NULL, "Slurm's default if empty"},
    {"exclusive", CONF_BOOL, FIELD(is_ours), "no", 0, 0, NULL,
     "yes: nobody else submits to the partition, jobs go to the nodes that Firefly chose"},
    {"gpus_per_node", CONF_BOOL, FIELD(by_gpus_per_node), "no", 0, 0, NULL,
     "yes: ask by --gpus-per-node instead of --gres"},
    {"jobs_root", CONF_TEXT, FIELD(jobs), "", 0, 255, NULL,
     "parent of the job folders, the same on every node; as in [agent]"},
    {"projects_root", CONF_TEXT, FIELD(projects), "", 0, 255, NULL,
     "parent of the project folders, the same on every node; as in [agent]"},
    {"task", CONF_TEXT, FIELD(task), "/usr/libexec/firefly/runner-task", 1, 200, NULL,
     "runner-task, on every node"},
    {"launcher", CONF_PATH, FIELD(launcher), "/usr/bin/srun", 0, 0, NULL,
     "srun, on every node"},
    {"submit_deadline", CONF_DURATION, FIELD(submit_deadline_ms), "30s", 1000, 300000, NULL,
     "how long sbatch may take; longer than Slurm's MessageTimeout"},
    {"settle", CONF_DURATION, FIELD(settle_ms), "60s", 1000, 3600000, NULL,
     "how long after a submission, or after squeue showed it last, a job that neither squeue nor "
     "sacct shows may still be there"},
    {"pending", CONF_DURATION, FIELD(pending_max_ms), "60s", 1000, INT64_C(31) * 86400000, NULL,
     "what waits longer in Slurm's queue is withdrawn and tried again later"},
};
#undef FIELD

struct machine {
    struct machine_conf conf;
    struct exec_node node;
    struct gpu *found;
    struct agent_gpu gpus[AGENT_GPUS_MAX]; /* what NVML found, or declared slots */
    bool has_driver;                       /* the former */
    struct fake_conf fake;
    struct exec_node *fake_nodes;
    struct fake_cluster *cluster;
    struct exec_slurm_conf slurm;
    struct executor *executor;
};

/* ---- the configuration */

/* This machine's GPUs: those that NVML finds, or the slots that the configuration declares. */
static int read_gpus(struct machine *m, int64_t declared, struct err *e)
{
    size_t found = 0;
    int r = gpu_list(&m->found, &found, e);
    if (r < 0)
        return r;
    int64_t count = found ? (int64_t)found : declared;
    m->has_driver = found > 0 && m->conf.executor == LOCAL;
    m->node.gpus = count < AGENT_GPUS_MAX ? count : AGENT_GPUS_MAX;
    for (int64_t i = 0; i < m->node.gpus; i++)
        m->gpus[i] =
            found ? (struct agent_gpu){m->found[i].index, m->found[i].device, m->found[i].uuid}
                  : (struct agent_gpu){.index = i};
    return 0;
}

static int read_node(struct machine *m, struct conf *c, struct err *e)
{
    struct node_conf n;
    struct exec_node *node = &m->node;
    int r = conf_apply(c, "node", NULL, node_keys, COUNT(node_keys), &n, e);
    if (r == 0)
        r = read_gpus(m, n.gpus, e);
    if (r < 0)
        return r;
    if (*n.name)
        snprintf(node->name, sizeof(node->name), "%s", n.name);
    else
        gethostname(node->name, sizeof(node->name) - 1);
    snprintf(node->gpu_type, sizeof(node->gpu_type), "%s", n.gpu_type);
    node->cpus = n.cpus ? n.cpus : sysconf(_SC_NPROCESSORS_ONLN);
    node->memory_bytes = n.memory_bytes
                             ? n.memory_bytes
                             : (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    return 0;
}

static int check_slurm(const struct machine *m, struct err *e)
{
    const struct {
        const char *key, *value;
    } paths[] = {{"jobs_root", m->slurm.jobs},
                 {"projects_root", m->slurm.projects},
                 {"task", m->slurm.task}};
    for (size_t i = 0; m->conf.executor == SLURM && i < COUNT(paths); i++)
        if (paths[i].value[0] != '/')
            return err_set(e, -EINVAL, "[slurm] %s = %s: write its absolute path", paths[i].key,
                           paths[i].value);
    if (m->slurm.settle_ms <= m->slurm.submit_deadline_ms)
        return err_set(e, -EINVAL,
                       "[slurm] settle: must be longer than submit_deadline, or a "
                       "submission that is still under way could be made again");
    return 0;
}

int machine_new(struct conf *c, const struct machine_conf *conf, struct machine **out,
                struct err *e)
{
    struct machine *m = xnew(struct machine);
    m->conf = *conf;
    int r = read_node(m, c, e);
    if (r == 0)
        r = conf_apply(c, "fake", NULL, fake_keys, COUNT(fake_keys), &m->fake, e);
    if (r == 0)
        r = conf_apply(c, "slurm", NULL, slurm_keys, COUNT(slurm_keys), &m->slurm, e);
    if (r == 0)
        r = check_slurm(m, e);
    if (r < 0)
        machine_free(m);
    else
        *out = m;
    return r;
}

/* ---- the executor */

static void make_fake_nodes(struct machine *m, size_t count)
{
    m->fake_nodes = xnew_array(struct exec_node, count);
    for (size_t i = 0; i < count; i++) {
        struct exec_node *n = &m->fake_nodes[i];
        *n = m->node;
        n->is_up = true;
        snprintf(n->name, sizeof(n->name), count > 1 ? "%.50s-%zu" : "%.50s", m->node.name,
                 i + 1);
        snprintf(n->enforced, sizeof(n->enforced), "nothing: nothing runs");
    }
}

static int open_fake(struct machine *m, struct loop *l, struct err *e)
{
    struct world clock;
    size_t count = (size_t)m->fake.nodes;
    world_init(&clock);
    make_fake_nodes(m, count);
    int r = fake_cluster_new(
        &(struct fake_cluster_conf){.nodes = m->fake_nodes,
                                    .node_count = count,
                                    .folder = *m->fake.folder ? m->fake.folder : NULL,
                                    .start_ms = m->fake.start_ms,
                                    .wall_ms = clock.wall_ms},
        &m->cluster, e);
    if (r < 0)
        return r;
    log_warning("[runner] executor = fake: no job really runs");
    m->executor = exec_fake_new(l, m->cluster);
    return 0;
}

static int open_slurm(struct machine *m, struct loop *l, struct client *agent)
{
    m->slurm.agent = agent;
    m->slurm.call_deadline_ms = m->conf.call_deadline_ms;
    m->executor = exec_slurm_new(l, &m->slurm);
    return 0;
}

int machine_open(struct machine *m, struct loop *l, struct client *agent, struct err *e)
{
    struct exec_local_conf local = {agent, m->conf.spool, m->conf.call_deadline_ms, &m->node,
                                    m->gpus};
    switch (m->conf.executor) {
    case FAKE:
        return open_fake(m, l, e);
    case SLURM:
        return open_slurm(m, l, agent);
    default:
        return exec_local_new(l, &local, &m->executor, e);
    }
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    if (m->executor)
        m->executor->ops->free(m->executor);
    fake_cluster_free(m->cluster);
    free(m->fake_nodes);
    free(m->found);
    free(m);
}

/* ---- */

struct executor *machine_executor(const struct machine *m)
{
    return m->executor;
}

const struct exec_slurm_conf *machine_slurm(const struct machine *m)
{
    return &m->slurm;
}

const struct exec_node *machine_node(const struct machine *m)
{
    return &m->node;
}

const struct agent_gpu *machine_gpus(const struct machine *m)
{
    return m->gpus;
}

bool machine_has_driver(const struct machine *m)
{
    return m->has_driver;
}

bool machine_logs_in_folders(const struct machine *m)
{
    return m->conf.executor == SLURM;
}
