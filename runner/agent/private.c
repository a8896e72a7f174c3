// SPDX-License-Identifier: Apache-2.0
/* unshare(2) and mounts. */
#include "runner/agent/private.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/base/cleanup.h"

static const char *const shared[] = {"/tmp", "/var/tmp", "/dev/shm"};

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

int private_enter(const struct private_plan *p, struct err *e)
{
    if (!p->has_ipc)
        return 0;
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
        return err_set(e, -errno, "unshare: %s", strerror(errno));
    /* Mounts made on the machine later still arrive; ours never leave. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set(e, -errno, "the mounts cannot be made private: %s", strerror(errno));
    for (size_t i = 0; i < COUNT(p->tmp); i++) {
        const char *folder = p->tmp[i];
        if (folder &&
            mount("firefly", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=50%") < 0)
            return err_set(e, -errno, "%s: cannot be made private: %s", folder,
                           strerror(errno));
    }
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (p->has_proc && mount("proc", "/proc", "proc", flags, "hidepid=2") < 0)
        return err_set(e, -errno, "/proc: cannot be made private: %s", strerror(errno));
    return 0;
}

/* Tries the plan in a child. */
static bool works(const struct private_plan *p)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(private_enter(p, NULL) < 0);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

void private_probe(const char *const *roots, size_t root_count, struct private_plan *out)
{
    *out = (struct private_plan){.has_ipc = true};
    if (geteuid() != 0 || !works(out)) {
        out->has_ipc = false;
        return;
    }
    for (size_t i = 0; i < COUNT(shared); i++) {
        out->tmp[i] = access(shared[i], F_OK) == 0 ? shared[i] : NULL;
        for (size_t k = 0; k < root_count; k++)
            if (is_below(roots[k], shared[i]))
                out->tmp[i] = NULL;
        if (!works(out))
            out->tmp[i] = NULL;
    }
    out->has_proc = true;
    out->has_proc = works(out);
}
