// SPDX-License-Identifier: Apache-2.0
/* Formats a line into one buffer and writes it whole. */
#include "runner/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runner/base/buf.h"
#include "runner/base/cleanup.h"

enum { LINE_BYTES = 2048 };

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *program_name = "firefly";
static enum log_level least_level = LOG_INFO;

void log_open(const char *program, enum log_level least)
{
    program_name = program;
    least_level = least;
}

static void put_escaped(struct buf *b, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            buf_printf(b, "\\x%02x", *p);
        else
            buf_put_char(b, (char)*p);
    }
}

static void put_stamp(struct buf *b)
{
    struct timespec t;
    struct tm utc;
    char day[32];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(b, "%s.%03ldZ ", day, t.tv_nsec / 1000000);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level < least_level)
        return;
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    AUTO(buf_done) struct buf b = BUF_INIT(4 * LINE_BYTES + 128);
    put_stamp(&b);
    buf_printf(&b, "%s %s: ", program_name, level_names[level]);
    put_escaped(&b, text);
    buf_put_char(&b, '\n');
    if (!b.failed)
        (void)!write(STDERR_FILENO, b.data, b.len);
}
