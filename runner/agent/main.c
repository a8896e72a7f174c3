// SPDX-License-Identifier: Apache-2.0
/* runner-agent [--config FILE]: settings → folders → agent → loop. FILE is else
 * $FIREFLY_CONFIG, else /etc/firefly/firefly.conf. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/agent/agent.h"
#include "runner/base/cleanup.h"
#include "runner/base/log.h"

AUTO_FREE(conf_free, struct conf)
AUTO_FREE(agent_free, struct agent)
AUTO_FREE(loop_free, struct loop)

static int run(const char *path, struct err *e)
{
    static const char *const others[] = {"site",   "database", "directory", "portal",
                                         "runner", "node",     "fake",      "slurm",
                                         "refund", "seal",     "mail",      NULL};
    AUTO(conf_freep) struct conf *conf = NULL;
    AUTO(loop_freep) struct loop *loop = NULL;
    AUTO(agent_freep) struct agent *agent = NULL;
    struct settings settings;
    int r = conf_read(path, &conf, e);
    if (r == 0)
        r = settings_read(conf, &settings, e);
    if (r == 0)
        r = conf_check(conf, others, e);
    if (r == 0)
        r = settings_make_folders(&settings, e);
    if (r < 0)
        return r;
    loop = loop_new();
    r = agent_new(loop, &settings, &agent, e);
    if (r < 0)
        return r;
    log_info("listens at %s%s", settings.socket, settings.is_root ? "" : ", not as root");
    loop_run(loop);
    return 0;
}

static const char *config_path(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--config"))
        return argv[2];
    if (argc != 1) {
        fprintf(stderr, "usage: runner-agent [--config FILE]\n");
        exit(2);
    }
    const char *path = getenv("FIREFLY_CONFIG");
    return path ? path : "/etc/firefly/firefly.conf";
}

int main(int argc, char **argv)
{
    struct err why = {{0}};
    log_open("runner-agent", LOG_INFO);
    const char *path = config_path(argc, argv);
    umask(022);
    if (run(path, &why) < 0) {
        log_error("%s", why.text);
        return 1;
    }
    return 0;
}
