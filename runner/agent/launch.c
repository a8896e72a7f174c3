// SPDX-License-Identifier: Apache-2.0
/* Preparing, forking, waiting, undoing. Whatever root makes here lies in folders of root. */
#include "runner/agent/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/folder.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum {
    WAIT_MAX_MS = 10000,  /* for the word, however late the caller's deadline is */
    UNDO_WAIT_MS = 500,   /* for a killed cgroup to be empty */
    PIDS_DEFAULT = 16384, /* processes and threads of one attempt */
    NAME_ROOM = 32
};

struct launch {
    struct loop *loop;
    const struct birth_place *place;
    launch_done_fn *done;
    void *arg;
    struct loop_watch *watch; /* of the word */
    struct loop_timer *timer; /* of the deadline, or of a failure that waits to be told */
    int word, child;          /* a pipe's end, a pidfd; -1: none */
    int status;
    struct err why;

    char token[SPOOL_TOKEN_MAX + 1]; /* "" for runner-files: then there is nothing to undo */
    char new_folder[NAME_ROOM];      /* "" unless this launch made the job's folder */
    bool has_cgroup;
};

/* A launch, in the order it happens. */
static int prepare(struct launch *l, const struct agent_start *ask, struct birth *b);
static void bear(struct launch *l, const struct birth *b);
static void on_word(void *arg);
static void on_deadline(void *arg);
static void undo(struct launch *l);
static void finish(struct launch *l);

static struct launch *launch_new(struct loop *loop, const struct birth_place *place,
                                 launch_done_fn *done, void *arg)
{
    struct launch *l = xnew(struct launch);
    *l = (struct launch){
        .loop = loop, .place = place, .done = done, .arg = arg, .word = -1, .child = -1};
    return l;
}

/* Waits for what is to come: the word, the deadline, or the telling of a failure. */
static struct launch *launch_wait(struct launch *l, int64_t deadline_ms)
{
    int64_t left = deadline_ms - now_ms();
    left = left < 0 || l->status < 0 ? 0 : left > WAIT_MAX_MS ? WAIT_MAX_MS : left;
    if (l->status == 0)
        l->watch = loop_watch_new(l->loop, l->word, on_word, l);
    l->timer = loop_timer_new(l->loop, left, 0, on_deadline, l);
    return l;
}

/* A user's request must not change under the task's eyes, and must be a plain piece of memory.
 * */
static int check_spec(int spec, struct err *e)
{
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
    if (spec < 0 || (fcntl(spec, F_GET_SEALS) & seals) != seals || fcntl(spec, F_GET_SEALS) < 0)
        return err_set(e, -EINVAL, "start: needs a sealed memfd with the job's request");
    return 0;
}

static struct identity identity_of(const struct agent_account *a, gid_t *groups)
{
    for (size_t i = 0; i < a->group_count; i++)
        groups[i] = (gid_t)a->groups[i];
    return (struct identity){.uid = (uid_t)a->uid,
                             .gid = (gid_t)a->gid,
                             .groups = groups,
                             .group_count = a->group_count};
}

/* A project's folder belongs to root and the project's group; without a group it is not made.
 * */
static int open_project(const struct birth_place *place, const char *project, int64_t gid,
                        struct err *e)
{
    bool is_new, is_root = place->settings->is_root;
    struct folder_owner owner = {geteuid(), is_root ? (gid_t)gid : getegid(),
                                 is_root ? 02770 : 0700};
    if (is_root && !gid)
        return 0;
    AUTO(cleanup_close) int fd = folder_open(place->projects, project, &owner, &is_new, e);
    return fd < 0 ? fd : 0;
}

static int open_job(struct launch *l, const struct agent_start *ask, struct birth *b)
{
    char name[NAME_ROOM];
    bool is_new = false;
    struct folder_owner owner = {b->user.uid, b->user.gid, 0700};
    snprintf(name, sizeof(name), "%lld", (long long)ask->job);
    b->job_folder = folder_open(l->place->jobs, name, &owner, &is_new, &l->why);
    if (is_new)
        memcpy(l->new_folder, name, sizeof(name));
    return b->job_folder < 0 ? b->job_folder : 0;
}

static int prepare(struct launch *l, const struct agent_start *ask, struct birth *b)
{
    const struct cgroup_limits limits = {.memory_bytes = ask->memory_bytes,
                                         .pids = ask->pids_max ? ask->pids_max : PIDS_DEFAULT,
                                         .cpus = ask->cpus};
    struct device_rules devices;
    device_rules_init(&devices);
    int r = check_spec(b->spec, &l->why);
    for (size_t i = 0; r == 0 && i < ask->gpu_count; i++)
        if (ask->gpus[i].device)
            r = device_rules_add_gpu(&devices, ask->gpus[i].device, &l->why);
    if (r == 0)
        r = open_project(l->place, ask->project, ask->project_gid, &l->why);
    if (r == 0)
        r = open_job(l, ask, b);
    if (r == 0)
        r = cgroup_make(&l->place->cgroups, ask->token, &limits, &devices, &b->cgroup, &l->why);
    l->has_cgroup = r == 0;
    return r;
}

/* Forks; the child never returns. */
static void bear(struct launch *l, const struct birth *b)
{
    pid_t child = fork();
    if (child == 0)
        birth_keeper(b);
    l->child = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
    if (child < 0)
        l->status = err_set(&l->why, -errno, "fork: %s", strerror(errno));
}

static int open_word(struct launch *l)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        l->status = err_set(&l->why, -errno, "pipe: %s", strerror(errno));
        return -1;
    }
    l->word = ends[0];
    return ends[1];
}

struct launch *launch_start(struct loop *loop, const struct birth_place *place,
                            const struct agent_start *ask, int spec, launch_done_fn *done,
                            void *arg)
{
    struct launch *l = launch_new(loop, place, done, arg);
    gid_t groups[AGENT_GROUPS_MAX];
    snprintf(l->token, sizeof(l->token), "%s", ask->token);
    struct birth b = {.place = place,
                      .ask = ask,
                      .user = identity_of(&ask->account, groups),
                      .cgroup = CGROUP_NONE,
                      .job_folder = -1,
                      .spec = spec,
                      .word = open_word(l)};
    if (l->status == 0)
        l->status = prepare(l, ask, &b);
    if (l->status == 0) {
        const struct circumstances_place at = {
            .jobs_root = place->settings->jobs_root,
            .projects_root = place->settings->projects_root,
            .has_private_tmp = place->private.tmp[0] != NULL,
        };
        circumstances_init(&b.circumstances, &at, ask);
        bear(l, &b);
    }
    circumstances_done(&b.circumstances);
    cgroup_done(&b.cgroup);
    cleanup_close(&b.job_folder);
    cleanup_close(&b.word);
    return launch_wait(l, ask->head.deadline_ms);
}

struct launch *launch_files_start(struct loop *loop, const struct birth_place *place,
                                  const struct agent_files *ask, int socket,
                                  launch_done_fn *done, void *arg)
{
    struct launch *l = launch_new(loop, place, done, arg);
    gid_t groups[AGENT_GROUPS_MAX];
    const struct identity user = identity_of(&ask->account, groups);
    char job[NAME_ROOM];
    int kind = 0;
    socklen_t size = sizeof(kind);
    snprintf(job, sizeof(job), "%lld", (long long)ask->job);
    AUTO(cleanup_close) int word = open_word(l);
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &size) < 0 || kind != SOCK_SEQPACKET)
        l->status = err_set(&l->why, -EINVAL, "files: needs one end of a socketpair");
    if (l->status == 0 && !ask->job)
        l->status = open_project(place, ask->project, ask->project_gid, &l->why);
    pid_t child = l->status < 0 ? -1 : fork();
    if (child == 0)
        birth_files(place, &user, ask->job ? place->jobs : place->projects,
                    ask->job ? job : ask->project, socket, word);
    if (l->status == 0 && child < 0)
        l->status = err_set(&l->why, -errno, "fork: %s", strerror(errno));
    return launch_wait(l, ask->head.deadline_ms);
}

static void on_word(void *arg)
{
    struct launch *l = arg;
    struct birth_word w;
    ssize_t n = read(l->word, &w, sizeof(w));
    if (n == sizeof(w)) {
        l->status = w.code;
        l->why = w.why;
    } else {
        l->status = err_set(&l->why, -EIO, "the keeper ended without a word");
    }
    finish(l);
}

static void on_deadline(void *arg)
{
    struct launch *l = arg;
    if (l->status == 0)
        l->status = err_set(&l->why, -ETIMEDOUT, "the keeper did not start in time");
    finish(l);
}

static void undo(struct launch *l)
{
    const struct settings *s = l->place->settings;
    struct spool_entry entry;
    siginfo_t info;
    if (!l->token[0])
        return;
    if (l->child >= 0) { /* the keeper first: then nobody can let the task go any more */
        syscall(SYS_pidfd_send_signal, l->child, SIGKILL, NULL, 0);
        waitid(P_PIDFD, (id_t)l->child, &info, WEXITED);
    }
    if (l->has_cgroup)
        cgroup_remove(&l->place->cgroups, l->token, UNDO_WAIT_MS);
    bool is_there = l->child >= 0 && spool_read(s->spool, l->token, &entry, NULL) == 0;
    if (is_there && entry.state == SPOOL_DEAD && !entry.has_start)
        spool_remove(s->spool, l->token, NULL);
    if (l->new_folder[0] && !(is_there && entry.has_start))
        unlinkat(l->place->jobs, l->new_folder, AT_REMOVEDIR);
}

static void finish(struct launch *l)
{
    launch_done_fn *done = l->done;
    void *arg = l->arg;
    int status = l->status;
    struct err why = l->why;
    if (status < 0)
        undo(l);
    launch_cancel(l);
    done(status, &why, arg);
}

void launch_cancel(struct launch *l)
{
    if (!l)
        return;
    loop_watch_free(l->watch);
    loop_timer_free(l->timer);
    cleanup_close(&l->word);
    cleanup_close(&l->child);
    free(l);
}
