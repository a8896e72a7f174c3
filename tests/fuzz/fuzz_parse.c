// SPDX-License-Identifier: Apache-2.0
/* Single values: whatever is taken lies in its range and means the same when written out again.
 * */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/base/parse.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64] = {0}, again[64];
    int64_t n;
    int month;
    memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
    if (parse_i64(text, -1000, INT64_MAX, &n) == 0) {
        snprintf(again, sizeof(again), "%lld", (long long)n);
        if (n < -1000 || (strcmp(again, text) && strcmp(text, "-0")))
            abort();
    }
    if (parse_duration_ms(text, 0, 1000000, &n) == 0 && (n < 0 || n > 1000000 || n % 1000))
        abort();
    if (parse_gpu_hours(text, 1000000, &n) == 0 && (n < 0 || n > 1000000))
        abort();
    if (parse_size_bytes(text, 1, 1000000, &n) == 0 && (n < 1 || n > 1000000))
        abort();
    if (parse_month(text, &month) == 0 && (month < 200001 || month > 219912))
        abort();
    if (parse_day(text, &n) == 0 && (n < 10957 || n > 84371))
        abort();
    parse_is_utf8((const char *)data, size);
    return 0;
}
