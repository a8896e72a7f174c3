// SPDX-License-Identifier: Apache-2.0
/* The section [agent] of firefly.conf, checked against the machine. */
#ifndef FF_AGENT_SETTINGS_H
#define FF_AGENT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/base/conf.h"

enum settings_mode { MODE_RANGE, MODE_NSS };

struct settings {
    const char *socket, *state, *spool, *logs, *service, *jobs_root, *projects_root, *programs,
        *cgroup;
    int64_t mode; /* enum settings_mode */
    int64_t uid_min, uid_max, min_uid;
    struct conf_list clients, clients_environment; /* absolute paths; NAME=value */
    int64_t clients_max;

    bool is_root;
    uid_t service_uid; /* runnerd and the keepers; our own when not root */
    gid_t service_gid;
};

/* Texts live as long as `c`. */
int settings_read(struct conf *c, struct settings *out, struct err *e);

/* Makes the folders that are missing, checks owner and mode of those that are there. */
int settings_make_folders(const struct settings *s, struct err *e);

#endif
