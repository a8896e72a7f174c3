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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/agent/folder.h"
#include "runner/base/now.h"
#include "runner/base/xnew.h"

enum {
    WAIT_MAX_MS = 10000,   /* for the word, however late the caller's deadline is */
    ERRAND_LATE_MS = 3000, /* after its deadline: an errand that says nothing by then hangs */
    UNDO_WAIT_MS = 500,    /* for a killed cgroup to be empty */
    PIDS_DEFAULT = 16384,  /* processes and threads of one attempt */
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

    char token[SPOOL_TOKEN_MAX + 1]; /* "" unless it is a start: then there is little to undo */
    char new_folder[NAME_ROOM];      /* "" unless this launch made the job's folder */
    bool has_cgroup;
    bool is_errand;
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
    int64_t max = l->is_errand ? AGENT_CLIENT_MAX_MS : WAIT_MAX_MS;
    int64_t left = deadline_ms - now_ms();
    left = left < 0 ? 0 : left > max ? max : left;
    if (l->is_errand)
        left += ERRAND_LATE_MS;
    if (l->status < 0)
        left = 0;
    if (l->status == 0)
        l->watch = loop_watch_new(l->loop, l->word, on_word, l);
    l->timer = loop_timer_new(l->loop, left, 0, on_deadline, l);
    return l;
}

/* What a user's process reads must not change under its eyes, and must be a plain piece of
 * memory. */
static bool is_sealed(int fd)
{
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
    int found = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
    return found >= 0 && (found & seals) == seals;
}

static int check_spec(int spec, struct err *e)
{
    if (!is_sealed(spec))
        return err_set(e, -EINVAL, "start: needs a sealed memfd with the job's request");
    return 0;
}

static int check_input(int input, struct err *e)
{
    struct stat st;
    if (input < 0)
        return 0;
    if (!is_sealed(input) || fstat(input, &st) < 0)
        return err_set(e, -EINVAL, "client: its standard input must be a sealed memfd");
    if (st.st_size > AGENT_INPUT_MAX)
        return err_set(e, -EFBIG, "client: %lld bytes of standard input, at most %d",
                       (long long)st.st_size, AGENT_INPUT_MAX);
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

static int open_job(struct launch *l, int64_t job, const struct identity *user, int *out)
{
    char name[NAME_ROOM];
    bool is_new = false;
    struct folder_owner owner = {user->uid, user->gid, 0700};
    snprintf(name, sizeof(name), "%lld", (long long)job);
    *out = folder_open(l->place->jobs, name, &owner, &is_new, &l->why);
    if (is_new)
        memcpy(l->new_folder, name, sizeof(name));
    return *out < 0 ? *out : 0;
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
        r = open_job(l, ask->job, &b->user, &b->job_folder);
    if (r == 0)
        r = cgroup_make(&l->place->cgroups, ask->token, &limits, &devices, &b->cgroup, &l->why);
    l->has_cgroup = r == 0;
    return r;
}

static void note_child(struct launch *l, pid_t child)
{
    l->child = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
    if (child < 0 && l->status == 0)
        l->status = err_set(&l->why, -errno, "fork: %s", strerror(errno));
}

/* Forks; the child never returns. */
static void bear(struct launch *l, const struct birth *b)
{
    pid_t child = fork();
    if (child == 0)
        birth_keeper(b);
    note_child(l, child);
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

struct launch *launch_client_start(struct loop *loop, const struct birth_place *place,
                                   const struct agent_client *ask, const struct errand_fds *fds,
                                   launch_done_fn *done, void *arg)
{
    struct launch *l = launch_new(loop, place, done, arg);
    gid_t groups[AGENT_GROUPS_MAX];
    l->is_errand = true;
    struct errand e = {.place = place,
                       .ask = ask,
                       .user = identity_of(&ask->account, groups),
                       .fds = *fds,
                       .job_folder = -1,
                       .word = open_word(l)};
    if (l->status == 0)
        l->status = check_input(fds->input, &l->why);
    if (l->status == 0)
        l->status = open_project(place, ask->project, ask->project_gid, &l->why);
    if (l->status == 0)
        l->status = open_job(l, ask->job, &e.user, &e.job_folder);
    pid_t child = l->status < 0 ? -1 : fork();
    if (child == 0)
        errand_run(&e);
    note_child(l, child);
    cleanup_close(&e.job_folder);
    cleanup_close(&e.word);
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
        l->status = err_set(&l->why, -EIO, "the new process ended without a word");
    }
    finish(l);
}

static void on_deadline(void *arg)
{
    struct launch *l = arg;
    if (l->status == 0)
        l->status = err_set(&l->why, -ETIMEDOUT, "%s",
                            l->is_errand ? "the client hangs: killed"
                                         : "the keeper did not start in time");
    finish(l);
}

/* Not the folder of one that may have done its work: a job may be on its way there. */
static void undo_errand(struct launch *l)
{
    if (l->child >= 0) /* what runs below it dies with it; the agent's timer buries it */
        syscall(SYS_pidfd_send_signal, l->child, SIGKILL, NULL, 0);
    if (l->new_folder[0] && l->status != -ETIMEDOUT && l->status != -EIO)
        unlinkat(l->place->jobs, l->new_folder, AT_REMOVEDIR);
}

static void undo(struct launch *l)
{
    const struct settings *s = l->place->settings;
    struct spool_entry entry;
    siginfo_t info;
    if (l->is_errand)
        undo_errand(l);
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
