// SPDX-License-Identifier: Apache-2.0
/* The programs that the verb `client` may run: the configuration's, and no others.
 *
 * Each is opened once, when the agent starts, and run by that descriptor: nobody can put
 * another one in its place. After they were upgraded the agent is to be started again; what
 * runs does not notice. The agent knows nothing about them but their paths.
 */
#ifndef FF_AGENT_CLIENTS_H
#define FF_AGENT_CLIENTS_H

#include <stdbool.h>

#include "runner/base/conf.h"

struct clients_entry {
    const char *path, *name; /* the name is the last part of the path */
    int fd;                  /* -1: it cannot be run, and `why` says so */
    struct err why;
};

struct clients {
    struct clients_entry *entries;
    size_t count;
};

/* One that cannot be run is said once, here, and refused when it is asked for: a batch system
 * that is not installed yet keeps no local job from running. As root a program must belong to
 * root and be writable by nobody else. -EINVAL: two have the same name. */
int clients_open(struct clients *c, const struct conf_list *paths, bool is_root, struct err *e);
void clients_done(struct clients *c);

/* The descriptor of `name`; -ENOENT with the reason. */
int clients_find(const struct clients *c, const char *name, struct err *e);

#endif
