// SPDX-License-Identifier: Apache-2.0
/* Unguessable bytes from the kernel, and their hexadecimal text. */
#ifndef FF_BASE_RANDOM_H
#define FF_BASE_RANDOM_H

#include <stddef.h>

void random_bytes(void *out, size_t len); /* aborts if the kernel has none to give */
void random_hex(char *out, size_t bytes); /* writes 2*bytes lower-case digits and a NUL */
void random_hex_of(char *out, const void *data,
                   size_t bytes); /* the same text of given bytes */

#endif
