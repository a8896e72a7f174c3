// SPDX-License-Identifier: Apache-2.0
/* Small allocations that cannot fail: out of memory aborts the program.
 *
 * For structures whose size we choose. Whatever outside input sizes goes through `struct buf`
 * or an arena with a ceiling and reports -ENOMEM. Libraries that run in users' programs use
 * neither.
 */
#ifndef FF_BASE_XNEW_H
#define FF_BASE_XNEW_H

#include <stddef.h>

#define xnew(type) ((type *)xalloc(1, sizeof(type)))
#define xnew_array(type, count) ((type *)xalloc((count), sizeof(type)))

void *xalloc(size_t count, size_t size);              /* zeroed; caller frees with free() */
void *xgrow(void *memory, size_t count, size_t size); /* realloc; new bytes are not zeroed */
char *xdup(const char *text);                         /* NULL gives NULL */

#endif
