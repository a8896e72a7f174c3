// SPDX-License-Identifier: Apache-2.0
/* runner-keeper: started by runner-agent alone, with its descriptors in place (keeper.h). */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runner/agent/keeper.h"
#include "runner/base/log.h"

int main(void)
{
    if (fcntl(KEEPER_PLAN, F_GETFD) < 0 || fcntl(KEEPER_LOCK, F_GETFD) < 0) {
        fprintf(stderr, "runner-keeper is started by runner-agent, never by hand\n");
        return 2;
    }
    log_open("runner-keeper", LOG_INFO);
    return keeper_run();
}
