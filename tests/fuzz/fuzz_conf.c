// SPDX-License-Identifier: Apache-2.0
/* Configuration files: read or refused with a sentence, never anything else. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdio.h>

#include "runner/base/conf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf_key keys[] = {
        {"gpus", CONF_INT, 0, "0", 0, 64, NULL, "slots"},
        {"grace", CONF_DURATION, 8, "30s", 0, 3600000, NULL, "time"},
        {"hosts", CONF_LIST, 16, "", 0, 0, NULL, "names"},
    };
    struct {
        int64_t gpus, grace_ms;
        struct conf_list hosts;
    } out;
    char path[64];
    struct conf *c = NULL;
    struct err e = {0};
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int r = conf_read(path, &c, &e);
    if (r == 0)
        r = conf_apply(c, "node", NULL, keys, 3, &out, &e);
    if ((r < 0 && !e.text[0]) || (r == 0 && (out.gpus < 0 || out.gpus > 64)))
        abort();
    conf_free(c);
    close(fd);
    return 0;
}
