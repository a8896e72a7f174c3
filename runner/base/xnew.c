// SPDX-License-Identifier: Apache-2.0
/* Allocations that abort instead of failing. */
#include "runner/base/xnew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory)
        return memory;
    fputs("out of memory\n", stderr);
    abort();
}

void *xalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xgrow(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return checked(NULL);
    return checked(realloc(memory, bytes ? bytes : 1));
}

char *xdup(const char *text)
{
    return text ? checked(strdup(text)) : NULL;
}
