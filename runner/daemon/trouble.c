// SPDX-License-Identifier: Apache-2.0
/* Compares with the sentence that was told last. */
#include "runner/daemon/trouble.h"

#include <string.h>

bool trouble_is_news(struct trouble *t, const struct err *why, int64_t now_ms)
{
    if (!strcmp(t->told.text, why->text) && now_ms < t->at_ms + TROUBLE_AGAIN_MS)
        return false;
    t->told = *why;
    t->at_ms = now_ms;
    return true;
}

void trouble_end(struct trouble *t)
{
    t->told.text[0] = '\0';
}
