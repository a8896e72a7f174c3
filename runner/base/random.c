// SPDX-License-Identifier: Apache-2.0
/* getrandom(2), whole or not at all. */
#include "runner/base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno != EINTR)
            abort();
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

void random_hex_of(char *out, const void *data, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * bytes] = '\0';
}

void random_hex(char *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte;
        random_bytes(&byte, 1);
        random_hex_of(out + 2 * i, &byte, 1);
    }
}
