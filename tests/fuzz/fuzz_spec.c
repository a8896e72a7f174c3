// SPDX-License-Identifier: Apache-2.0
/* Requests: whatever is taken must come back from its canonical text unchanged, within the
 * limits. */
#include <stdlib.h>
#include <string.h>

#include "runner/base/jget.h"
#include "runner/job/spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spec_limits limits = {4, 8, 32, INT64_C(86400000)};
    AUTO(json_freep) json_t *request = NULL;
    AUTO(spec_freep) struct spec *s = NULL, *again = NULL;
    struct spec_fault fault;
    struct err e;
    if (jget_parse((const char *)data, size, SPEC_JSON_MAX, &request, &e) < 0 ||
        spec_parse(request, &limits, &s, &fault) < 0)
        return 0;
    char *text = spec_text(s);
    if (spec_load(text, strlen(text), &again, &e) < 0)
        abort();
    char *second = spec_text(again);
    if (strcmp(text, second) || spec_gpus(s) < 1 || spec_gpus(s) > limits.gpus ||
        s->time_limit_ms < 1000 || s->time_limit_ms > limits.time_limit_ms)
        abort();
    free(text);
    free(second);
    return 0;
}
