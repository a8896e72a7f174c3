// SPDX-License-Identifier: Apache-2.0
/* Releases what a scope held. Nothing here fails, and errno is left as it was. */
#include "runner/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void cleanup_free(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void cleanup_close(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}
