// SPDX-License-Identifier: Apache-2.0
/* One line per event on standard error, written by programs and never by libraries.
 *
 *   2026-11-23T20:15:02.117Z runnerd warning: job 4711: preempted after 1800 s, 4 GPUs freed
 *
 * Subject first. Never passwords, tokens or whole requests. Control bytes are written as \xNN,
 * so a line is a line whatever a user put in. One write(2) a line; any thread.
 */
#ifndef FF_BASE_LOG_H
#define FF_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_open(const char *program, enum log_level least); /* call first, in main */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
