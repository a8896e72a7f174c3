// SPDX-License-Identifier: Apache-2.0
/* Reads the clocks of the machine. */
#include "runner/base/now.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t now_mono_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t now_boot_ms(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

const char *now_boot_id(void)
{
    static char id[BOOT_ID_LEN + 1];
    if (id[0])
        return id;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return "";
    if (read(fd, id, BOOT_ID_LEN) != BOOT_ID_LEN)
        id[0] = '\0';
    close(fd);
    return id;
}

void now_text(int64_t at_ms, char out[20])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    if (!strftime(out, 20, "%Y-%m-%d %H:%M:%S", &local))
        memcpy(out, "?", 2);
}
