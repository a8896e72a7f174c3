// SPDX-License-Identifier: Apache-2.0
/* What the environment can ask for, once, at the first process that passes the point:
 *
 *   FIREFLY_FAULT_POINT=launch.asked      the point
 *   FIREFLY_FAULT=kill | stop             SIGKILL or SIGSTOP to this process
 *   FIREFLY_FAULT_ONCE=FILE               made by the one that does it; if it is there nothing
 *                                         happens any more */
#include "runner/base/fault_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static fault_point_fn *the_hook;
static void *the_arg;

void fault_point_hook(fault_point_fn *hook, void *arg)
{
    the_hook = hook;
    the_arg = arg;
}

static void obey_environment(const char *name)
{
    const char *point = getenv("FIREFLY_FAULT_POINT"), *fault = getenv("FIREFLY_FAULT"),
               *once = getenv("FIREFLY_FAULT_ONCE");
    if (!point || !fault || !once || strcmp(point, name) != 0)
        return;
    int fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    close(fd);
    raise(!strcmp(fault, "stop") ? SIGSTOP : SIGKILL);
}

void fault_point(const char *name)
{
    if (the_hook)
        the_hook(name, the_arg);
    else
        obey_environment(name);
}
