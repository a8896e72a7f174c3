// SPDX-License-Identifier: Apache-2.0
/* Memory that dies all at once: what belongs to one request.
 *
 * Every function returns NULL when the ceiling is reached or memory is out; nothing is freed
 * singly. One thread at a time: the loop hands the arena to a worker together with the request.
 */
#ifndef FF_BASE_ARENA_H
#define FF_BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */

void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned for any type */
char *arena_dup(struct arena *a, const char *text);
char *arena_dup_bytes(struct arena *a, const void *data, size_t len); /* adds a NUL */
char *arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
