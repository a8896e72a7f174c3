// SPDX-License-Identifier: Apache-2.0
/* runner-files: started by runner-agent alone, as the user; descriptor 3 is the socket, 4 the
 * folder. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "runner/agent/files.h"

enum { SOCKET_FD = 3, FOLDER_FD = 4 };

int main(void)
{
    if (fcntl(SOCKET_FD, F_GETFD) < 0 || fcntl(FOLDER_FD, F_GETFD) < 0) {
        fprintf(stderr, "runner-files is started by runner-agent, never by hand\n");
        return 2;
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0,
          0); /* the user's other processes may not speak through us */
    return files_run(SOCKET_FD, FOLDER_FD);
}
