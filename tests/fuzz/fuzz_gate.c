// SPDX-License-Identifier: Apache-2.0
/* Heads of requests: the verdict must not depend on how the bytes were cut, and what passes
 * must be what a second, simpler reading of the same bytes finds. The first byte says where to
 * cut. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "portal/gate.h"
#include "tests/fuzz/fuzz.h"

static const char *const hosts[] = {"localhost", "[::1]", NULL};
static const struct gate_limits limits = {2048, 16, 1024 * 1024, hosts};

static enum gate_verdict feed(struct gate *g, const char *data, size_t size, size_t first)
{
    char *part = malloc(first + 1); /* exact copies, so that a read past the end is seen */
    memcpy(part, data, first);
    *g = (struct gate){0};
    enum gate_verdict v = gate_feed(g, &limits, part, first);
    free(part);
    if (v == GATE_MORE)
        v = gate_feed(g, &limits, data, size);
    return v;
}

static int count_fields(const char *head, const char *name, size_t size)
{
    int count = 0;
    for (size_t i = 2; i + strlen(name) <= size; i++)
        count += head[i - 2] == '\r' && strncasecmp(head + i, name, strlen(name)) == 0;
    return count;
}

static void check_passed(const struct gate *g, const char *data)
{
    const char *head = data + g->head_start;
    size_t size = g->head_end - g->head_start;
    if (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0 || g->fields > 16)
        abort();
    for (size_t i = 0; i < size; i++)
        if (head[i] == '\0' || (head[i] == '\n') != (i > 0 && head[i - 1] == '\r'))
            abort();
    if (count_fields(head, "host:", size) != 1 ||
        count_fields(head, "transfer-encoding:", size) ||
        count_fields(head, "content-length:", size) > 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gate whole, cut;
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    size--;
    enum gate_verdict v = feed(&whole, text, size, size);
    if (feed(&cut, text, size, size ? data[0] % (size + 1) : 0) != v ||
        cut.status != whole.status)
        abort();
    if (v == GATE_PASS)
        check_passed(&whole, text);
    return 0;
}
