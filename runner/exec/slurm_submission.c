// SPDX-License-Identifier: Apache-2.0
#include "runner/exec/slurm_submission.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/base/buf.h"
#include "runner/exec/slurm_words.h"
#include "runner/proto/agent_calls.h"
#include "runner/proto/client.h"

enum { NODES_MAX = 64 * 1024, ACCOUNT_MAX = 128 };

/* The second line of the file; NULL: the request is no JSON. Caller frees. */
static char *request_line(const struct exec_slurm_conf *conf, const struct exec_ask *ask)
{
    char job_dir[600], project_dir[600];
    AUTO(json_freep) json_t *spec = json_loads(ask->spec, 0, NULL);
    snprintf(job_dir, sizeof(job_dir), "%s/%lld", conf->jobs, (long long)ask->job);
    snprintf(project_dir, sizeof(project_dir), "%s/%s", conf->projects, ask->project);
    AUTO(json_freep)
    json_t *j =
        json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:O}", "token",
                  ask->token, "job", (json_int_t)ask->job, "attempt", (json_int_t)ask->attempt,
                  "job_dir", job_dir, "project", ask->project, "project_dir", project_dir,
                  "nodes", (json_int_t)ask->nodes, "limit_ms", (json_int_t)ask->limit_ms,
                  "grace_ms", (json_int_t)ask->grace_ms, "resume", ask->resume, "spec", spec);
    if (j && *conf->launcher)
        json_object_set_new(j, "launcher", json_string(conf->launcher));
    return j ? json_dumps(j, JSON_COMPACT) : NULL;
}

int slurm_submission_script(const struct exec_slurm_conf *conf, const struct exec_ask *ask,
                            struct err *e)
{
    static const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    AUTO(cleanup_free) char *line = request_line(conf, ask);
    AUTO(cleanup_close) int fd = memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !line || dprintf(fd, "#!%s --batch\n%s\n", conf->task, line) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
        return err_set(e, -EINVAL, "the file for sbatch cannot be made");
    int out = fd;
    fd = -1;
    return out;
}

/* "n1,n2": the places of the plan. */
static void node_list(const struct exec_place *place, struct buf *out)
{
    for (size_t i = 0; i < place->count; i++)
        buf_printf(out, "%s%s", i ? "," : "", place->slots[i].node);
}

/* Whose use it is in Slurm's own accounting; "" the user's default. */
static void account_of(const struct exec_slurm_conf *conf, const struct exec_ask *ask,
                       char out[ACCOUNT_MAX])
{
    bool is_own = conf->accounts == SLURM_ACCOUNTS_PROJECTS;
    snprintf(out, ACCOUNT_MAX, "%s%s", is_own ? conf->account_prefix : conf->account,
             is_own ? ask->project : "");
}

int slurm_submission_argv(const struct exec_slurm_conf *conf, const struct exec_ask *ask,
                          const char *name, struct slurm_argv *out, struct err *e)
{
    char output[700], folder[600], log[SLURM_LOG_NAME_MAX], account[ACCOUNT_MAX];
    AUTO(buf_done) struct buf nodes = BUF_INIT(NODES_MAX);
    slurm_log_name(ask->attempt, log);
    account_of(conf, ask, account);
    snprintf(folder, sizeof(folder), "%s/%lld", conf->jobs, (long long)ask->job);
    snprintf(output, sizeof(output), "%s/%s", folder, log);
    node_list(ask->place, &nodes);
    if (nodes.failed)
        return err_set(e, -EINVAL, "the names of its nodes are too long for one command line");
    return slurm_argv_sbatch(
        out,
        &(struct slurm_submit){.token = ask->token,
                               .name = name,
                               .cluster = slurm_choice(conf->cluster),
                               .partition = slurm_choice(conf->partition),
                               .account = slurm_choice(account),
                               .qos = slurm_choice(conf->qos),
                               .nodelist =
                                   conf->is_ours ? slurm_choice(buf_text(&nodes)) : NULL,
                               .gpu_type = ask->gpu_type,
                               .output = output,
                               .folder = folder,
                               .nodes = ask->nodes,
                               .gpus_per_node = ask->gpus_per_node,
                               .cpus = ask->cpus,
                               .memory_bytes = ask->memory_bytes,
                               .limit_ms = ask->limit_ms,
                               .grace_ms = ask->grace_ms,
                               .by_gpus_per_node = conf->by_gpus_per_node},
        e);
}

enum slurm_phase slurm_submission_read(const struct agent_client_reply *reply,
                                       int64_t *out_accepted, struct exec_answer *out)
{
    struct slurm_accepted accepted;
    if (reply->exit_code == 0) {
        int r = slurm_accepted_read(reply->out, &accepted, &out->why);
        out->status = r < 0 ? -EAGAIN : 0;
        *out_accepted = r < 0 ? 0 : accepted.id;
        return r < 0 ? SLURM_DOUBTFUL : SLURM_KNOWN;
    }
    enum slurm_answer answer = slurm_answer_read(reply->err, &out->why);
    bool is_certain = answer == SLURM_FAULT || answer == SLURM_TROUBLE;
    out->status = -EAGAIN;
    out->is_refused = is_certain;
    out->is_fault = answer == SLURM_FAULT;
    return is_certain ? SLURM_ABSENT : SLURM_DOUBTFUL;
}

/* After a deadline it is not known whether sbatch ran. */
enum slurm_phase slurm_submission_silence(const struct client_answer *answer,
                                          struct exec_answer *out)
{
    bool is_doubtful = answer->is_reply ? answer->status == -ETIMEDOUT || answer->status == -EIO
                                        : answer->was_sent;
    out->status = answer->status;
    out->why = answer->why;
    /* ESTALE: another runnerd's word counts now; EBUSY: soon, as many clients run as may */
    out->is_refused = answer->is_reply && !is_doubtful && answer->status != -ESTALE &&
                      answer->status != -EBUSY;
    out->is_fault = out->is_refused && (answer->status == -EACCES || answer->status == -EPERM ||
                                        answer->status == -EINVAL);
    return is_doubtful ? SLURM_DOUBTFUL : SLURM_ABSENT;
}
