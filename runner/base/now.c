// SPDX-License-Identifier: Apache-2.0
/* Reads the clocks of the machine. */
#include "runner/base/now.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400 };

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

/* The day of the calendar that the zone's clock shows. */
static int64_t local_day(time_t at)
{
    struct tm local;
    localtime_r(&at, &local);
    struct tm midnight = {
        .tm_year = local.tm_year, .tm_mon = local.tm_mon, .tm_mday = local.tm_mday};
    return (int64_t)timegm(&midnight) / DAY_S;
}

int64_t now_day_start_ms(int64_t days)
{
    time_t before = (time_t)((days - 1) * DAY_S); /* no zone is a whole day away */
    time_t after = (time_t)((days + 1) * DAY_S);
    while (after - before > 1) {
        time_t middle = before + (after - before) / 2;
        if (local_day(middle) < days)
            before = middle;
        else
            after = middle;
    }
    return (int64_t)after * 1000;
}

void now_text(int64_t at_ms, char out[20])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    if (!strftime(out, 20, "%Y-%m-%d %H:%M:%S", &local))
        memcpy(out, "?", 2);
}
