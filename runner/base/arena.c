// SPDX-License-Identifier: Apache-2.0
/* A chain of blocks, filled from the front. A large allocation gets a block of its own. */
#include "runner/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/xnew.h"

enum { BLOCK_BYTES = 4096 };

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *first;
    size_t total, max;
};

struct arena *arena_new(size_t max_bytes)
{
    struct arena *a = xnew(struct arena);
    a->max = max_bytes;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > a->max)
        return NULL;
    size_t rounded = (size + align - 1) / align * align;
    struct block *b = a->first;
    if (!b || b->size - b->used < rounded) {
        size_t want = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        if (a->total + want > a->max && a->total + rounded > a->max)
            return NULL;
        b = calloc(1, sizeof(*b) + want);
        if (!b)
            return NULL;
        b->size = want;
        b->next = a->first;
        a->first = b;
        a->total += want;
    }
    void *memory = b->data + b->used;
    b->used += rounded;
    return memory;
}

char *arena_dup_bytes(struct arena *a, const void *data, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (copy && len)
        memcpy(copy, data, len);
    return copy;
}

char *arena_dup(struct arena *a, const char *text)
{
    return text ? arena_dup_bytes(a, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
