// SPDX-License-Identifier: Apache-2.0
/* Writes error sentences. Allocates nothing; a sentence too long is cut, never lost whole. */
#include "runner/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    return code;
}

int err_wrap(struct err *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    struct err inner = *e;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n + 2 < sizeof(e->text))
        snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", inner.text);
    return code;
}
