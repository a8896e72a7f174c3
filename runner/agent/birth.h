// SPDX-License-Identifier: Apache-2.0
/* From fork to exec: how a keeper with its task, or a runner-files, comes into the world.
 *
 *   agent ── fork ──▶ K (root) ── fork ──▶ T (root)
 *                     │                    joins the cgroup, gets its own /tmp, becomes the user,
 *                     │ ◀──── ready ────── enters the job's folder as the user, waits
 *                     becomes the service, makes the spool entry, exec runner-keeper:
 *                     writes `start`, ─ go ▶ exec runner-task
 *   agent ◀── word ── says ok
 *
 * Whoever fails says why on the word pipe and exits. If K goes, T reads the end of the go pipe
 * and exits too: no user code ever runs without a keeper that has written `start`.
 */
#ifndef FF_AGENT_BIRTH_H
#define FF_AGENT_BIRTH_H

#include "runner/agent/cgroup.h"
#include "runner/agent/clients.h"
#include "runner/agent/identity.h"
#include "runner/agent/private.h"
#include "runner/agent/settings.h"
#include "runner/proto/circumstances.h"
#include "runner/proto/server.h"

/* What never changes while the agent runs. Programs are opened once: a user needs no way to
 * their folder, and nobody can put another one in their place. */
struct birth_place {
    const struct settings *settings;
    struct cgroup_site cgroups;
    struct private_plan private;
    int jobs, projects, spool, logs; /* folders */
    int keeper, task, files;         /* programs */
    struct clients clients;          /* programs of the configuration */
    struct server *server;           /* what children leave at once */
};

struct birth_word { /* one write(2), smaller than PIPE_BUF */
    int code;       /* 0: it lives. Otherwise a negative errno */
    struct err why;
};

struct birth {
    const struct birth_place *place;
    const struct agent_start *ask;
    struct identity user;
    struct circumstances circumstances;
    struct cgroup cgroup;
    int job_folder; /* what the task's working folder must turn out to be */
    int spec;
    int word; /* the pipe's end to write */
};

/* Steps of every birth, in a child. Whoever cannot take one says so on `word` and exits. */
enum { BIRTH_FIRST_FD = 3 };
_Noreturn void birth_fail(int word, int code, const struct err *why);
_Noreturn void birth_fail_errno(int word, const char *what);
/* Leaves what belongs to the agent alone, for a session and signals of its own. */
void birth_begin(const struct birth_place *place);
/* Becomes the user, for good. */
void birth_become(const struct identity *user, int word);
/* The job's folder, by its path and as the user; it must be the one open as `folder`. */
void birth_enter_job(const struct birth_place *place, int64_t job, int folder, int word);
/* The given descriptors become 3, 4 …; in the place of -1 comes one that nothing can be
 * done with, so that the number is never another's. */
int birth_arrange(const int *fds, int count);

/* Both are called in a new child and never return. */
_Noreturn void birth_keeper(const struct birth *b);
/* runner-files as `user`, on `socket`, in the folder `name` of the open folder `root`. */
_Noreturn void birth_files(const struct birth_place *place, const struct identity *user,
                           int root, const char *name, int socket, int word);

#endif
