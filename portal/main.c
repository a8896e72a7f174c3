// SPDX-License-Identifier: Apache-2.0
/* portald: the web face. HTTP, sessions, forms, pages and the API; starts no process and
 * moves no job. Configuration → pool → directories → routes → listen → loop; portal.c has
 * the steps.
 *
 *   portald [--config FILE]     (else $FIREFLY_CONFIG, else /etc/firefly/firefly.conf)
 *
 * SIGHUP reads the certificate again, SIGTERM ends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "auth/directory.h"
#include "portal/portal.h"
#include "runner/base/log.h"
#include "runner/base/loop.h"

/* As many connections as the machine allows, and no core file with passwords in it. */
static void set_limits(void)
{
    struct rlimit files, none = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* which looks for leaks as a debugger would */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static const char *config_path(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--config"))
        return argv[2];
    if (argc != 1) {
        fprintf(stderr, "usage: portald [--config FILE]\n");
        exit(2);
    }
    const char *path = getenv("FIREFLY_CONFIG");
    return path ? path : "/etc/firefly/firefly.conf";
}

int main(int argc, char **argv)
{
    struct portal portal = {0};
    struct err why = {{0}};
    log_open("portald", LOG_INFO);
    const char *path = config_path(argc, argv);
    set_limits();
    directory_init();
    int r = portal_start(&portal, path, &why);
    if (r < 0)
        log_error("%s", why.text);
    else
        loop_run(portal.loop);
    portal_stop(&portal);
    return r < 0 ? 1 : 0;
}
